"""Conditions on records (R9), from Intercom's search to the numbers that an admin is shown."""

from __future__ import annotations

from collections import Counter
from typing import Any

from core.db.models import DataSource, Link
from core.services import syncing
from core.services.completeness import completeness
from core.services.mainstem import Mainstem
from plugins.intercom.sandbox import Sandbox
from tests.services.conftest import rows
from tests.webhooks.conftest import Install
from tests.webhooks.test_topics import arrive

SELECTION = {"people": {"all": [{"field": "role", "op": "is", "value": "user"}]}}
WANTED = {"objects": {"contact": "all"}, "selection": SELECTION}


def states(mainstem: Mainstem) -> dict[str, str]:
    return {
        row["remote_id"]: "gone" if row["deleted_at"] else "left" if row["left_at"] else "here"
        for row in rows(mainstem.engine, Link, Link.content_hash.is_not(None))
    }


def sync(mainstem: Mainstem, full: bool = False) -> dict[str, Any]:
    (source,) = rows(mainstem.engine, DataSource)
    run = syncing.start(mainstem, source["id"], full)
    syncing.run_inline(mainstem, run)
    return syncing.progress(mainstem, run).summary()


def test_only_who_is_wanted_comes_in_whoever_leaves_is_marked_and_the_numbers_add_up(
    sqlite_url: str, install: Install, sandbox: Sandbox
):
    store = sandbox.store
    before = {contact.fields["id"]: contact.fields["role"] for contact in store.contacts}
    users = [key for key, role in before.items() if role == "user"]
    mainstem = install(sqlite_url, WANTED)
    assert states(mainstem) == dict.fromkeys(users, "here")
    # Two counts before, and one after.
    assert store.requests["POST /contacts/search"] == 3 + -(-len(users) // 150)
    assert store.requests["GET /contacts"] <= 3  # samples and counts, no listing

    leads = [key for key, role in before.items() if role == "lead"]
    store.update_contact(users[0], role="lead", name="Left by webhook")
    store.update_contact(leads[0], role="user")
    arrive(mainstem, sandbox)
    assert states(mainstem) == {**dict.fromkeys(users, "here"), users[0]: "left", leads[0]: "here"}

    # Nothing tells of these before a full sync does.
    store.update_contact(users[1], role="lead")
    store.delete_contact(users[2])
    store.webhooks.log.clear()
    done = sync(mainstem, full=True)
    assert done["objects"]["contact"]["read"] == len(users) - 2
    assert done["vanished"]["contact"] == {"checked": 2, "gone": 1, "left": 1}
    assert Counter(states(mainstem).values()) == {"here": len(users) - 2, "left": 2, "gone": 1}
    (source,) = rows(mainstem.engine, DataSource)
    found = completeness(mainstem, source["id"])["contact"]
    assert (found.expected, found.imported, found.left) == (len(before) - 1, len(users), 2)
    assert found.missing == 0

    store.update_contact(users[0], role="user")
    sync(mainstem)
    assert states(mainstem)[users[0]] == "here"
