"""The workspace with everything that can happen to it; tests and `/_sandbox/…` call its methods."""

from __future__ import annotations

from collections import Counter
from typing import Any

from plugins.intercom.sandbox.changes.companies import CompanyChanges
from plugins.intercom.sandbox.changes.contacts import ContactChanges
from plugins.intercom.sandbox.changes.conversations import ConversationChanges
from plugins.intercom.sandbox.changes.workspace import WorkspaceChanges
from plugins.intercom.sandbox.errors import ApiError
from plugins.intercom.sandbox.generate.dice import Dice
from plugins.intercom.sandbox.generate.texts import TOPICS
from plugins.intercom.sandbox.state import mutator


class Store(ContactChanges, CompanyChanges, ConversationChanges, WorkspaceChanges):
    """All state and all changes. A method that changes something is a `mutator`."""

    @mutator
    def simulate(self, changes: int = 10) -> dict[str, int]:
        """Make so many random, realistic changes; returns how many of each kind."""
        dice = Dice(self.plan.seed, 90, self.next_number("simulation"))
        done: Counter[str] = Counter()
        for _ in range(changes * 3):
            if done.total() >= changes:
                break
            try:
                done[self._something(dice)] += 1
            except (ApiError, LookupError):
                continue
        return dict(done)

    def _something(self, dice: Dice) -> str:
        draw, topic = dice.below(100), dice.pick(TOPICS)
        text = dice.pick(topic.opening).replace("{order}", "#48213").replace("{amount}", "€19.00")
        if draw < 20:
            self.start_conversation(self._some(self.contacts, dice), text)
            return "start_conversation"
        if draw < 60:
            return self._in_conversation(self._some(self.conversations, dice), draw, dice)
        if draw < 75:
            self.update_contact(self._some(self.contacts, dice), custom_attributes={"seats": dice.below(200)})
            return "update_contact"
        if draw < 83:
            number = self.plan.people + self._made["contact"] + 1
            self.create_contact(name=f"Sample Person {number}", email=f"person{number}@gmail.example")
            return "create_contact"
        if draw < 90:
            self.tag_contact(self._some(self.contacts, dice), str(1 + dice.below(14)))
            return "tag_contact"
        if draw < 95:
            self.update_company(self._some(self.companies, dice), monthly_spend=dice.below(2_000))
            return "update_company"
        if draw < 98:
            self.attach_company(self._some(self.contacts, dice), self._some(self.companies, dice))
            return "attach_company"
        self.update_article(dice.pick(sorted(self.articles)), description="Updated today")
        return "update_article"

    def _in_conversation(self, conversation_id: str, draw: int, dice: Dice) -> str:
        record = self.conversation(conversation_id)
        admin = dice.pick(sorted(self.admins))
        if draw < 35:
            self.reply(conversation_id, record.fields["contacts"]["contacts"][0]["id"], "Is there any news?")
            return "reply"
        if draw < 45:
            self.reply(conversation_id, admin, "We are on it and will write again today.")
            return "reply"
        if draw < 50:
            self.assign(conversation_id, admin_id=admin)
            return "assign"
        if draw < 56:
            self.close(conversation_id, by=admin)
            return "close"
        self.rate(conversation_id, 1 + dice.below(5), "Thanks!")
        return "rate"

    def _some(self, shelf: Any, dice: Dice) -> str:
        for _ in range(20):
            found: str | None = shelf.any_id(dice.below(1 << 40))
            if found is not None:
                return found
        raise LookupError("no record left to change")
