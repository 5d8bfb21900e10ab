"""Generated companies, and which contacts belong to which."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from plugins.intercom.sandbox.generate.dice import Dice, mix
from plugins.intercom.sandbox.generate.names import COMPANY_FIRST, COMPANY_FORMS, COMPANY_SECOND, INDUSTRIES
from plugins.intercom.sandbox.generate.plan import Crowd, Plan

SALT = 20
MANY_COMPANIES = 12
PLANS = (("1", "Free"), ("2", "Starter"), ("3", "Growth"), ("4", "Enterprise"))


@dataclass(slots=True)
class Company:
    """A company: Intercom's own fields, and its tags, notes and place in the crowd."""

    fields: dict[str, Any]
    tags: list[str] = field(default_factory=list)
    notes: list[dict[str, Any]] = field(default_factory=list)

    def value(self, path: str) -> Any:
        if path == "tag_ids":
            return self.tags
        return self.fields.get(path)


class Membership:
    """Contacts stand in rows of neighbours, one row a company; some belong to several, some to none.

    Both directions are arithmetic, so neither needs a table.
    """

    def __init__(self, plan: Plan) -> None:
        self.people = plan.people
        self.total = plan.companies
        # The last few companies have nobody: Intercom's company list hides them.
        self.peopled = max(1, plan.companies - plan.companies // 30) if plan.companies else 0

    def companies_of(self, person: int) -> list[int]:
        """Numbers of the companies of a contact, without repeats."""
        if not self.peopled:
            return []
        row = person * self.peopled // self.people
        return list(dict.fromkeys((row + offset) % self.peopled for offset in _offsets(person)))

    def people_of(self, company: int) -> Iterator[int]:
        """Numbers of the contacts of a company, rising within each row."""
        if company >= self.peopled:
            return
        seen: set[int] = set()
        for offset in range(MANY_COMPANIES):
            row = (company - offset) % self.peopled
            for person in self._row(row):
                if offset in _offsets(person) and person not in seen:
                    seen.add(person)
                    yield person

    def _row(self, row: int) -> range:
        return range(-(-row * self.people // self.peopled), -(-(row + 1) * self.people // self.peopled))


def _offsets(person: int) -> tuple[int, ...]:
    """How far along the companies of a contact stand from its row's own."""
    if person % 199 == 61:
        return tuple(range(MANY_COMPANIES))
    if person % 7 == 3:
        return ()
    return (0, 5) if person % 11 == 4 else (0,)


class Companies(Crowd):
    """Makes companies by number."""

    salt, quiet = SALT, 0.3

    def __init__(self, plan: Plan, membership: Membership) -> None:
        super().__init__(plan, plan.companies)
        self.membership = membership

    def name_of(self, number: int) -> str:
        first, second, turn = _words(number)
        form = COMPANY_FORMS[mix(self.plan.seed, SALT + 1, number) % len(COMPANY_FORMS)]
        return f"{first} {second}{f' {turn + 1}' if turn else ''}{form}"

    def domain_of(self, number: int) -> str:
        first, second, turn = _words(number)
        return f"{first.lower()}{second.lower()}{turn + 1 if turn else ''}.example"

    def key_of(self, number: int) -> str | None:
        """The customer's own id; none for some, a generated one for companies typed in on leads."""
        if number % 17 == 9:
            return None
        if number % 23 == 6:
            return f"{mix(self.plan.seed, 22, number):016x}-qualification-company"
        return f"acct_{number + 1}"

    def make(self, number: int) -> Company:
        dice = Dice(self.plan.seed, SALT + 3, number)
        created = self.time("created_at", number)
        updated = self._updated(created)
        plan_id, plan_name = dice.pick(PLANS)
        people = sum(1 for _ in self.membership.people_of(number))
        fields: dict[str, Any] = {
            "type": "company",
            "company_id": self.key_of(number),
            "id": self.id_of(number),
            "app_id": self.plan.workspace,
            "name": self.name_of(number) if number % 41 != 40 else "株式会社さくら " + "🌸" * 3 + f" {number}",
            "plan": {} if dice.chance(0.3) else {"type": "plan", "id": plan_id, "name": plan_name},
            "remote_created_at": created - dice.below(90) * 86_400,
            "created_at": created,
            "updated_at": self.plan.changed(updated),
            "last_request_at": updated - 60 if people else None,
            "size": dice.pick((None, 5, 12, 48, 150, 900, 12_000)),
            "website": f"https://www.{self.domain_of(number)}" if dice.chance(0.8) else None,
            "industry": dice.pick(INDUSTRIES) if dice.chance(0.75) else None,
            "monthly_spend": dice.pick((0, 0, 29, 99, 249, 499, 1_900)),
            "session_count": dice.below(5_000),
            "user_count": people,
            "custom_attributes": _custom(dice),
        }
        tags = [str(11 + dice.below(4)) for _ in range(dice.pick((0, 0, 1, 2)))]
        return Company(fields, list(dict.fromkeys(tags)))


def _words(number: int) -> tuple[str, str, int]:
    """The two words of a company's name, and how often the pairs have been used up before."""
    turn, pair = divmod(number, len(COMPANY_FIRST) * len(COMPANY_SECOND))
    row, first = divmod(pair, len(COMPANY_FIRST))
    return COMPANY_FIRST[first], COMPANY_SECOND[(row + first * 7) % len(COMPANY_SECOND)], turn


def _custom(dice: Dice) -> dict[str, Any]:
    custom: dict[str, Any] = {}
    if dice.chance(0.7):
        custom["account_manager"] = dice.pick(("Zara Lindqvist", "Tomás Ribeiro", "Priya Raman"))
    if dice.chance(0.5):
        custom["contract_value"] = dice.below(90_000) + 0.5
    if dice.chance(0.4):
        custom["trial"] = dice.chance(0.5)
    return custom
