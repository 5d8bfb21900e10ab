"""A short storm; ``make soak`` makes longer ones."""

from __future__ import annotations

import pytest

from tests.faults.chaos import run


@pytest.mark.timeout(300)
def test_twenty_power_cuts_during_a_backfill_with_webhooks_lose_nothing():
    run(seed=3, tell=print)
