"""What can go wrong in a plugin, told apart by what the host does about it and by nothing else.

Anything else that a plugin raises is a bug: the partition fails, the traceback is kept, the others go on.
"""

from __future__ import annotations


class SourceError(Exception):
    """Base of the errors that a plugin raises on purpose. The message is shown to an admin."""


class Retry(SourceError):
    """The vendor cannot answer now: come back later at the same cursor (429, 5xx, network).

    Args:
        message: What happened, in words.
        after: Seconds to wait; None lets the host choose (exponential, with jitter).
    """

    def __init__(self, message: str, after: float | None = None) -> None:
        super().__init__(message)
        self.after = after


class Restart(SourceError):
    """The cursor is no longer valid: begin this partition again from its start."""


class Reauthorise(SourceError):
    """The credentials are dead: the data source needs an admin, its partitions wait."""


class Refused(SourceError):
    """This will never work (a missing scope, a plan): fail this partition, others go on."""


class Forged(SourceError):
    """A webhook delivery is not genuine."""
