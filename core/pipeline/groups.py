"""Which ids turned out to be one."""

from __future__ import annotations

from uuid import UUID


class Groups:
    """Sets of ids that turned out to be one (union-find)."""

    def __init__(self) -> None:
        self._parent: dict[UUID, UUID] = {}

    def add(self, id: UUID) -> UUID:
        """Return the representative of ``id``, which is put in when it is new."""
        parent = self._parent.setdefault(id, id)
        while parent != id:
            id, parent = parent, self._parent[parent]
        return id

    def join(self, one: UUID, other: UUID) -> None:
        """Put both into one set."""
        self._parent[self.add(one)] = self.add(other)

    def members(self) -> list[UUID]:
        """Return all ids."""
        return list(self._parent)

    def sets(self) -> list[list[UUID]]:
        """Return the sets."""
        sets: dict[UUID, list[UUID]] = {}
        for id in self._parent:
            sets.setdefault(self.add(id), []).append(id)
        return list(sets.values())
