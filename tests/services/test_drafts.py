"""A data source is set up step by step, is left and taken up again, and is tried out before anything is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Engine, inspect, select, update
from sqlalchemy.exc import IntegrityError

from core.contract.errors import Refused, Retry
from core.contract.types import FieldSpec, Record, Ref, Refusal, Roster, Team, TeamUser
from core.db.base import Model
from core.db.models import DataSource, Draft, Link, Person
from core.services import drafts, dryrun, syncing
from core.services.connecting import archive, connect, delete, disconnect
from core.services.drafts import choose, discard, finish, get_draft, open_with_credentials, opened_of
from core.services.dryrun import Trial, dry_run
from core.services.errors import Conflict, Invalid, NotFound
from core.services.mainstem import Mainstem
from core.services.sources import list_sources
from tests.services.conftest import CONFIG, counts, emails, rows, run
from tests.services.vendor import Vendor, firm, user

TOKEN = {"token": "open-sesame"}
ALREADY = "Data source already connected"
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture
def vendor() -> Vendor:
    vendor = Vendor(selective=True)
    vendor.fields = [
        FieldSpec("user", "email", "Email", feeds="email", sample="ann@example.com"),
        FieldSpec("user", "plan", "Plan", custom=True, options=("Pro", "Free"), sample="Pro"),
    ]
    vendor.roster = Roster(users=(TeamUser("1", "ann@acme.example", "Ann"),), teams=(Team("s", "Sales", ("1",)),))
    vendor.data = {"user": [user(n) for n in range(4)], "firm": [firm(1)]}
    return vendor


@pytest.fixture
def draft(mainstem: Mainstem) -> int:
    return open_with_credentials(mainstem, "acme", {}, TOKEN, "ann")


def stored(mainstem: Mainstem, draft: int) -> Mapping[str, Any]:
    with mainstem.engine.connect() as connection:
        return dict(get_draft(connection, draft))


def content(engine: Engine) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table."""
    with engine.connect() as connection:
        return {
            name: sorted(tuple(map(repr, row)) for row in connection.execute(select(table)))
            for name, table in Model.metadata.tables.items()
            if inspect(connection).has_table(name)
        }


def trial(mainstem: Mainstem, draft: int) -> dict[str, Trial]:
    return {each.key: each for each in dry_run(mainstem, opened_of(stored(mainstem, draft)))}  # type: ignore[arg-type]


def some(counts: Mapping[str, int]) -> dict[str, int]:
    return {key: number for key, number in counts.items() if number}


def test_an_opened_account_is_kept_with_what_it_offers_and_is_no_data_source(mainstem: Mainstem, draft: int):
    row = stored(mainstem, draft)
    assert (row["remote_id"], row["account_name"], row["settings"]) == ("1", "Acme One", {"region": "eu"})
    assert mainstem.vault.open(row["secrets"]) == TOKEN
    assert "open-sesame" not in repr(dict(row))
    assert [spec.key for spec in drafts.schema_in(row)] == ["email", "plan"]  # type: ignore[arg-type]
    assert drafts.schema_in(row)[1].options == ("Pro", "Free")  # type: ignore[arg-type]
    assert drafts.roster_in(row).teams == (Team("s", "Sales", ("1",)),)  # type: ignore[arg-type]
    assert list_sources(mainstem) == []


def test_what_does_not_open_an_account_leaves_nothing(mainstem: Mainstem):
    with pytest.raises(Invalid, match="refused this token"):
        open_with_credentials(mainstem, "acme", {}, {"token": "wrong"}, "ann")
    assert rows(mainstem.engine, Draft) == []


def test_an_account_of_which_nothing_needed_may_be_read_is_not_opened(mainstem: Mainstem, vendor: Vendor):
    vendor.errors["user", 0] = [Refused("Users: add the scope «Read users»")]
    with pytest.raises(Refused, match="add the scope"):
        open_with_credentials(mainstem, "acme", {}, TOKEN, "ann")
    assert rows(mainstem.engine, Draft) == []


def test_choices_are_kept_step_by_step_and_checked(mainstem: Mainstem, draft: int):
    choose(mainstem, draft, {"objects": {"user": ["plan"]}})
    choose(mainstem, draft, {"retention": {"days": 30}})
    assert stored(mainstem, draft)["config"] == {"objects": {"user": ["plan"]}, "retention": {"days": 30}}
    refusals: list[tuple[dict[str, Any], str]] = [
        ({"objects": {"user": ["plam"]}}, "objects.user.plam"),
        ({"retention": {"days": 0}}, "retention.days"),
        ({"selection": {"people": {"field": "plan", "op": "is", "value": 1}}}, "selection.people.value"),
    ]
    for wrong, where in refusals:
        with pytest.raises(Invalid) as refused:
            choose(mainstem, draft, wrong)
        assert list(refused.value.errors) == [where]
    assert stored(mainstem, draft)["config"] == {"objects": {"user": ["plan"]}, "retention": {"days": 30}}


def test_a_finished_draft_is_a_data_source_with_its_choices(mainstem: Mainstem, draft: int):
    choose(mainstem, draft, {"objects": {"user": "all"}})
    source = finish(mainstem, draft, "ann")
    assert rows(mainstem.engine, Draft) == []
    (row,) = rows(mainstem.engine, DataSource)
    assert (row["id"], row["state"], row["config"]) == (source, "connected", {"objects": {"user": "all"}})
    assert counts(run(mainstem, source)) == {"user": {"read": 4, "created": 4}}
    with pytest.raises(NotFound):
        finish(mainstem, draft, "bob")


def test_two_drafts_of_one_account_may_be_made_and_one_be_finished(mainstem: Mainstem, draft: int):
    other = open_with_credentials(mainstem, "acme", {}, TOKEN, "bob")
    finish(mainstem, draft, "ann")
    with pytest.raises(Conflict, match=ALREADY):
        finish(mainstem, other, "bob")
    assert len(rows(mainstem.engine, Draft)) == 1
    with pytest.raises(Conflict, match=ALREADY):
        open_with_credentials(mainstem, "acme", {}, TOKEN, "ann")
    discard(mainstem, other)
    assert rows(mainstem.engine, Draft) == []


def test_what_the_account_offers_is_looked_at_again(mainstem: Mainstem, vendor: Vendor, draft: int):
    vendor.fields.append(FieldSpec("user", "seats", "Seats", "integer"))
    drafts.refresh(mainstem, draft)
    assert [spec.key for spec in drafts.schema_in(stored(mainstem, draft))] == ["email", "plan", "seats"]  # type: ignore[arg-type]


def test_the_dry_run_writes_nothing_and_says_what_would_become_of_each_record(
    mainstem: Mainstem, vendor: Vendor, draft: int
):
    vendor.size = 10
    vendor.data = {"user": [user(1), user(2)], "firm": [firm(1)]}
    first = finish(mainstem, draft, "ann")
    run(mainstem, first)
    disconnect(mainstem, first, "ann")
    archive(mainstem, first, "ann")
    delete(mainstem, first, "ann")
    with mainstem.engine.begin() as connection:
        connection.execute(update(Person).where(Person.email == "u2@example.com").values(first_name="Uma"))
    vendor.tokens["open-sesame"] = ("9", "Acme Nine")
    vendor.data["user"] = [
        user(1, first_name="Una"),
        user(2),
        user(7),
        replace(user(8), fields={"plan": "Free"}),
        Refusal("user", "u9", "email: missing", {}),
    ]
    draft = open_with_credentials(mainstem, "acme", {}, TOKEN, "ann")
    choose(mainstem, draft, {"selection": {"people": {"field": "plan", "op": "is_not", "value": "free"}}})
    before = content(mainstem.engine)
    found = trial(mainstem, draft)
    assert content(mainstem.engine) == before
    assert found["user"].sampled == 5
    assert some(found["user"].counts) == {"created": 1, "merged": 2, "skipped": 1, "refused": 1}
    assert found["firm"].counts["created"] == 1
    by_name = {example.remote_id: example for example in found["user"].examples}
    assert by_name["u9"].reason == "email: missing"
    assert by_name["u7"].outcome == "created"
    (change,) = by_name["u1"].changes
    assert (change.label, change.before, change.after) == ("First name", None, "Una")
    assert by_name["u2"].changes == []
    assert by_name["u2"].reason == "No value changes: it only becomes one with who is here."


def test_a_dry_run_after_the_same_account_was_deleted_knows_what_it_brought(
    mainstem: Mainstem, vendor: Vendor, draft: int
):
    vendor.data["user"] = [replace(user(n), fields={"plan": "Pro"}) for n in range(2)]
    source = finish(mainstem, draft, "ann")
    run(mainstem, source)
    for step in (disconnect, archive, delete):
        step(mainstem, source, "ann")
    again = open_with_credentials(mainstem, "acme", {}, TOKEN, "ann")
    found = trial(mainstem, again)["user"]
    assert (found.sampled, some(found.counts)) == (2, {"unchanged": 2})
    # Less is chosen than before: no value changes, but the records are written anew.
    choose(mainstem, again, {"objects": {"user": ["email"]}})
    found = trial(mainstem, again)["user"]
    assert some(found.counts) == {"changed": 2}
    assert not any(example.changes for example in found.examples)
    assert {example.reason.split(" than ")[0] for example in found.examples} == {
        "No value changes. Other fields come in"
    }
    assert run(mainstem, finish(mainstem, again, "ann")).objects["user"].counts["updated"] == 2


@pytest.mark.parametrize(
    ("then", "reason"),
    [
        ({"deleted_at": LONG_AGO}, "No value changes. It was deleted at Acme, and is there again"),
        (
            {"left_at": LONG_AGO},
            "No value changes. It did not meet the conditions, and meets those that are chosen now",
        ),
        (
            {"content_hash": b"other", "remote_updated_at": LONG_AGO},
            "No value changes here. It was changed at Acme since it came in last: in its tags, organizations",
        ),
    ],
)
def test_the_dry_run_says_why_a_record_is_written_although_no_value_changes(
    mainstem: Mainstem, vendor: Vendor, draft: int, then: dict[str, Any], reason: str
):
    vendor.data["user"] = [user(1)]
    source = finish(mainstem, draft, "ann")
    run(mainstem, source)
    for step in (disconnect, archive, delete):
        step(mainstem, source, "ann")
    with mainstem.engine.begin() as connection:
        connection.execute(update(Link).where(Link.object == "user").values(then))
    found = trial(mainstem, open_with_credentials(mainstem, "acme", {}, TOKEN, "ann"))["user"]
    (example,) = found.examples
    assert (example.outcome, example.changes) == ("changed", [])
    assert example.reason.startswith(reason)


def test_a_dry_run_with_existing_records_only_makes_nobody_new(mainstem: Mainstem, draft: int):
    choose(mainstem, draft, {"merge": {"strategy": "overwrite_existing", "existing_only": True}})
    assert some(trial(mainstem, draft)["user"].counts) == {"skipped": 2}


def test_a_dry_run_while_the_draft_is_finished_says_that_it_is_connected(
    mainstem: Mainstem, draft: int, monkeypatch: pytest.MonkeyPatch
):
    """The account becomes a data source between the look whether it is one and the attempt to store it."""
    opened = opened_of(stored(mainstem, draft))  # type: ignore[arg-type]

    def meanwhile(connection: Any, mainstem: Mainstem, opened: Any) -> int:
        monkeypatch.undo()
        raise IntegrityError("INSERT INTO data_source", {}, Exception("duplicate key"))

    monkeypatch.setattr(dryrun, "insert", meanwhile)
    finish(mainstem, draft, "ann")
    with pytest.raises(Conflict, match="already connected"):
        dry_run(mainstem, opened)


def test_a_vendor_that_cannot_answer_is_told_in_the_dry_run(mainstem: Mainstem, vendor: Vendor, draft: int):
    vendor.errors["user", 0] = [Retry("Acme is busy")]
    assert trial(mainstem, draft)["user"].problem == "Acme is busy"


def test_an_object_that_may_not_pause_is_sampled_by_what_others_refer_to(
    mainstem: Mainstem, vendor: Vendor, draft: int
):
    vendor.unbroken = {"firm"}
    vendor.data["user"] = [replace(user(1), organizations=(Ref("firm", "f1"),))]
    vendor.calls.clear()
    found = trial(mainstem, draft)
    assert ("firm", 0) not in vendor.calls
    # This vendor does not give single records.
    assert found["firm"].sampled == 0
    assert found["user"].counts["created"] == 1


def test_the_command_line_and_the_wizard_make_the_same(mainstem: Mainstem, draft: int):
    finish(mainstem, draft, "ann")
    (by_wizard,) = rows(mainstem.engine, DataSource)
    for step in (disconnect, archive, delete):
        step(mainstem, by_wizard["id"], "ann")
    connect(mainstem, "acme", CONFIG, "ann")
    (by_command,) = rows(mainstem.engine, DataSource)
    moments = {"created_at", "connected_at", "disconnected_at", "archived_at", "next_sweep_at", "secrets"}
    assert {k: v for k, v in by_wizard.items() if k not in moments} == {
        k: v for k, v in by_command.items() if k not in moments
    }


def test_records_are_chosen_by_conditions_when_they_come_in(mainstem: Mainstem, vendor: Vendor, draft: int):
    def with_plan(number: int, plan: str) -> Record:
        return replace(user(number), fields={"plan": plan}, tags=("vip",) if number == 3 else ())

    vendor.data["user"] = [with_plan(1, "Pro"), with_plan(2, "Free"), with_plan(3, "Free")]
    tree = {"any": [{"field": "plan", "op": "is", "value": "pro"}, {"field": "tags", "op": "has", "value": "vip"}]}
    # A condition may ask for a field that is not imported.
    choose(mainstem, draft, {"objects": {"user": ["email"]}, "selection": {"people": tree}})
    source = finish(mainstem, draft, "ann")
    assert counts(run(mainstem, source)) == {"user": {"read": 3, "created": 2, "skipped": 1}}
    assert emails(mainstem.engine) == ["u1@example.com", "u3@example.com"]
    # Who no longer meets them stays and is not updated.
    vendor.data["user"] = [replace(with_plan(1, "Free"), values={"email": "new@example.com"})]
    assert counts(run(mainstem, source, full=True)) == {"user": {"read": 1, "skipped": 1}}
    assert emails(mainstem.engine) == ["u1@example.com", "u3@example.com"]
    assert syncing.latest(mainstem, source) is not None
