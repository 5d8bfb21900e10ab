"""Faults that the sandbox makes when asked: `429:0.01,reset:2,plan,scope:tickets,revoke@500`.

docs/sandbox.md describes each one. After a colon stands a share of requests (0 < x < 1), or a whole
number: so many times, from the first chance on.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from plugins.intercom.sandbox.generate.dice import mix

COUNTED = (
    "429", "500", "502", "503", "504", "408", "html502", "empty200", "truncated", "reset", "timeout", "scroll500",
    "empty_scroll", "scroll_twice", "bad_cursor", "malformed",
)  # fmt: skip
LARGE = 1e9
FLAGS = ("plan", "exact_dates")
SCOPES = ("contacts", "companies", "conversations", "tickets", "articles", "admins", "tags")


class FaultError(ValueError):
    """A fault that cannot be read."""


@dataclass
class Faults:
    """The faults in force. Draws depend on the seed and on how often each fault was considered.

    Attributes:
        shares: fault → share of requests.
        counts: fault → how many are left.
        flags: faults that simply hold.
        forbidden, unauthorized: scopes answered by 403 and by 401.
        revoke_at: number of the API request from which on the token is refused.
        lag: seconds until search finds a new contact.
        hold: seconds that a `timeout` keeps the client waiting.
        made: fault → how often it happened.
    """

    seed: int = 0
    shares: dict[str, float] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    flags: set[str] = field(default_factory=set)
    forbidden: set[str] = field(default_factory=set)
    unauthorized: set[str] = field(default_factory=set)
    revoke_at: int | None = None
    lag: float = 0.0
    hold: float = 120.0
    made: dict[str, int] = field(default_factory=dict)
    _draws: dict[str, int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(self, spec: str) -> None:
        """Read faults from a comma-separated list.

        Raises:
            FaultError: naming the part that is not understood.
        """
        for part in filter(None, (word.strip() for word in spec.split(","))):
            self._add(part)

    def _add(self, part: str) -> None:
        name, colon, value = part.partition(":")
        if part in FLAGS:
            self.flags.add(part)
        elif part.startswith("revoke@") and part[7:].isdigit():
            self.revoke_at = int(part[7:])
        elif name in ("scope", "scope401") and value in SCOPES:
            (self.forbidden if name == "scope" else self.unauthorized).add(value)
        elif colon and name in COUNTED + ("lag", "hold"):
            self._number(part, name, value)
        else:
            raise FaultError(f"fault {part!r} is unknown; see docs/sandbox.md")

    def _number(self, part: str, name: str, value: str) -> None:
        try:
            number = float(value)
        except ValueError:
            raise FaultError(f"fault {part!r}: {value!r} is not a number") from None
        if not 0 <= number < LARGE:
            raise FaultError(f"fault {part!r}: {value} is out of range")
        if name in ("lag", "hold"):
            setattr(self, name, number)
        elif number >= 1:
            self.counts[name] = int(number)
        else:
            self.shares[name] = number

    def clear(self) -> None:
        """End all faults."""
        for held in (self.shares, self.counts, self.flags, self.forbidden, self.unauthorized):
            held.clear()
        self.revoke_at, self.lag = None, 0.0

    def strikes(self, name: str) -> bool:
        """Whether this fault happens now."""
        if name not in self.counts and name not in self.shares:
            return False
        with self._lock:
            if self.counts.get(name, 0) > 0:
                self.counts[name] -= 1
            else:
                draw = self._draws[name] = self._draws.get(name, 0) + 1
                salt = sum(ord(letter) << (8 * place) for place, letter in enumerate(name[:7]))
                if mix(self.seed, salt, draw) % 1_000_000 >= self.shares.get(name, 0.0) * 1_000_000:
                    return False
            self.made[name] = self.made.get(name, 0) + 1
            return True

    def spoils(self, record_id: str) -> bool:
        """Whether `malformed` strikes this record: always the same ones, so that tests can name them."""
        share = self.shares.get("malformed", 0.0)
        if not share:
            return False
        number = int.from_bytes(record_id.encode(), "big")
        return mix(self.seed, 77, number) % 1_000_000 < share * 1_000_000
