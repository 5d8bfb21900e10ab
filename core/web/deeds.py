"""What is done to a user only after having asked, and what is said before."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from core.services import staff
from core.services.mainstem import Mainstem


@dataclass(frozen=True, slots=True)
class Deed:
    """Something that is done to a user.

    Attributes:
        label: On the button.
        icon: Name of a Tabler icon.
        permission: Who may do it.
        states: In which it is offered.
        question: With ``{name}``.
        effect: What will happen.
        run: Does it; takes the installation, the user's id and who acts.
        done: What is said afterwards.
        danger: It takes something away.
    """

    label: str
    icon: str
    permission: str
    states: tuple[str, ...]
    question: str
    effect: str
    run: Callable[[Mainstem, int, str], None]
    done: str
    danger: bool = True


DEEDS: Mapping[str, Deed] = MappingProxyType(
    {
        "owner": Deed(
            "Make owner",
            "crown",
            "ownership.transfer",
            ("active",),
            "Make {name} the owner?",
            "There is one owner only. You become an admin, and only the new owner can give ownership back.",
            staff.transfer_ownership,
            "Ownership was handed over; you are an admin now",
            danger=False,
        ),
        "revoke": Deed(
            "Revoke access",
            "lock",
            "users.manage",
            ("active", "invited"),
            "Revoke the access of {name}?",
            "Sessions end at once, and an open invitation is worth nothing. Role, teams and what was done stay. "
            "You can reactivate this user at any time.",
            staff.revoke,
            "Revoked",
        ),
        "delete": Deed(
            "Delete",
            "trash",
            "users.manage",
            ("invited", "revoked"),
            "Delete {name}?",
            "The user leaves all teams and this list, for good; a sync does not bring this user back. What was done "
            "stays in the audit log. The same address can be invited anew.",
            staff.delete,
            "The user is deleted",
        ),
    }
)
