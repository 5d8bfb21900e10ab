"""What happens in a generated conversation, event by event, before it is put into Intercom's words."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from plugins.intercom.sandbox.clock import DAY
from plugins.intercom.sandbox.generate.dice import Dice
from plugins.intercom.sandbox.generate.texts import BOT_ANSWERS, BY_LANGUAGE, LONG_TALK
from plugins.intercom.sandbox.generate.topic import Topic
from plugins.intercom.sandbox.generate.workspace import ADMINS

TEAMED = tuple((admin[0], str(admin[4][0])) for admin in ADMINS if admin[4])


class Event(NamedTuple):
    """One part: its type, author (`contact`, `bot` or an admin's id), text, and time."""

    kind: str
    who: str
    body: str | None
    state: str
    at: int = 0
    assigned: dict[str, Any] | None = None
    details: dict[str, Any] | None = None
    attachment: bool = False
    voice: int = 0


@dataclass
class Script:
    topic: Topic
    opening: str
    order: str
    amount: str
    created: int
    name: str = "there"
    outbound: bool = False
    ai: bool = False
    admin: str | None = None
    team: str | None = None
    state: str = "open"
    tagged: bool = False
    waiting_since: int | None = None
    rating_asked: int | None = None
    rating: int | None = None
    remark: str | None = None
    events: list[Event] = field(default_factory=list)

    def fill(self, text: str) -> str:
        return text.replace("{order}", self.order).replace("{amount}", self.amount).replace("{name}", self.name)


def write(dice: Dice, language: str, created: int, updated: int, length: int, age: int) -> Script:
    """The events of one conversation between two moments.

    Args:
        dice: draws of this conversation.
        language: of the customer; without topics in it they write English, as a few do anyway.
        created, updated: first and last moment, unix seconds; the last event is at `updated`.
        length: at least so many parts, for the very long ones.
        age: seconds since its start: old conversations are closed.
    """
    topic = dice.pick(BY_LANGUAGE["en"] if dice.chance(0.1) else BY_LANGUAGE.get(language, BY_LANGUAGE["en"]))
    amount = ("€", "$", "£")[dice.below(3)] + f"{dice.between(9, 480)}.{dice.pick(('00', '50', '99'))}"
    script = Script(topic, dice.pick(topic.opening), f"#{dice.between(10_000, 99_999)}", amount, created)
    if dice.chance(0.07) and not length:
        return _outbound(script, dice, created, updated)
    steps = _steps(script, dice, length, age)
    _date(script, steps, created, updated)
    return script


def _outbound(script: Script, dice: Dice, created: int, updated: int) -> Script:
    """A message by a teammate; most get no answer."""
    script.outbound, (script.admin, script.team) = True, dice.pick(TEAMED)
    script.opening = dice.pick(script.topic.answers)
    if dice.chance(0.3):
        _date(script, [Event("comment", "contact", dice.pick(script.topic.follow_ups), "open")], created, updated)
    script.state = "closed" if dice.chance(0.5) else "open"
    return script


def _steps(script: Script, dice: Dice, length: int, age: int) -> list[Event]:
    topic, steps = script.topic, list[Event]()
    if dice.chance(0.3):
        script.ai = True
        steps.append(Event("channel_and_reply_time_expectation", "bot", None, "open"))
        steps.append(Event("comment", "bot", dice.pick(BOT_ANSWERS), "open"))
    if topic.language != "en" and dice.chance(0.3):
        steps.append(Event("language_detection_details", "bot", None, "open"))
    if script.ai and dice.chance(0.25) and not length:
        return _resolved_by_bot(script, dice, steps)
    if dice.chance(0.06) and age < 30 * DAY:
        script.waiting_since = script.created
        return steps
    admin, team = dice.pick(TEAMED)
    script.admin, script.team = admin, team
    steps.append(Event("assignment", "bot", None, "open", assigned={"type": "team", "id": team}))
    steps.append(Event("assignment", admin, None, "open", assigned={"type": "admin", "id": admin}))
    first = dice.below(12)
    for turn in range(first, first + dice.between(1, max(len(topic.answers), len(topic.follow_ups)))):
        steps.append(Event("comment", admin, topic.answers[turn % len(topic.answers)], "open"))
        if turn == first and dice.chance(0.4):
            steps.append(Event("note", admin, topic.note, "open"))
        if dice.chance(0.15):
            steps.append(_attribute_update(dice, admin))
        steps.append(Event("comment", "contact", topic.follow_ups[turn % len(topic.follow_ups)], "open",
                           attachment=dice.chance(0.06), voice=turn))  # fmt: skip
        if dice.chance(0.1):
            steps.append(Event("snoozed", admin, None, "snoozed"))
            steps.append(Event("open", admin, None, "open"))
    while len(steps) < length - 4:
        who = admin if len(steps) % 2 else "contact"
        steps.append(Event("comment", who, LONG_TALK[len(steps) % len(LONG_TALK)], "open"))
    script.tagged = dice.chance(0.5)
    return _end(script, dice, steps, admin, age)


def _resolved_by_bot(script: Script, dice: Dice, steps: list[Event]) -> list[Event]:
    steps.append(Event("comment", "contact", dice.pick(script.topic.follow_ups), "open"))
    steps.append(Event("close", "bot", None, "closed"))
    script.state = "closed"
    return steps


def _end(script: Script, dice: Dice, steps: list[Event], admin: str, age: int) -> list[Event]:
    topic, draw = script.topic, dice.below(100)
    if age < 20 * DAY and draw < 45:
        script.state = "open" if draw < 28 else "snoozed"
        if script.state == "snoozed":
            steps.append(Event("snoozed", admin, None, "snoozed"))
        if draw < 4:
            steps.append(Event("assignment", admin, None, "open", assigned={"type": "nobody_admin", "id": None}))
            script.admin = script.team = None
        return steps
    steps.append(Event("comment", admin, dice.pick(topic.closings), "open"))
    steps.append(Event("close", admin, None, "closed"))
    if draw > 85:
        steps.append(Event("open", "contact", None, "open"))
        steps.append(Event("comment", "contact", dice.pick(topic.follow_ups), "open"))
        steps.append(Event("assign_and_reopen", admin, None, "open", assigned={"type": "admin", "id": admin}))
        steps.append(Event("comment", admin, dice.pick(topic.answers), "open"))
        steps.append(Event("close", admin, None, "closed"))
    script.state = "closed"
    if dice.chance(0.5):
        script.rating_asked = 1
        if dice.chance(0.7):
            script.rating = dice.pick((1, 2, 3, 4, 4, 5, 5, 5))
            if dice.chance(0.6):
                script.remark = topic.praise if script.rating > 3 else topic.blame
    return steps


def _attribute_update(dice: Dice, admin: str) -> Event:
    who = dice.pick(("admin", "workflow"))
    details = {"attribute": {"name": "Issue type"}, "value": {"name": dice.pick(("Billing", "Bug", "Question"))}}
    kind = f"conversation_attribute_updated_by_{who}"
    return Event(kind, admin if who == "admin" else "bot", None, "open", details=details)


def _date(script: Script, steps: list[Event], created: int, updated: int) -> None:
    """Spread the events from soon after the start to `updated`, denser at the start."""
    span, count = updated - created, len(steps)
    for place, event in enumerate(steps, 1):
        script.events.append(event._replace(at=created + int(span * (place / count) ** 2)))
    if script.rating_asked is not None:
        script.rating_asked = script.events[-1].at
    if script.state == "open" and script.events and script.events[-1].who == "contact":
        script.waiting_since = script.events[-1].at
