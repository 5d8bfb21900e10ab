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
