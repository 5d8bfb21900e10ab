"""From the catalogue to a data source, by the pages' requests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from flask.testing import FlaskClient
from sqlalchemy import update
from sqlalchemy.orm import Session

from core.db.models import DataSource, Draft, Run
from core.services import overview
from core.services.mainstem import Mainstem
from tests.services.conftest import rows
from tests.web.factories import NOW, Factory
from tests.web.helpers import send, statements, text


def begin(owner: FlaskClient, **form: str) -> int:
    response = send(owner, "/sources/new/desk", {"how": "token", "token": "open", **form})
    assert response.status_code == 302, text(response)
    return int(response.location.rpartition("/")[2])


def test_the_catalogue_says_what_comes_in_and_what_is_connected(
    mainstem: Mainstem, factory: Factory, owner: FlaskClient
):
    page = text(owner.get("/sources/new"))
    assert "Front Desk" in page
    assert "Get started" in page
    assert "Nothing matches" in text(owner.get("/sources/new?q=ledger"))
    assert "Front Desk" in text(owner.get("/sources/new?q=companies&category=Customer+support"))
    id = factory.source().id
    for state, next_one in (("connected", "disconnect"), ("disconnected", "archive"), ("archived", "delete")):
        with mainstem.engine.begin() as connection:
            connection.execute(update(DataSource).values(state=state))
        response = owner.get("/sources/new")
        assert "Data source already connected: disconnect, archive and delete" in text(response)
        assert f'href="/sources/{id}/{next_one}"' in response.get_data(as_text=True)
    assert 'href="/sources/" aria-current="page"' in response.get_data(as_text=True)


def test_pages_of_the_catalogue_do_not_ask_more_the_more_there_is(
    mainstem: Mainstem, factory: Factory, owner: FlaskClient
):
    def begin_draft() -> None:
        factory.add_all([Draft(plugin="desk", created_by="ann", created_at=NOW, updated_at=NOW, config={})])

    pages: list[tuple[str, Callable[[], object]]] = [("/sources/", begin_draft), ("/sources/new", factory.source)]
    for path, add in pages:
        counts = []
        for _ in range(3):
            add()
            with statements(mainstem.engine) as sent:
                owner.get(path)
            counts.append(len(sent))
        assert counts[1] == counts[2], path


def test_an_unknown_plugin_has_no_page(owner: FlaskClient):
    assert owner.get("/sources/new/lost").status_code == 404
    assert owner.get("/oauth/lost/callback").status_code == 404


def test_a_plugin_without_consent_asks_for_credentials_alone(owner: FlaskClient):
    page = text(owner.get("/sources/new/desk"))
    assert "Sign in at Front Desk" not in page
    assert "Token" in page
    refused = send(owner, "/sources/new/desk", {"how": "consent"})
    assert refused.status_code == 400
    assert "Consent is not set up" in text(refused)


def test_a_refused_token_is_told_and_the_options_stay(mainstem: Mainstem, owner: FlaskClient):
    response = send(owner, "/sources/new/desk", {"how": "token", "token": "wrong", "modify": "email", "keep": "1"})
    assert response.status_code == 400
    page = response.get_data(as_text=True)
    assert "Front Desk refused this token" in page
    assert 'id="keep-1" name="keep" value="1" checked' in page
    assert "wrong" not in page
    assert rows(mainstem.engine, Draft) == []


def test_the_existing_connection_is_led_to(factory: Factory, owner: FlaskClient):
    source = factory.source()
    page = owner.get("/sources/new/desk").get_data(as_text=True)
    assert "Data source already connected: disconnect, archive and delete the existing Front Desk connection" in page
    assert f'href="/sources/{source.id}"' in page
    assert send(owner, "/sources/new/desk", {"how": "token", "token": "open"}).status_code == 409


def test_answers_are_kept_and_the_next_open_step_is_found(mainstem: Mainstem, owner: FlaskClient):
    draft = begin(owner)
    assert owner.get(f"/setup/{draft}").location.endswith("/fields")
    answered = send(owner, f"/setup/{draft}/fields", {"object": "contact", "field": "contact:plan"})
    assert answered.location.endswith("/retention")
    assert owner.get(f"/setup/{draft}").location.endswith("/retention")
    send(owner, f"/setup/{draft}/retention", {"days": "365"})
    send(owner, f"/setup/{draft}/merge", {"strategy": "ignore"})
    assert owner.get(f"/setup/{draft}").location.endswith("/done")
    page = text(owner.get(f"/setup/{draft}/done"))
    assert "Activities are kept 365 days" in page
    assert "Who is already here stays untouched." in page
    # This plugin has neither teams nor conditions.
    assert owner.get(f"/setup/{draft}/teams").status_code == 404
    assert owner.get(f"/setup/{draft}/records").status_code == 404
    done = send(owner, f"/setup/{draft}/done", follow_redirects=True)
    assert "The first sync has started" in text(done)
    (source,) = rows(mainstem.engine, DataSource)
    assert source["config"]["objects"] == {"contact": "all"}
    assert [row["kind"] for row in rows(mainstem.engine, Run)] == ["initial"]
    assert owner.get(f"/setup/{draft}/done").status_code == 404


def test_an_account_that_was_connected_and_deleted_before_is_said_to_be_taken_up(
    mainstem: Mainstem, factory: Factory, owner: FlaskClient
):
    source = factory.source(state="deleted", remote_id="desk-1")
    person = factory.person(source)
    factory.activity(source, person)
    factory.link(source, person.id, "contact", "other", left_at=NOW)
    factory.run(source, "failed", error="No answer")
    draft = begin(owner)
    assert "taken up again: 1 person, 1 activity. Nothing comes in twice." in text(owner.get(f"/setup/{draft}/done"))
    page = text(send(owner, f"/setup/{draft}/done", follow_redirects=True))
    assert "what it brought then is still here" in page
    assert "Contacts: 1 no longer meets the conditions" in page
    with Session(mainstem.engine) as session:
        assert [run.state for run in overview.runs(session, source.id).items] == ["queued"]
    assert "No answer" not in text(owner.get("/"))


def test_the_wizard_goes_the_way_that_the_plugin_declares(
    mainstem: Mainstem, owner: FlaskClient, monkeypatch: pytest.MonkeyPatch
):
    manifest = mainstem.host.manifest("desk")
    monkeypatch.setattr(mainstem.host, "manifest", lambda name: replace(manifest, steps=("merge", "fields")))
    draft = begin(owner)
    assert owner.get(f"/setup/{draft}").location.endswith("/merge")
    assert "step 1 of 3" in text(owner.get(f"/setup/{draft}/merge"))
    assert send(owner, f"/setup/{draft}/merge", {"strategy": "ignore"}).location.endswith("/fields")
    answered = send(owner, f"/setup/{draft}/fields", {"object": "contact"})
    assert answered.location.endswith("/done")
    assert "Not looked at yet" not in text(owner.get(f"/setup/{draft}/done"))
    # What is not asked is as proposed, and is not asked later either.
    assert owner.get(f"/setup/{draft}/retention").status_code == 404
    send(owner, f"/setup/{draft}/done")
    (source,) = rows(mainstem.engine, DataSource)
    assert "retention" not in source["config"]
    assert owner.get(f"/sources/{source['id']}/edit/retention").status_code == 404


def test_a_wrong_answer_is_told_and_shown_again(mainstem: Mainstem, owner: FlaskClient):
    draft = begin(owner)
    response = send(owner, f"/setup/{draft}/retention", {"days": "0"})
    assert response.status_code == 400
    assert "must be between 1 and 36500" in text(response)
    assert "retention" not in rows(mainstem.engine, Draft)[0]["config"]


def test_a_draft_is_listed_until_it_is_discarded(mainstem: Mainstem, owner: FlaskClient, reader: FlaskClient):
    draft = begin(owner)
    assert "Set-up not finished" in text(owner.get("/sources/"))
    page = text(reader.get("/sources/"))
    assert "Set-up not finished" in page
    assert "Continue" not in page
    assert "Discard this set-up of Front Desk?" in text(owner.get(f"/setup/{draft}/discard"))
    send(owner, f"/setup/{draft}/discard")
    assert rows(mainstem.engine, Draft) == []
    assert owner.get(f"/setup/{draft}").status_code == 404


def test_the_trial_is_a_page_or_a_part_of_one(owner: FlaskClient):
    draft = begin(owner)
    assert "<html" in owner.get(f"/setup/{draft}/try").get_data(as_text=True)
    part = owner.get(f"/setup/{draft}/try", headers={"HX-Request": "true"}).get_data(as_text=True)
    assert part.lstrip().startswith("<section")
    assert "nothing was written" in part


PATHS = (
    "/sources/new", "/sources/new/desk", "/setup/{draft}", "/setup/{draft}/fields", "/setup/{draft}/retention",
    "/setup/{draft}/merge", "/setup/{draft}/done", "/setup/{draft}/try", "/setup/{draft}/discard",
    "/setup/{draft}/connect", "/oauth/desk/callback",
)  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
def test_who_may_only_read_sets_nothing_up(owner: FlaskClient, reader: FlaskClient, path: str):
    draft = begin(owner)
    assert reader.get(path.format(draft=draft)).status_code == 403
    for action in ("done", "discard", "refresh", "fields"):
        assert send(reader, f"/setup/{draft}/{action}").status_code == 403


def test_choices_are_edited_with_their_consequences(mainstem: Mainstem, factory: Factory, owner: FlaskClient):
    source = factory.source(config={"objects": {"contact": "all"}}, secrets=mainstem.vault.seal({"token": "open"}))
    factory.field(source, "plan", "Plan")
    page = text(owner.get(f"/sources/{source.id}"))
    for label in ("Modifiable fields", "Fields", "Data retention", "Merge"):
        assert label in page
    asked = text(owner.get(f"/sources/{source.id}/edit/retention"))
    assert "A resync starts at once" in asked
    assert "audiences" in asked
    saved = send(owner, f"/sources/{source.id}/edit/retention", {"days": "30"}, follow_redirects=True)
    assert "Saved; a sync has started" in text(saved)
    assert len(rows(mainstem.engine, Run)) == 1
    again = send(owner, f"/sources/{source.id}/edit/retention", {"days": "30"}, follow_redirects=True)
    assert "Saved" in text(again)
    refused = send(owner, f"/sources/{source.id}/edit/retention", {"days": "x"})
    assert (refused.status_code, "must be a whole number" in text(refused)) == (400, True)
    send(owner, f"/sources/{source.id}/edit/options", {"modify": "email"})
    (row,) = rows(mainstem.engine, DataSource)
    assert row["config"]["options"]["modify_fields"] == ["email"]
    assert row["config"]["retention"] == {"days": 30, "activities": {}}


def test_who_may_only_read_edits_nothing(factory: Factory, reader: FlaskClient):
    source = factory.source()
    assert "/edit/" not in reader.get(f"/sources/{source.id}").get_data(as_text=True)
    assert reader.get(f"/sources/{source.id}/edit/merge").status_code == 403
    assert send(reader, f"/sources/{source.id}/edit/merge").status_code == 403


def test_an_archived_data_source_is_not_edited(mainstem: Mainstem, factory: Factory, owner: FlaskClient):
    source = factory.source(state="archived")
    page = send(owner, f"/sources/{source.id}/edit/merge", {"strategy": "ignore"}, follow_redirects=True)
    assert "restore it first" in text(page)
