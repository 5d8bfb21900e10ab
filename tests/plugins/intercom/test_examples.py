"""The vendor's own published payloads, where they lie beside the checkout."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from core.contract.types import Record
from plugins.base.mapping import map_each
from plugins.intercom import articles, companies, contacts
from plugins.intercom.activities import ConversationMapper
from plugins.intercom.client import IntercomClient
from plugins.intercom.tickets import TicketMapper
from tests.plugins.intercom.payloads import ADMINS, TEAMS
from tests.plugins.intercom.support import URL, mocked, source

EXAMPLES = Path(__file__).parents[3].parent / "shared" / "intercom" / "examples"
pytestmark = pytest.mark.skipif(not EXAMPLES.is_dir(), reason=f"no published examples at {EXAMPLES}")


def answers(operation: str) -> list[Any]:
    """Return the successful answers of an operation."""
    responses = json.loads((EXAMPLES / f"{operation}.json").read_text())["responses"]
    return [response["value"] for response in responses if response["status"] == 200]


def rows(operation: str, *names: str) -> list[Any]:
    """Return the objects of its listings."""
    return [row for body in answers(operation) for name in names for row in body.get(name) or ()]


def connected() -> Any:
    mocker, account = mocked()
    mocker.get(f"{URL}/admins", json=ADMINS)
    mocker.get(f"{URL}/teams", json=TEAMS)
    mocker.get(f"{URL}/tags", json={"data": []})
    mocker.get(f"{URL}/subscription_types", json={"data": []})
    return account


def check(object: str, payloads: list[Any], mapper: Any) -> list[Record]:
    assert payloads, "the examples hold none"
    records = map_each(object, payloads, mapper)
    assert all(isinstance(record, Record) for record in records), records
    assert [record.remote_id for record in records] == [str(payload["id"]) for payload in payloads]
    return [record for record in records if isinstance(record, Record)]


@pytest.mark.parametrize("operation", ["ShowContact", "ShowContactByExternalId", "UpdateContact", "CreateContact"])
def test_contacts(operation):
    payloads = answers(operation)
    records = check("contact", payloads, contacts.ContactMapper(connected(), payloads))
    for record, payload in zip(records, payloads, strict=True):
        assert record.values["email"] == payload["email"]
        assert record.values["external_id"] == payload["external_id"]


@pytest.mark.parametrize("operation", ["listAllCompanies", "scrollOverAllCompanies", "listCompaniesForAContact"])
def test_companies(operation):
    check("company", rows(operation, "data"), companies.map_company)


@pytest.mark.parametrize("operation", ["listConversations", "searchConversations"])
def test_listed_conversations(operation):
    check("conversation", rows(operation, "conversations"), ConversationMapper(connected()))


def test_conversations_with_parts():
    payloads = answers("retrieveConversation")
    for record, payload in zip(check("conversation", payloads, ConversationMapper(connected())), payloads, strict=True):
        parts = [part["id"] for part in payload["conversation_parts"]["conversation_parts"]]
        found = [activity.remote_id for activity in record.activities if activity.remote_id.startswith("part:")]
        assert found == [f"part:{part}" for part in parts]
        assert record.activities[0].people


def test_tickets():
    check("ticket", answers("getTicket"), TicketMapper(connected()))
    check("ticket", rows("searchTickets", "tickets"), TicketMapper(connected()))


def test_articles_and_collections():
    account = connected()
    check("article", rows("listArticles", "data") + answers("retrieveArticle"), articles.article_mapper(account))
    check("collection", rows("listAllCollections", "data"), articles.map_collection)


def test_fields():
    mocker, account = mocked(id=0, objects={"contact": None, "company": None, "conversation": None})
    mocker.get(f"{URL}/contacts", json=answers("ListContacts")[0])
    mocker.get(f"{URL}/companies", json=answers("listAllCompanies")[0])
    mocker.get(f"{URL}/data_attributes", json=answers("lisDataAttributes")[0])
    mocker.get(f"{URL}/conversations/attributes", json=answers("listConversationAttributes")[0])
    fields = {(field.object, field.key): field for field in source.field_schema(account=account)}
    assert fields["company", "name"].sample == "IntercomQATest1"
    assert fields["conversation", "custom_test list"].options == ("1", "2", "3")
    assert ("conversation", "custom_Ref to Test") not in fields


def test_the_roster_and_the_account():
    mocker, account = mocked(secrets={})
    mocker.get(f"{URL}/admins", json=answers("listAdmins")[0])
    mocker.get(f"{URL}/teams", json=answers("listTeams")[0])
    mocker.get(f"{URL}/me", json=answers("identifyAdmin")[0])
    assert source.import_team(account=account).users
    connected = source.connect(account=account, answers={"access_token": "t"})
    assert connected.settings == {"region": "US", "timezone": "America/Los_Angeles"}


def failures() -> list[Any]:
    """Return Intercom's own lists of errors, of all operations."""
    files = [json.loads(path.read_text()) for path in sorted(EXAMPLES.glob("*.json"))]
    found = [response for file in files for response in file["responses"] if response["status"] >= 400]
    return [failure for failure in found if (failure["value"] or {}).get("type") == "error.list"]


def test_errors_are_read():
    mocker, account = mocked()
    client = IntercomClient(account)
    assert len(failures()) > 300
    for failure in failures():
        mocker.get(f"{URL}/x", status_code=failure["status"], json=failure["value"])
        code, message = client.problem(account.http.get(f"{URL}/x", timeout=1))
        first = failure["value"]["errors"][0]
        assert (code, message) == (first["code"], first.get("message") or "")
