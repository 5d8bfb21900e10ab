"""What the generated workspace holds: sizes, its time, and how record numbers map to times and ids."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from plugins.intercom.sandbox.generate.dice import mix

SPAN = int(timedelta(days=730).total_seconds())
FRACTION = 1 << 53


@dataclass(frozen=True)
class Plan:
    """Attributes:
    seed: chooses the data.
    now: the moment at which generated data ends, a midnight in UTC.
    people, companies, conversations, tickets: how many of each.
    ties: everything was changed in the same second, at `now`.
    """

    seed: int
    now: int
    people: int
    companies: int
    conversations: int
    tickets: int
    ties: bool = False

    @property
    def workspace(self) -> str:
        """The workspace's id: `app.id_code` of /me and `app_id` of webhooks."""
        return f"wk{mix(self.seed, 1, 0) % 36**6:06x}"[:8]

    @property
    def born(self) -> int:
        return self.now - SPAN

    def changed(self, moment: int) -> int:
        """When a record last changed, given when it naturally would have."""
        return self.now if self.ties else moment

    def place(self, salt: int, number: int, count: int) -> float:
        """Where in 0..1 a record stands among its kind; rises with the number, never evenly."""
        jitter = (mix(self.seed, salt, number) % FRACTION) / FRACTION * 0.97
        return (number + jitter) / max(1, count)


class Crowd:
    """Records by number, with ids of 24 digits: created one after the other, and changed some time later.

    Attributes:
        salt: of their times and ids.
        quiet: the share of its life in which a record was not changed any more.
    """

    salt: int
    quiet: float

    def __init__(self, plan: Plan, count: int) -> None:
        self.plan, self.count = plan, count
        self._span = plan.now - plan.born
        self._of_workspace = mix(plan.seed, self.salt, 0)

    def time(self, name: str, number: int) -> int:
        created = self.plan.born + int(self.plan.place(self.salt, number, self.count) * self._span)
        return created if name == "created_at" else self.plan.changed(self._updated(created))

    def _updated(self, created: int) -> int:
        return self.plan.now - int((self.plan.now - created) * self.quiet)

    def id_of(self, number: int) -> str:
        return hex_id(self.time("created_at", number), self._of_workspace, number)

    def number_of(self, record_id: str) -> int | None:
        number = hex_number(record_id)
        known = number is not None and number < self.count and self.id_of(number) == record_id
        return number if known else None


def hex_id(created: int, salt: int, number: int) -> str:
    """An id of 24 hexadecimal digits: seconds, workspace, counter. Rises with the number."""
    return f"{created:08x}{salt & 0xFFFFFFFF:08x}{number:08x}"


def hex_number(record_id: str) -> int | None:
    """The counter of a 24-digit id, or None when it is no such id."""
    if len(record_id) != 24:
        return None
    try:
        return int(record_id[16:], 16)
    except ValueError:
        return None
