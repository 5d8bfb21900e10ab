"""No page sends more statements to the database the more it shows: every address that can be opened is opened."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import product

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.routing import AnyConverter, Rule

from core.db.models import AuditEntry, Mail, Team, TeamMember, User, WebhookDelivery
from core.services.counting import recount
from core.services.mainstem import Mainstem
from tests.web.factories import NOW, Factory
from tests.web.helpers import statements
from tests.web.test_setup import begin

PLACES = {
    **{name: {"id": name} for name in ("people", "organizations", "sources", "teams", "users", "setup")},
    "edit": {"id": "sources"},
    "connect": {"id": "setup"},
}
"""What an id in an address is of, by blueprint."""


def addresses(rule: Rule, of: Mapping[str, str]) -> list[str]:
    """Every address of a rule; ``of`` holds the id of one thing of each kind."""
    blueprint = rule.endpoint.partition(".")[0]
    names = re.findall(r"<(?:[^<>]*:)?(\w+)>", rule.rule)
    choices = []
    for name in names:
        converter = rule._converters[name]
        given = of[PLACES.get(blueprint, {}).get(name, name)] if not isinstance(converter, AnyConverter) else None
        choices.append([given] if given else sorted(converter.items))  # type: ignore[attr-defined]
    parts = re.split(r"<[^<>]+>", rule.rule)
    return [
        "".join(part + value for part, value in zip(parts, (*chosen, ""), strict=True)) for chosen in product(*choices)
    ]


class World:
    """One thing of each kind, and more and more that hangs on it."""

    def __init__(self, mainstem: Mainstem, factory: Factory, draft: int) -> None:
        self.mainstem, self.factory = mainstem, factory
        self.source = factory.source()
        self.person, self.organization = factory.person(self.source), factory.organization(self.source)
        self.user = factory.user("uma@example.com", "standard", invited_at=NOW)
        self.team = factory._add(Team(name="Team", created_at=NOW))
        self.run = factory.run(self.source, "partial")
        self.ids = {
            "people": str(self.person.id),
            "organizations": str(self.organization.id),
            "sources": str(self.source.id),
            "teams": str(self.team.id),
            "users": str(self.user.id),
            "setup": str(draft),
            "run_id": str(self.run.id),
            "plugin": "desk",
            "name": "desk",
            "token": "forged",
        }

    def grow(self, round: int) -> None:
        """Add another one of everything."""
        make = self.factory
        other = make.source()
        make.field(self.source, f"field{round}", f"Field {round}")
        for source in (self.source, other):
            run = make.run(source, ("running", "failed", "partial")[round % 3])
            make.partition(run)
            make.refused(source, "no email", run_id=self.run.id)
            person, organization = make.person(source), make.organization(source)
            for each, company in ((person, self.organization), (self.person, organization)):
                make.membership(each, company, round)
                make.tagging(each, f"tag {source.id} {round}")
                make.activity(source, each)
            make.activity(source, None, organization_id=self.organization.id)
            make.identity(person, "email", f"i{source.id}-{round}@example.com")
            make.article(source)
        user: User = make.user(f"u{round}@example.com", "standard", invited_at=NOW)
        team: Team = make._add(Team(name=f"Team {round}", created_at=NOW))
        letter = self.mainstem.vault.seal({"text": "Hi"})
        make.add_all(
            [
                *(
                    TeamMember(team_id=to, user_id=who)
                    for to, who in ((self.team.id, user.id), (team.id, self.user.id))
                ),
                Mail(recipient="a@example.com", subject="", body=letter, user_id=user.id, state="sent", created_at=NOW),
                AuditEntry(at=NOW, actor="uma@example.com", action="export", target=f"source:{self.source.id}"),
                *(
                    WebhookDelivery(
                        source_id=self.source.id,
                        dedupe_key=f"{state}{round}",
                        topic="x",
                        body={},
                        state=state,
                        received_at=NOW,
                    )
                    for state in ("pending", "dead")
                ),
            ]
        )
        for source in (self.source, other):
            recount(self.mainstem, source.id)


def test_no_page_sends_more_statements_the_more_there_is(
    app: Flask, mainstem: Mainstem, factory: Factory, owner: FlaskClient
):
    world = World(mainstem, factory, begin(owner))
    paths = [
        path
        for rule in sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule)
        if "GET" in (rule.methods or ()) and rule.endpoint not in ("static", "auth.logout")
        for path in addresses(rule, world.ids)
    ]
    counted: list[dict[str, tuple[int, int]]] = []
    for rounds in (range(3), range(3, 9)):
        for round in rounds:
            world.grow(round)
        found = {}
        for path in paths:
            with statements(mainstem.engine) as sent:
                response = owner.get(path)
            found[path] = (response.status_code, len(sent))
        counted.append(found)
    few, many = counted
    assert [(path, few[path], many[path]) for path in paths if few[path] != many[path]] == []
    shown = [path for path in paths if many[path][0] == 200]
    assert len(shown) > 40, shown
    assert max(count for _, count in many.values()) < 40
