"""Logs: JSON lines that carry what belongs to them, and never a secret."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog

from core import logs


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., io.StringIO]]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level

    def configure(stream: io.StringIO | None = None, level: int = logging.INFO) -> io.StringIO:
        stream = stream or io.StringIO()
        monkeypatch.setattr("sys.stderr", stream)
        logs.configure(level)
        return stream

    yield configure
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_each_line_is_json_with_what_belongs_to_it(configured):
    stream = configured()
    with structlog.contextvars.bound_contextvars(run=7):
        logging.getLogger("mainstem.sync").info("page %s written", 3, extra={"source": 1})
        structlog.get_logger("own").info("said", number=2)
    first, second = lines(stream)
    assert (first["event"], first["run"], first["source"]) == ("page 3 written", 7, 1)
    assert (first["level"], first["logger"]) == ("info", "mainstem.sync")
    assert (second["event"], second["run"], second["number"]) == ("said", 7, 2)


def test_configuring_again_does_not_double_the_lines(configured):
    configured()
    stream = configured()
    logging.getLogger("own").info("once")
    assert len(lines(stream)) == 1


@pytest.mark.parametrize(
    ("message", "extra"),
    [
        ("cannot reach postgresql://ann:hush@db/cdp", {}),
        ("sent Authorization: Bearer hush", {}),
        ("connecting", {"access_token": "hush"}),
        ("connecting", {"client_secret": "hush"}),
        ("connecting", {"url": "redis://:hush@host/0"}),
    ],
)
def test_secrets_are_left_out(configured, message: str, extra: dict[str, str]):
    stream = configured()
    logging.getLogger("own").info(message, extra=extra)
    assert len(lines(stream)) == 1
    assert "hush" not in stream.getvalue()
    assert "***" in stream.getvalue()


def fail(level: int) -> None:
    try:
        raise RuntimeError("https://ann:hush@vendor.example does not answer")
    except RuntimeError:
        logging.getLogger("own").log(level, "it failed", exc_info=True)


@pytest.mark.parametrize("screen", [io.StringIO, Terminal])
def test_errors_bring_their_traceback_without_secrets(configured, screen: type[io.StringIO]):
    stream = configured(screen())
    fail(logging.ERROR)
    assert "RuntimeError" in stream.getvalue()
    assert "hush" not in stream.getvalue()


def test_to_who_types_a_command_a_warning_is_one_line(configured):
    stream = configured(level=logging.WARNING)
    fail(logging.WARNING)
    logging.getLogger("own").info("not shown")
    (line,) = lines(stream)
    assert line["event"] == "it failed"
    assert "exception" not in line


def test_on_a_terminal_lines_are_plain(configured):
    stream = configured(Terminal(), level=logging.WARNING)
    fail(logging.WARNING)
    (line,) = stream.getvalue().splitlines()
    assert "it failed" in line
    assert not line.startswith("{")


def test_alembic_is_quiet(configured):
    stream = configured()
    logging.getLogger("alembic.runtime.migration").info("Context impl")
    assert stream.getvalue() == ""
