"""A short storm; ``make soak`` makes longer ones."""

from __future__ import annotations

from tests.faults.chaos import run


def test_a_minute_of_power_cuts_during_a_backfill_with_webhooks_loses_nothing():
    run(seed=3, tell=print, seconds=60)
