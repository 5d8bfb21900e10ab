"""What a service says when it cannot do what it was asked; each message is one line for people."""

from __future__ import annotations

from collections.abc import Mapping


class ServiceError(Exception):
    """Base of them all."""


class NotFound(ServiceError):
    """There is no such thing."""


class Conflict(ServiceError):
    """It does not fit the present state; the message says what to do first."""


class Invalid(ServiceError):
    """What was given is wrong.

    Args:
        errors: For each key (dotted path; "" for the whole) what is wrong and what is allowed.
    """

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{key}: {text}" if key else text for key, text in errors.items()))
        self.errors = dict(errors)
