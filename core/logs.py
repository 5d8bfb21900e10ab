"""Logs: to standard error, as lines for people on a terminal and as JSON lines elsewhere, never with a secret."""

from __future__ import annotations

import logging
import re
import sys
from typing import Any

import structlog
from structlog.typing import EventDict, Processor

_SECRET_KEY = re.compile(r"password|secret|token|authorization|credential|cookie", re.IGNORECASE)
_IN_TEXT = (
    (re.compile(r"(\w+://[^\s:/@]*:)[^\s@/]+@"), r"\1***@"),
    (re.compile(r"(?i)(bearer\s+)[\w.~+/=-]+"), r"\1***"),
)


def configure(level: int = logging.WARNING) -> None:
    """Send the logs of this process to standard error.

    What is bound with ``structlog.contextvars`` (run, data source) and what a logger is given as ``extra`` is part of
    every line.

    Args:
        level: The least important level that is shown. From WARNING on only errors come with a traceback.
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: Processor = (
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        if sys.stderr.isatty()
        else structlog.processors.JSONRenderer(default=str)
    )
    last: list[Processor] = [structlog.processors.format_exc_info, hide_secrets, renderer]
    if level >= logging.WARNING:
        last.insert(0, _without_traceback)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    root = logging.getLogger()
    for old in [found for found in root.handlers if getattr(found, "mainstem", False)]:
        root.removeHandler(old)
    handler.mainstem = True  # type: ignore[attr-defined]
    root.addHandler(handler)
    root.setLevel(level)
    # It tells of every look at the database's version, and readiness probes look often.
    logging.getLogger("alembic").setLevel(logging.WARNING)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def hide_secrets(logger: Any, method: str, event: EventDict) -> EventDict:
    """Replace the values of keys that name a secret, and passwords in URLs and bearer tokens in texts."""
    for key, value in event.items():
        if _SECRET_KEY.search(key):
            event[key] = "***"
        elif isinstance(value, str):
            for pattern, instead in _IN_TEXT:
                value = pattern.sub(instead, value)
            event[key] = value
    return event


def _without_traceback(logger: Any, method: str, event: EventDict) -> EventDict:
    """Drop the traceback of a warning: to who types a command its line says enough."""
    if event.get("level") == "warning":
        event.pop("exc_info", None)
    return event
