"""What a plugin does not declare is neither offered, nor taken, nor promised: one test for each capability."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from core.app import create_app
from core.contract.errors import Forged
from core.contract.hookspecs import hookimpl
from core.contract.types import Account, Delivery, Manifest, Page, Roster, WebhookRequest
from core.db.models import Draft, WebhookDelivery
from core.host import Host
from core.services import overview
from core.services.configuration import read_config
from core.services.errors import Invalid
from core.services.mainstem import Mainstem
from tests.services.conftest import rows
from tests.web.factories import NOW, Desk, Factory
from tests.web.helpers import log_in, send, text

Open = Callable[..., FlaskClient]
LATER = timedelta(seconds=5)
LONG_AGO = NOW - timedelta(days=30)


class TellingDesk(Desk):
    """Has the hooks behind each capability."""

    @hookimpl
    def import_team(self, account: Account) -> Roster:
        return Roster()

    @hookimpl
    def verify_webhook(self, request: WebhookRequest, environment: Mapping[str, str]) -> Delivery:
        raise Forged("nobody sends any")

    @hookimpl
    def read_webhooks(self, account: Account, deliveries: Sequence[Delivery]) -> Page:
        return Page()


@pytest.fixture
def opened(mainstem: Mainstem, factory: Factory) -> Open:
    """Open the admin of an installation whose help desk declares what is given."""

    def open_(**declared: Any) -> FlaskClient:
        desk = TellingDesk()
        desk.manifest = replace(Desk.manifest, **declared)
        app = create_app(Mainstem(**{**vars(mainstem), "host": Host([desk])}))
        return log_in(app, factory.user().email)

    return open_


def pages_of(mainstem: Mainstem, factory: Factory, client: FlaskClient) -> dict[str, str]:
    """Return what the pages say before connecting, at the end of the wizard and of a data source."""
    given = {"how": "token", "token": "open", "archive": "1"}
    begun = send(client, "/sources/new/desk", given)
    assert begun.status_code == 302
    draft = rows(mainstem.engine, Draft)[0]["id"]
    source = factory.source(secrets=mainstem.vault.seal({"token": "open"}))
    paths = {
        "connect": "/sources/new/desk",
        "done": f"/setup/{draft}/done",
        "source": f"/sources/{source.id}",
        "health": f"/sources/{source.id}/health",
        "options": f"/sources/{source.id}/edit/options",
        "retention": f"/sources/{source.id}/edit/retention",
    }
    return {name: text(client.get(path)) for name, path in paths.items()}


SAID = (
    ("deletes", True, {"options": "Archive records that are deleted", "done": "is archived here",
                       "source": "Deleted there Kept here"}),
    ("deletes", False, {"options": "does not tell what is deleted there", "done": "does not tell what is deleted there",
                        "source": "Deleted there Not told, so kept here"}),
    ("webhooks", True, {"done": "shortly after they occur, by webhook; what was missed every 60 minutes",
                        "source": "Changes come in Shortly after they occur", "health": "None has come in yet"}),
    ("webhooks", False, {"done": "Later changes come in every 60 minutes", "source": "Changes come in Every 60 minutes",
                         "health": "does not tell of changes by webhook"}),
    ("past", True, {"retention": "those of the time that was not covered before"}),
    ("past", False, {"retention": "read again from the beginning"}),
    ("teams", True, {"done": "Works here too", "source": "Teams"}),
    ("selective", True, {"done": "All people", "source": "Select records"}),
)  # fmt: skip


@pytest.mark.parametrize(("capability", "declared", "said"), SAID)
def test_pages_say_what_a_plugin_declares(
    mainstem: Mainstem, factory: Factory, opened: Open, capability: str, declared: bool, said: dict[str, str]
):
    client = opened(**{capability: declared})
    pages = pages_of(mainstem, factory, client)
    for name, words in said.items():
        assert words in pages[name], name


@pytest.mark.parametrize(("capability", "step"), [("teams", "teams"), ("selective", "records")])
def test_a_step_that_makes_no_sense_has_no_address(
    mainstem: Mainstem, factory: Factory, opened: Open, capability: str, step: str
):
    client = opened(**{capability: False})
    pages_of(mainstem, factory, client)
    draft = rows(mainstem.engine, Draft)[0]["id"]
    source = factory.source(secrets=mainstem.vault.seal({"token": "open"}))
    for path in (f"/setup/{draft}/{step}", f"/sources/{source.id}/edit/{step}"):
        assert client.get(path).status_code == 404
        assert send(client, path).status_code == 404


def test_deleted_records_are_archived_only_where_the_vendor_tells_of_them(mainstem: Mainstem, opened: Open):
    client = opened(deletes=False)
    assert 'name="archive"' not in client.get("/sources/new/desk").get_data(as_text=True)
    send(client, "/sources/new/desk", {"how": "token", "token": "open", "archive": "1"})
    assert rows(mainstem.engine, Draft)[0]["config"]["options"]["archive_deleted"] is False


@pytest.mark.parametrize(
    ("capability", "config", "key"),
    [
        ("deletes", {"options": {"archive_deleted": True}}, "options.archive_deleted"),
        ("teams", {"teams": {"teams": ["1"]}}, "teams.teams"),
        ("selective", {"selection": {"people": {"all": []}}}, "selection.people"),
    ],
)
def test_a_configuration_that_asks_for_more_is_refused(capability: str, config: Any, key: str):
    def declaring(able: bool) -> Manifest:
        changed: dict[str, Any] = {capability: able}
        return replace(Desk.manifest, **changed)

    with pytest.raises(Invalid) as refused:
        read_config(config, declaring(False))
    assert list(refused.value.errors) == [key]
    assert "Front Desk" in refused.value.errors[key]
    read_config(config, declaring(True))


def test_webhooks_that_came_in_are_told_with_how_long_they_took(
    factory: Factory, opened: Open, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(overview, "now_utc", lambda: NOW + timedelta(days=6))
    client = opened(webhooks=True)
    source, other = factory.source(), factory.source()
    shown: dict[str, Any] = {"topic": "contact", "body": {}, "received_at": NOW}
    factory.add_all(
        [
            WebhookDelivery(source_id=source.id, dedupe_key="1", state="done", processed_at=NOW + LATER, **shown),
            WebhookDelivery(source_id=source.id, dedupe_key="2", state="pending", **shown),
            WebhookDelivery(source_id=source.id, dedupe_key="4", state="dead", **{**shown, "received_at": LONG_AGO}),
            WebhookDelivery(source_id=other.id, dedupe_key="3", state="pending", **shown),
        ]
    )
    page = text(client.get(f"/sources/{source.id}/health"))
    assert "In the last 7 days 2 The last 3 Nov 2026, 10:00 UTC Longest until worked off 5 s" in page
    assert "Waiting 1 since 3 Nov 2026, 10:00" in page


def test_where_the_vendor_does_not_count_nothing_is_said_to_be_complete(factory: Factory, owner: FlaskClient):
    source = factory.source()
    numbers = dict.fromkeys(("imported", "merged", "skipped", "refused", "outside"), 0)
    factory.run(source, report={"objects": {"contact": {"expected": None, **numbers}}}, finished_at=NOW)
    page = text(owner.get(f"/sources/{source.id}/health"))
    assert "Front Desk does not say how many there are" in page
    assert "Contacts not told" in page
