"""How a run is shown while it goes on."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from rich.console import Console

from core.cli import progress as shown
from core.cli.progress import Bars, duration, line, outcome
from core.db.models import COUNTS
from core.services.mainstem import Mainstem
from core.services.progress import ObjectProgress, RunProgress

CUSTOMERS = ObjectProgress(
    "customer", "Customers", dict.fromkeys(COUNTS, 0) | {"read": 50, "created": 50}, 200, 2, 1, None
)
NOTES = ObjectProgress("note", "Notes", dict.fromkeys(COUNTS, 0) | {"read": 7, "rejected": 7}, None, 1, 0, "too busy")
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
RUN = RunProgress(7, 1, "initial", "running", NOON, NOON, None, 1234, 5.0, None, {"customer": CUSTOMERS})


def test_a_line_tells_counts_rate_requests_and_time_left():
    assert line(RUN) == "run 7 running · customers 50/200 · 10 records/s, 1,234 requests, 15 s left"
    assert line(replace(RUN, objects={"note": NOTES})) == "run 7 running · notes 7 · 1 records/s, 1,234 requests"
    waiting = replace(NOTES, error=None, waits="a scroll is open")
    assert line(replace(RUN, objects={"note": waiting})).endswith(
        "notes: waits and goes on by itself: a scroll is open"
    )
    assert line(replace(RUN, state="queued", objects={}, seconds=0.0)) == "run 7 queued · 0 records/s, 1,234 requests"


def test_elsewhere_than_on_a_terminal_a_line_comes_when_it_says_something_new(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    states = iter([replace(RUN, state="queued"), replace(RUN, state="queued"), RUN])
    monkeypatch.setattr(shown, "PLAIN_SECONDS", 0.0)
    monkeypatch.setattr(shown, "progress", lambda mainstem, run_id: next(states))
    follower = shown.Follower(Mainstem.__new__(Mainstem), 7)
    for _ in range(3):
        follower.refresh()
    assert [text.split(" ·")[0] for text in capsys.readouterr().err.splitlines()] == ["run 7 queued", "run 7 running"]


def test_the_outcome_tells_what_became_of_each_object():
    ended = replace(RUN, state="partial", objects={"customer": CUSTOMERS, "note": NOTES})
    assert outcome(ended).splitlines() == [
        "Run 7 partial in 5 s, 1,234 requests",
        "  Customers: 50/200, 50 created",
        "  Notes: 7, 7 rejected, too busy",
    ]


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (59.4, "59 s"), (60, "1 min"), (3599, "1 h 0 min"), (11_100, "3 h 5 min")]
)
def test_durations_read_as_people_say_them(seconds: float, text: str):
    assert duration(seconds) == text


def test_on_a_terminal_each_object_has_a_bar():
    screen = io.StringIO()
    bars = Bars(Console(file=screen, force_terminal=True, width=120))
    bars.start()
    bars.show(replace(RUN, objects={"customer": CUSTOMERS, "note": NOTES}))
    ended = replace(CUSTOMERS, done=2, counts={**CUSTOMERS.counts, "read": 200})
    bars.show(replace(RUN, state="succeeded", objects={"customer": ended, "note": NOTES}))
    bars.stop()
    text = screen.getvalue()
    assert "Customers" in text
    assert "200/200" in text
    assert "7 rejected" in text
    assert "1,234 requests" in text
    assert "succeeded" in text
