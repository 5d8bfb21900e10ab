"""What an admin may do to a data source, and what the admin is told before."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from core import jobs
from core.services import connecting
from core.services.mainstem import Mainstem

Answers = Mapping[str, str]
AUDIENCES = "People may leave audiences and enter them again, as their values change."


@dataclass(frozen=True)
class Action:
    """Something an admin may do to a data source, after having been asked.

    Attributes:
        label: On the button.
        icon: Name of a Tabler icon.
        states: In which it is offered.
        effect: What will happen, in words.
        run: Does it; takes the installation, the id, who acts and the credentials that were given.
        done: What is said afterwards.
        danger: It takes something away.
        leads_to_list: There is no page to go back to afterwards.
        asks_credentials: New credentials may be given.
    """

    label: str
    icon: str
    states: tuple[str, ...]
    effect: str
    run: Callable[[Mainstem, int, str, Answers], object]
    done: str
    danger: bool = False
    leads_to_list: bool = False
    asks_credentials: bool = False


def _plainly(work: Callable[[Mainstem, int, str], object]) -> Callable[[Mainstem, int, str, Answers], object]:
    return lambda mainstem, id, actor, _: work(mainstem, id, actor)


def _reconnect(mainstem: Mainstem, id: int, actor: str, credentials: Answers) -> None:
    connecting.reconnect(mainstem, id, actor, credentials or None)
    jobs.start_sync(mainstem, id)


ACTIONS: Mapping[str, Action] = MappingProxyType(
    {
        "full-sync": Action(
            "Full sync",
            "database-import",
            ("connected",),
            "Everything is read again from the beginning, not only what changed. This takes as long as the first sync "
            f"did. {AUDIENCES}",
            lambda mainstem, id, *_: jobs.start_sync(mainstem, id, full=True),
            "The full sync has started",
        ),
        "reconnect": Action(
            "Reconnect",
            "plug-connected",
            ("disconnected", "needs_attention"),
            f"What changed meanwhile is fetched at once. {AUDIENCES}",
            _reconnect,
            "Reconnected; what changed meanwhile is being fetched",
            asks_credentials=True,
        ),
        "disconnect": Action(
            "Disconnect",
            "plug-connected-x",
            ("connected", "needs_attention"),
            "A running sync is cancelled and nothing more comes in. What came in stays. You can reconnect at any time.",
            _plainly(connecting.disconnect),
            "Disconnected",
            danger=True,
        ),
        "archive": Action(
            "Archive",
            "archive",
            ("disconnected",),
            "The data source is put away. What it brought stays. You can restore it, or delete it for good.",
            _plainly(connecting.archive),
            "Archived",
        ),
        "restore": Action(
            "Restore",
            "archive-off",
            ("archived",),
            "The data source comes back, disconnected: nothing is fetched before you reconnect it.",
            _plainly(connecting.restore),
            "Restored",
        ),
        "delete": Action(
            "Delete",
            "trash",
            ("archived",),
            "The data source, its credentials and its settings go for good. People, organizations, activities and "
            "articles that it brought stay, and so do the users and teams; they are no longer updated.",
            _plainly(connecting.delete),
            "The data source is deleted",
            danger=True,
            leads_to_list=True,
        ),
    }
)

FREEING: Mapping[str, str] = MappingProxyType(
    {"connected": "disconnect", "needs_attention": "disconnect", "disconnected": "archive", "archived": "delete"}
)
"""The next action on the way to the deletion of a data source, by its state."""
