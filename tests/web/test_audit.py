"""The audit log names what was done to, and says what was before and after."""

from __future__ import annotations

from datetime import UTC, datetime

from flask.testing import FlaskClient

from core.db.models import AuditEntry
from tests.web.factories import NOW, Factory
from tests.web.helpers import text


def test_entries_name_things_and_say_old_and_new_values(factory: Factory, owner: FlaskClient):
    source, user = factory.source(), factory.user("ann@example.com")

    def entry(action: str, target: str, **detail: object) -> AuditEntry:
        return AuditEntry(at=NOW, actor="olga", action=action, target=target, detail=detail)

    before, after = {"retention": {"days": 30}}, {"retention": {"days": 90}}
    factory.add_all(
        [
            entry("configure", f"data source {source.id}", changed=["retention"], anew=[], before=before, after=after),
            entry("change role", f"user {user.id}", before="agent", after="read_only", agent=False),
            entry("add members", "team 9", users=[user.id]),
            entry("export", "people", columns=["Name", "Email"], filter="Plan is “Pro”"),
        ]
    )
    page = text(owner.get("/audit/"))
    assert f"Support desk (data source {source.id}) Activities kept: 30 days → 90 days" in page
    assert f"ann@example.com (user {user.id}) Changed: Agent → Read only Agent: No" in page
    assert "team 9 Users: ann@example.com" in page
    assert "Columns: Name, Email Filter: Plan is “Pro”" in page
    assert "Anew" not in page
    assert "Agent → Read only" in text(owner.get("/audit/?target=ann@"))
    assert "Support desk" not in text(owner.get("/audit/?target=ann@"))


def test_days_are_those_of_the_readers_zone(factory: Factory, owner: FlaskClient):
    moment = datetime(2026, 11, 3, 20, 30, tzinfo=UTC)
    factory.add_all([AuditEntry(at=moment, actor="ann", action="export", target="people")])

    def shown(asked: str) -> str:
        return text(owner.get(f"/audit/?{asked}"))

    assert "ann export people" in shown("since=2026-11-03&until=2026-11-03")
    assert "ann export people" in shown("since=2026-11-03&zone=nowhere")
    assert "Nothing was found" in shown("until=2026-11-03&zone=Asia/Tokyo")
    assert "ann export people" in shown("since=2026-11-04&zone=Asia/Tokyo")
    assert 'value="2026-11-03"' in owner.get("/audit/?since=2026-11-03").get_data(as_text=True)
    turned = shown("since=2026-11-04&until=2026-11-03")
    assert "From is after To" in turned
    assert "ann export people" not in turned
    for wrong in ("11/03/2026", "2026-02-31", "9999-12-31"):
        page = shown(f"until={wrong}")
        assert f"«{wrong}» is no day: write it like 2026-11-03" in page
        assert "ann export people" not in page
