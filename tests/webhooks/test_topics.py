"""Every topic, from the sandbox's delivery at our address to a database that equals one which is read anew."""

from __future__ import annotations

from collections import Counter

import pytest
from flask.testing import FlaskClient

from core.app import create_app
from core.db.models import DataSource, RefusedRecord, WebhookDelivery
from core.services.connecting import reconnect
from core.services.draining import drain
from core.services.mainstem import Mainstem
from plugins.intercom.sandbox import Sandbox
from plugins.intercom.sandbox.webhooks import Delivery
from tests.services.conftest import rows
from tests.webhooks.conftest import Install
from tests.webhooks.snapshot import differences, snapshot
from tests.webhooks.topics import TOPICS, Changes


def deliver(client: FlaskClient, deliveries: list[Delivery]) -> Counter[str]:
    """Bring deliveries to our address as Intercom would; return how they were received."""
    received: Counter[str] = Counter()
    for delivery in deliveries:
        answer = client.post("/webhooks/intercom", data=delivery.body, headers=delivery.headers)
        assert answer.status_code == 200
        received[answer.json["reception"]] += 1  # type: ignore[index]
    return received


def arrive(mainstem: Mainstem, sandbox: Sandbox, order: int = 1) -> None:
    """Deliver whatever the sandbox recorded, each twice, and work it off."""
    app = create_app(mainstem)
    sent = list(sandbox.store.webhooks.log)[::order]
    sandbox.store.webhooks.log.clear()
    deliver(app.test_client(), sent)
    deliver(app.test_client(), sent)
    app.extensions["webhook_bell"].wait()
    drain(mainstem, 1)
    assert {row["state"] for row in rows(mainstem.engine, WebhookDelivery)} == {"done"}


@pytest.mark.parametrize("order", [1, -1], ids=["in order", "backwards"])
def test_after_every_topic_the_database_equals_a_fresh_sync(
    install: Install, sandbox: Sandbox, database_url: str, valkey_url: str, fresh_url: str, order: int
):
    mainstem = install(database_url, REDIS_URL=valkey_url)
    before = snapshot(mainstem.engine)
    changes = Changes(sandbox)
    sandbox.store.webhooks.log.clear()
    for topic in TOPICS:
        changes.make(topic)
    assert {delivery.topic for delivery in sandbox.store.webhooks.log} == set(TOPICS)
    arrive(mainstem, sandbox, order)
    after = snapshot(mainstem.engine)
    assert differences(after, snapshot(install(fresh_url).engine)) == []
    changed = {table for table in after if before[table] != after[table]}
    assert changed == after.keys() - {"collections", "teams"}
    assert rows(mainstem.engine, RefusedRecord) == []
    assert sandbox.store.writes == []


def test_objects_are_read_once_a_batch_whatever_the_bodies_say(
    install: Install, sandbox: Sandbox, sqlite_url: str, valkey_url: str
):
    mainstem = install(sqlite_url, REDIS_URL=valkey_url)
    store = sandbox.store
    contact = next(contact.fields["id"] for contact in store.contacts if contact.fields["role"] == "user")
    for number in range(20):
        store.update_contact(contact, name=f"Version {number}")
    store.requests.clear()
    arrive(mainstem, sandbox)
    assert store.requests["GET /contacts/{id}"] == 1


def test_a_merge_that_names_no_source(
    install: Install, sandbox: Sandbox, sqlite_url: str, valkey_url: str, fresh_url: str
):
    mainstem = install(sqlite_url, REDIS_URL=valkey_url)
    changes = Changes(sandbox)
    sandbox.store.webhooks.log.clear()
    changes.make("contact.merged")
    (sent,) = sandbox.store.webhooks.log
    item = dict(sent.envelope["data"]["item"])
    del item["merged_from"]
    sandbox.store.webhooks.log.clear()
    sandbox.store.webhooks.emit("contact.merged", item)
    arrive(mainstem, sandbox)
    assert differences(snapshot(mainstem.engine), snapshot(install(fresh_url).engine)) == []


def test_an_app_that_was_removed_needs_attention(install: Install, sandbox: Sandbox, sqlite_url: str, valkey_url: str):
    mainstem = install(sqlite_url, REDIS_URL=valkey_url)
    app = create_app(mainstem)
    notice = {"app_id": sandbox.store.plan.workspace}

    def told() -> str | None:
        answer = app.test_client().post("/webhooks/intercom", json=notice)
        assert answer.status_code == 200
        app.extensions["webhook_bell"].wait()
        drain(mainstem, 1)
        (source,) = rows(mainstem.engine, DataSource)
        return source["error"] if source["state"] == "needs_attention" else None

    # Anybody can say so: the token decides.
    assert told() is None
    with mainstem.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM webhook_delivery")
    sandbox.store.revoke_token()
    assert told() == "The app was removed from this Intercom workspace: install it there again and reconnect"
    reconnect(mainstem, 1, "ann", {"access_token": sandbox.store.issue_token()})
    assert drain(mainstem, 1) == 1


def test_a_removed_app_of_another_workspace_is_nobodys(
    install: Install, sandbox: Sandbox, sqlite_url: str, valkey_url: str
):
    mainstem = install(sqlite_url, REDIS_URL=valkey_url)
    answer = create_app(mainstem).test_client().post("/webhooks/intercom", json={"app_id": "another"})
    assert answer.json == {"reception": "unknown_account"}
    assert rows(mainstem.engine, WebhookDelivery) == []
