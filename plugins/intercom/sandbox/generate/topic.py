"""What a topic of conversation is made of."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Topic:
    """Attributes:
    tag: id of the tag that agents use for it, see `workspace.TAGS`.
    opening, answers, follow_ups, closings: messages by the customer, by agents, by the customer, by agents.
    note: what agents tell each other.
    praise, blame: remarks of ratings.
    """

    key: str
    language: str
    tag: str
    subject: str
    opening: tuple[str, ...]
    answers: tuple[str, ...]
    follow_ups: tuple[str, ...]
    closings: tuple[str, ...]
    note: str
    praise: str = "Quick and friendly, thank you!"
    blame: str = "Took three days to get a straight answer."
