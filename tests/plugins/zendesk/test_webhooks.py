from __future__ import annotations

import json
from dataclasses import replace

import pytest

from core.contract.errors import Forged
from core.contract.types import Delivery, Ref, WebhookRequest
from plugins.zendesk.sandbox.data import FIRST_AGENT, FIRST_USER
from tests.plugins.zendesk.support import Office, source

SECRETS = "other=other-secret, acme=zendesk-sandbox-webhook-secret=="


def delivery(topic: str, subject: str, id: str = "e1") -> Delivery:
    return Delivery("acme", id, f"zen:event-type:{topic}", {"subject": f"zen:{subject}"})


@pytest.fixture
def genuine(office: Office) -> WebhookRequest:
    request = office.sandbox.deliveries()[0]
    return replace(request, headers={name.lower(): value for name, value in request.headers.items()})


def verify(request: WebhookRequest, secrets: str | None) -> Delivery:
    environment = {"ZENDESK_WEBHOOK_SECRETS": secrets} if secrets else {}
    found: Delivery = source.verify_webhook(request=request, environment=environment)
    return found


def test_the_secret_that_proves_it_names_the_account(genuine: WebhookRequest):
    found = verify(genuine, SECRETS)
    assert (found.account, found.topic) == ("acme", "zen:event-type:user.name_changed")
    assert found.id == json.loads(genuine.body)["id"]


@pytest.mark.parametrize("secrets", [None, "", "acme", "acme=", "=", "acme=wrong"])
def test_without_the_right_secret_nothing_is_taken(genuine: WebhookRequest, secrets: str | None):
    with pytest.raises(Forged):
        verify(genuine, secrets)


def test_the_time_is_signed_too(genuine: WebhookRequest):
    later = {**genuine.headers, "x-zendesk-webhook-signature-timestamp": "2026-01-01T00:00:01Z"}
    with pytest.raises(Forged):
        verify(replace(genuine, headers=later), SECRETS)


def test_what_events_are_about_is_read_again_once(office: Office):
    office.rows["users"][FIRST_USER + 1]["active"] = False
    told = [
        delivery("user.name_changed", f"user:{FIRST_USER}"),
        delivery("user.tags_changed", f"user:{FIRST_USER}", "e2"),
        delivery("user.deleted", f"user:{FIRST_USER + 1}", "e3"),
        delivery("ticket.comment_added", "ticket:1", "e4"),
        delivery("community_post.created", "community_post:1", "e5"),
    ]
    page = source.read_webhooks(account=office.account, deliveries=told)
    found = [(item.object, item.remote_id) for item in page.records]
    assert found == [("user", str(FIRST_USER)), ("ticket", "1")]
    assert page.deleted == [Ref("user", str(FIRST_USER + 1))]


def test_what_is_not_selected_is_passed_over(office: Office):
    account = replace(office.account, objects={"user": None})
    page = source.read_webhooks(account=account, deliveries=[delivery("ticket.comment_added", "ticket:1")])
    assert (page.records, page.deleted) == ([], [])


def test_changes_of_the_team_read_it_again(office: Office):
    told = [delivery("user.group_membership_created", f"user:{FIRST_AGENT}")]
    page = source.read_webhooks(account=office.account, deliveries=told)
    assert page.records == []
    assert page.roster is not None
    assert len(page.roster.users) == 5
    assert (
        source.read_webhooks(account=office.account, deliveries=[delivery("ticket.created", "ticket:1")]).roster is None
    )
