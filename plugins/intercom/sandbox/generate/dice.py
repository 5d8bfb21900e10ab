"""Repeatable chance: numbers drawn from (seed, salt, number), cheap enough to make a million records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")
MASK = (1 << 64) - 1


def mix(seed: int, salt: int, number: int) -> int:
    """64 well-mixed bits (the finaliser of the splitmix64 generator)."""
    x = (seed * 0x9E3779B97F4A7C15 + salt * 0xD1B54A32D192ED03 + (number + 1) * 0x8CB92BA72F3D8DD7) & MASK
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK
    return x ^ (x >> 31)


class Dice:
    """A stream of draws for one record."""

    __slots__ = ("_number", "_salt", "_seed")

    def __init__(self, seed: int, salt: int, number: int) -> None:
        self._seed, self._salt, self._number = mix(seed, salt, number), salt, 0

    def below(self, bound: int) -> int:
        """A whole number from 0 to `bound - 1`."""
        self._number += 1
        return mix(self._seed, self._salt, self._number) % bound

    def chance(self, share: float) -> bool:
        return self.below(1_000_000) < share * 1_000_000

    def pick(self, choices: Sequence[T]) -> T:
        return choices[self.below(len(choices))]

    def between(self, low: int, high: int) -> int:
        """A whole number from `low` to `high`, both included."""
        return low + self.below(max(1, high - low + 1))
