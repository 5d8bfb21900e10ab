from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from flask.testing import FlaskClient
from rq import Queue
from sqlalchemy import select
from sqlalchemy.orm import Session

from core.app import create_app
from core.db.models import ActivityPast, AuditEntry, DataSource, Draft, Run
from core.jobs import redis_of
from core.services.counting import recount
from core.services.mainstem import Mainstem
from core.services.paging import mark
from tests.web.factories import NOW, Factory, installation
from tests.web.helpers import log_in, send, statements, text


def stored(mainstem: Mainstem, id: int) -> DataSource:
    with Session(mainstem.engine) as session:
        return session.get_one(DataSource, id)


def test_without_data_sources_the_list_tells_how_to_connect_one(owner: FlaskClient):
    page = text(owner.get("/sources/"))
    assert "No data source is connected" in page
    assert "New data source" in page


def test_the_list_shows_state_counts_and_last_run(factory: Factory, owner: FlaskClient):
    source = factory.source()
    people = [factory.person(source) for _ in range(3)]
    factory.link(source, people[0].id, "contact", "again")
    factory.person(None)
    factory.organization(source)
    factory.activity(source, people[0])
    factory.article(source)
    factory.run(source, "failed")
    factory.run(source, "succeeded")
    factory.source("Second", "needs_attention", error="Front Desk refused this token")
    page = text(owner.get("/sources/"))
    assert "Name People Organizations Activities Articles State" in page
    assert "Support desk Front Desk · Desk of Acme 3 1 1 1 Connected Last sync succeeded 3 Nov 2026, 10:01 UTC" in page
    assert (
        "Second Front Desk · Desk of Acme – – – – Needs attention Not synced yet Front Desk refused this token" in page
    )


def test_what_never_synced_has_no_counts_and_what_brought_nothing_has_zeros(factory: Factory, owner: FlaskClient):
    source = factory.source()
    assert "People – Organizations – Activities – Articles –" in text(owner.get(f"/sources/{source.id}"))
    factory.run(source)
    assert "People 0 Organizations 0 Activities 0 Articles 0" in text(owner.get(f"/sources/{source.id}"))
    assert "Desk of Acme 0 0 0 0 Connected Last sync succeeded" in text(owner.get("/sources/"))


def test_the_list_is_searched_narrowed_and_paged(factory: Factory, owner: FlaskClient):
    for number in range(30):
        factory.source(f"Shop {number}", "archived" if number < 2 else "connected", account_name="Acme")
    factory.source("Berlin", "disconnected", account_name="100% Support")
    factory.source("Other", plugin="gone")
    factory.add_all([Draft(plugin="desk", created_by="ann", created_at=NOW, updated_at=NOW)])

    def shown(address: str) -> str:
        return text(owner.get(address))

    first = owner.get("/sources/").get_data(as_text=True)
    assert "Set-up not finished" in first
    assert "Shop 26" in first
    assert "Shop 27" not in first
    (address,) = re.findall(r'rel="next" href="([^"]+)"', first)
    second = owner.get(address).get_data(as_text=True)
    assert second.index("Shop 29") < second.index("Other") < second.index("Shop 0")
    assert "Set-up not finished" not in second
    (address,) = re.findall(r'rel="prev" href="([^"]+)"', second)
    assert text(owner.get(address)) == shown("/sources/")

    assert "Berlin" in shown("/sources/?q=BERLIN")
    assert "Berlin" in shown("/sources/?q=front+100%25")
    assert "Shop" not in shown("/sources/?q=front+100%25")
    assert "Other" in shown("/sources/?q=gone")
    assert "Shop 1 Front Desk · Acme" in shown("/sources/?state=archived")
    assert "Shop 2 Front Desk" not in shown("/sources/?state=archived")
    assert "Set-up not finished" in shown("/sources/?q=front")
    assert "Set-up not finished" not in shown("/sources/?q=berlin")
    assert "No data source was found" in shown("/sources/?q=nowhere")
    for key in ((False, 2**40), (False, "1"), (None, 1), (0, 1), (1,)):
        assert owner.get(f"/sources/?page={mark('after', key)}").status_code == 404


def test_what_was_only_referred_to_or_deleted_there_is_not_counted(factory: Factory, owner: FlaskClient):
    source = factory.source()
    person = factory.person(source)
    factory.link(source, factory.person(None).id, "contact", "stub", content_hash=None)
    factory.link(source, factory.person(None).id, "contact", "gone", deleted_at=NOW)
    assert "People 1 Organizations 0" in text(owner.get(f"/sources/{source.id}"))
    audience = text(owner.get(f"/people/?source={source.id}&state=all"))
    assert "1 person found" in audience
    assert person.email is not None
    assert person.email in audience


def test_a_deleted_data_source_is_shown_nowhere(factory: Factory, owner: FlaskClient):
    source = factory.source("Gone for good", "deleted")
    assert "Gone for good" not in text(owner.get("/sources/"))
    for path in ("", "/health", "/progress", "/delete"):
        assert owner.get(f"/sources/{source.id}{path}").status_code == 404


def test_the_list_takes_the_same_statements_for_one_data_source_and_for_twenty(
    mainstem: Mainstem, factory: Factory, owner: FlaskClient
):
    first = factory.source()
    factory.run(first)
    recount(mainstem, first.id)
    with statements(mainstem.engine) as few:
        owner.get("/sources/")
    for _ in range(19):
        source = factory.source()
        factory.run(source)
        factory.person(source)
        recount(mainstem, source.id)
    with statements(mainstem.engine) as many:
        owner.get("/sources/")
    assert len(many) == len(few)


def test_a_data_sources_page_takes_the_same_statements_whatever_it_holds(
    mainstem: Mainstem, factory: Factory, owner: FlaskClient
):
    source = factory.source()
    factory.partition(factory.run(source, "running"))
    addresses = (f"/sources/{source.id}", f"/sources/{source.id}/health", f"/sources/{source.id}/progress")
    counts = []
    for address in addresses:
        with statements(mainstem.engine) as sent:
            owner.get(address)
        counts.append(len(sent))
    for _ in range(5):
        factory.activity(source, factory.person(source))
        factory.refused(source, "no email")
    run = factory.run(source, "running")
    for object in ("contact", "company", "article"):
        factory.partition(run, object)
    for address, count in zip(addresses, counts, strict=True):
        with statements(mainstem.engine) as sent:
            owner.get(address)
        assert len(sent) == count, address


def test_the_page_says_the_configuration_in_words(factory: Factory, owner: FlaskClient):
    config = {
        "objects": {"contact": ["email", "plan"], "article": "all"},
        "options": {"modify_fields": ["email"], "keep_existing_values": True, "archive_deleted": True},
        "retention": {"days": 30, "activities": {"closed": 365}},
        "merge": {"strategy": "append_only", "people": {"keys": ["email", "phone"], "mode": "all"}},
    }
    source = factory.source(config=config)
    page = text(owner.get(f"/sources/{source.id}"))
    assert "Imports Contacts (2 fields), Articles" in page
    assert "Known people Get values only where they have none" in page
    assert "Modifiable fields of people Email, if they are empty" in page
    assert "Modifiable fields of organizations No system field" in page
    assert "People are recognised by Front Desk's own id, then by Email and Phone" in page
    assert "Activities kept 30 days; Conversation closed 365 days" in page
    assert "Deleted there Archived here" in page


def test_activities_are_counted_by_day(factory: Factory, owner: FlaskClient):
    source = factory.source()
    today = datetime.now(UTC)
    for days in (0, 1, 1, 13, 14):
        factory.activity(source, None, occurred_at=today - timedelta(days=days))
    page = owner.get(f"/sources/{source.id}").get_data(as_text=True)
    assert '<span class="card-note">4 in 14 days, 5 in 30</span>' in page
    yesterday = today - timedelta(days=1)
    assert f"<title>{yesterday.day} {yesterday:%b}: 2</title>" in page


def test_activities_that_went_count_beside_those_kept_now(factory: Factory, owner: FlaskClient):
    source = factory.source()
    factory.activity(source, None)
    moments = {"first_at": NOW, "last_at": NOW}
    past = ActivityPast(source_id=source.id, person_link_id=uuid4(), type="desk.closed", count=4, **moments)
    factory.add_all([past])
    for path in (f"/sources/{source.id}", "/"):
        assert "Activities 5 1 kept now" in text(owner.get(path))
    assert "Desk of Acme 0 0 5 1 kept now 0 Connected" in text(owner.get("/sources/"))


def test_a_running_sync_shows_how_far_it_is_and_asks_again(factory: Factory, owner: FlaskClient):
    source = factory.source()
    run = factory.run(source, "running", kind="full", started_at=datetime.now(UTC) - timedelta(seconds=100))
    counts = {"contact": {"read": 5000, "created": 4990, "rejected": 10}}
    factory.partition(run, "contact", "ready", expected=10000, counts=counts, requests=42)
    noon = datetime(2026, 5, 1, 12, tzinfo=UTC)
    factory.partition(run, "article", "ready", expected=0, error="a scroll is open", not_before=noon)
    response = owner.get(f"/sources/{source.id}/progress")
    page = response.get_data(as_text=True)
    assert 'hx-trigger="every 2s"' in page
    assert 'value="5000" max="10000"' in page
    said = text(response)
    assert "Full sync Running" in said
    assert "Records read 5,000" in said
    assert "Requests 42" in said
    assert "Time left about 1 min 4" in said
    assert "Articles: waits for Front Desk until 12:00:00 UTC , goes on by itself: a scroll is open" in said
    assert "run-error" not in page
    assert "htmx.min.js" in owner.get(f"/sources/{source.id}").get_data(as_text=True)


def test_a_finished_sync_is_not_asked_for_again(factory: Factory, owner: FlaskClient):
    source = factory.source()
    run = factory.run(source, "partial", error="Articles: not allowed")
    factory.partition(run, "article", "failed", error="add the scope «Read articles»", counts={})
    for path in (f"/sources/{source.id}/progress", f"/sources/{source.id}"):
        response = owner.get(path)
        assert "hx-" not in response.get_data(as_text=True)
        assert "Partly done" in text(response)
        assert "Articles: add the scope «Read articles»" in text(response)
        assert "Took 1 min 5 s" in text(response)


def test_the_last_answer_of_a_followed_sync_tells_the_page_that_it_ended(factory: Factory, owner: FlaskClient):
    source = factory.source()
    factory.run(source, "running")
    going_on = owner.get(f"/sources/{source.id}/progress", headers={"HX-Request": "true"})
    assert "HX-Trigger" not in going_on.headers
    factory.run(source, "succeeded")
    ended = owner.get(f"/sources/{source.id}/progress", headers={"HX-Request": "true"})
    assert ended.headers["HX-Trigger"] == "run-ended"


def test_sync_now_queues_a_run_for_the_workers(mainstem: Mainstem, factory: Factory, owner: FlaskClient):
    source = factory.source()
    response = send(owner, f"/sources/{source.id}/sync", follow_redirects=True)
    assert "The sync has started" in text(response)
    with Session(mainstem.engine) as session:
        assert session.scalars(select(Run.state)).all() == ["queued"]
    assert Queue("sync", connection=redis_of(mainstem)).count == 1


def test_without_redis_sync_now_says_so(sqlite_url: str, tmp_path: Path):
    mainstem = installation(sqlite_url, str(tmp_path / "i"), REDIS_URL="redis://127.0.0.1:1/0")
    factory = Factory(mainstem.engine)
    source, app = factory.source(), create_app(mainstem)
    response = send(log_in(app, factory.user().email), f"/sources/{source.id}/sync", follow_redirects=True)
    assert "Redis is out of reach" in text(response)


def test_a_full_sync_is_asked_for_first(mainstem: Mainstem, factory: Factory, owner: FlaskClient):
    source = factory.source(since={"contact": NOW.isoformat()})
    assert "read again from the beginning" in text(owner.get(f"/sources/{source.id}/full-sync"))
    send(owner, f"/sources/{source.id}/full-sync")
    with Session(mainstem.engine) as session:
        assert session.scalars(select(Run.kind)).all() == ["full"]


def test_renaming_is_noted_with_who_did_it(mainstem: Mainstem, factory: Factory, owner: FlaskClient):
    source = factory.source()
    response = send(owner, f"/sources/{source.id}/name", {"name": "Support <b>EU</b>"}, follow_redirects=True)
    assert "Support <b>EU</b>" in text(response)
    assert "<b>EU" not in response.get_data(as_text=True)
    with Session(mainstem.engine) as session:
        entry = session.scalars(select(AuditEntry).where(AuditEntry.action == "rename")).one()
    assert entry.actor == "olga@example.com"
    refused = send(owner, f"/sources/{source.id}/name", {"name": " "}, follow_redirects=True)
    assert "must have 1 to 100 characters" in text(refused)


def test_fields_that_are_new_at_the_vendor_are_told_and_added_by_one_click(
    mainstem: Mainstem, factory: Factory, owner: FlaskClient, reader: FlaskClient
):
    source = factory.source(config={"objects": {"contact": ["email"]}})
    factory.field(source, "email", "Email")
    path = f"/sources/{source.id}"
    assert "new field" not in text(owner.get(path))
    new: dict[str, Any] = {"is_new": True, "selected": False}
    factory.field(source, "plan", "Plan", **new)
    factory.field(source, "size", "Size", **new)
    # One of an object that is left out, and one that went again, are no news.
    factory.field(source, "body", "Body", object="article", **new)
    factory.field(source, "old", "Old", retired_at=NOW, **new)
    assert "2 new fields at Front Desk : Plan, Size." in text(owner.get(path))
    assert "Add them" not in text(reader.get(path))
    page = text(send(owner, f"{path}/fields", follow_redirects=True))
    assert "The fields are added" in page
    assert "new fields" not in page
    assert stored(mainstem, source.id).config["objects"] == {"contact": ["email", "plan", "size"]}


def test_the_life_cycle_by_its_buttons(mainstem: Mainstem, factory: Factory, owner: FlaskClient):
    person = factory.person(
        source := factory.source(remote_id="desk-1", secrets=mainstem.vault.seal({"token": "open"}))
    )
    for action, state, offered in [
        ("disconnect", "disconnected", ("Reconnect", "Archive")),
        ("reconnect", "connected", ("Sync now", "Disconnect")),
        ("disconnect", "disconnected", ("Archive",)),
        ("archive", "archived", ("Restore", "Delete")),
        ("restore", "disconnected", ("Reconnect",)),
        ("archive", "archived", ("Delete",)),
    ]:
        assert owner.get(f"/sources/{source.id}/{action}").status_code == 200
        page = send(owner, f"/sources/{source.id}/{action}", follow_redirects=True)
        assert stored(mainstem, source.id).state == state
        for button in offered:
            assert button in text(page), (action, button)
    deleted = send(owner, f"/sources/{source.id}/delete", follow_redirects=True)
    assert deleted.request.path == "/sources/"
    assert "The data source is deleted" in text(deleted)
    assert owner.get(f"/sources/{source.id}").status_code == 404
    assert owner.get(f"/people/{person.id}").status_code == 200


def test_reconnecting_with_dead_credentials_says_what_the_vendor_said(
    mainstem: Mainstem, factory: Factory, owner: FlaskClient
):
    source = factory.source(state="needs_attention", secrets=mainstem.vault.seal({"token": "revoked"}))
    page = text(send(owner, f"/sources/{source.id}/reconnect", follow_redirects=True))
    assert "Front Desk refused this token" in page
    assert stored(mainstem, source.id).state == "needs_attention"


def test_reconnecting_takes_new_credentials(mainstem: Mainstem, factory: Factory, owner: FlaskClient):
    source = factory.source(
        state="needs_attention", remote_id="desk-1", secrets=mainstem.vault.seal({"token": "revoked"})
    )
    asked = owner.get(f"/sources/{source.id}/reconnect").get_data(as_text=True)
    assert 'name="token" type="password" value=""' in asked
    assert "revoked" not in asked
    page = send(owner, f"/sources/{source.id}/reconnect", {"token": "open"}, follow_redirects=True)
    assert "what changed meanwhile is being fetched" in text(page)
    assert mainstem.vault.open(stored(mainstem, source.id).secrets) == {"token": "open"}


def test_an_action_that_does_not_fit_the_state_is_not_offered(factory: Factory, owner: FlaskClient):
    source = factory.source()
    assert f"/sources/{source.id}/delete" not in owner.get(f"/sources/{source.id}").get_data(as_text=True)
    assert owner.get(f"/sources/{source.id}/delete").status_code == 409
    assert "disconnect and archive it first" in text(send(owner, f"/sources/{source.id}/delete", follow_redirects=True))


def test_refused_records_show_reason_and_payload(factory: Factory, owner: FlaskClient):
    source = factory.source()
    factory.refused(source, "email: 'x' is no email", payload={"email": "x", "note": "</pre><script>"}, remote_id="r1")
    factory.refused(source, "mended since", resolved_at=NOW)
    response = owner.get(f"/sources/{source.id}/health")
    page = text(response)
    assert "Health 1 refused record" in page
    assert "Contact r1 email: 'x' is no email" in page
    assert '"email": "x"' in page
    assert "mended since" not in page
    assert "<script>" not in response.get_data(as_text=True).replace("<script src", "")


def test_runs_and_refused_records_are_paged(factory: Factory, owner: FlaskClient):
    source = factory.source()
    for number in range(22):
        factory.run(source, error=f"error {number}.")
        factory.refused(source, f"reason {number}.")
    first = owner.get(f"/sources/{source.id}/health")
    assert "error 21." in text(first)
    assert "error 1." not in text(first)
    assert "reason 1." not in text(first)
    older = text(owner.get(f"/sources/{source.id}/health?before=3&skip=20"))
    assert "error 1." in older
    assert "error 2." not in older
    assert "reason 1." in older
    assert "reason 2." not in older


def test_a_data_source_without_its_plugin_is_still_shown(factory: Factory, owner: FlaskClient):
    source = factory.source(plugin="lost")
    factory.run(source)
    person = factory.person(source, fields={"lost.plan": "Pro"})
    factory.activity(source, person, "was_seen")
    page = text(owner.get(f"/sources/{source.id}"))
    assert "The plugin «lost» is not there" in page
    assert "lost" in text(owner.get("/sources/"))
    profile = text(owner.get(f"/people/{person.id}"))
    assert "Plan Pro" in profile
    assert "Was seen" in profile


def test_the_plugins_page_says_why_one_is_broken(owner: FlaskClient):
    page = text(owner.get("/plugins/"))
    assert "Front Desk Loaded" in page
    assert "Contacts Companies Conversations Articles" in page
    assert "Broken Broken It is left out until this is mended: manifest must be of type Manifest" in page


def test_a_plugins_icon_is_an_image_that_runs_nothing(owner: FlaskClient):
    icon = owner.get("/plugins/desk/icon.svg")
    assert icon.mimetype == "image/svg+xml"
    assert "sandbox" in icon.headers["Content-Security-Policy"]
    assert owner.get("/plugins/lost/icon.svg").status_code == 404
