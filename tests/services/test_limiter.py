"""The limiter against vendors of several kinds, in simulated time; and shared through a real Valkey."""

from __future__ import annotations

import heapq
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest
from redis import Redis

from core.services.limiter import LocalStore, Pace, PacedLimiter, RedisStore

START = 1_000_003.7


@dataclass
class Vendor:
    """Counts requests in fixed slices, as Intercom does, and says so in its headers."""

    per_slice: int
    seconds: int
    limit_header: int | None
    others: int = 0
    served: dict[int, int] = field(default_factory=dict)
    refused: int = 0

    def answer(self, now: float) -> tuple[int | None, int, float]:
        slice_ = int(now // self.seconds)
        used = self.served.get(slice_, self.others)
        if used >= self.per_slice:
            self.refused += 1
        else:
            self.served[slice_] = used = used + 1
        return self.limit_header, max(self.per_slice - used, 0), float((slice_ + 1) * self.seconds)


def simulate(vendor: Vendor, clients: int, latency: float, duration: float, processes: int = 1) -> int:
    """Let clients send as fast as the pace allows; return how many requests they sent."""
    now = START
    clock = [now]
    store = LocalStore(Pace(1_666, 10))
    limiters = [PacedLimiter(store, clock=lambda: clock[0]) for _ in range(processes)]
    jitter = random.Random(5)
    events: list[tuple[float, int, str]] = [(now, n, "ask") for n in range(clients)]
    heapq.heapify(events)
    answers: dict[int, tuple[int | None, int, float]] = {}
    sent = 0
    while events and events[0][0] < START + duration:
        clock[0], client, what = heapq.heappop(events)
        limiter = limiters[client % processes]
        if what == "ask":
            heapq.heappush(events, (max(limiter._slot(), clock[0]), client, "send"))
        elif what == "send" and clock[0] < limiter._closed_until:
            heapq.heappush(events, (clock[0], client, "ask"))
        elif what == "send":
            sent += 1
            heapq.heappush(events, (clock[0] + latency * jitter.uniform(0.3, 0.6), client, "arrive"))
        elif what == "arrive":
            answers[client] = vendor.answer(clock[0])
            heapq.heappush(events, (clock[0] + latency * jitter.uniform(0.3, 0.6), client, "reply"))
        else:
            limiter.observe(*answers[client])
            heapq.heappush(events, (clock[0], client, "ask"))
    return sent


@pytest.mark.parametrize(("processes", "latency"), [(1, 0.3), (2, 0.1)])
@pytest.mark.parametrize(
    ("per_slice", "seconds", "header"),
    [
        (1_666, 10, 10_000),
        (1_666, 10, 1_666),
        (1_666, 10, None),
        (166, 10, 1_000),
        (166, 10, 166),
        (4_166, 10, 25_000),
        (600, 60, 600),
        (50, 1, 3_000),
    ],
)
def test_uses_nine_tenths_of_any_limit_and_is_hardly_ever_refused(per_slice, seconds, header, processes, latency):
    vendor = Vendor(per_slice, seconds, header)
    clients = max(8, int(per_slice / seconds * latency * 3))
    duration = max(6 * seconds, 30)
    sent = simulate(vendor, clients, latency, duration, processes)
    first = int(START // seconds)
    # At first it learns what the limit is; the last slice is not over.
    learnt = first + max(3, 18 // seconds)
    whole = [vendor.served.get(n, 0) for n in range(learnt, int((START + duration) // seconds))]
    assert min(whole) >= 0.9 * per_slice
    assert vendor.refused <= 0.01 * sent


def test_leaves_room_for_others_who_use_the_same_limit():
    vendor = Vendor(1_666, 10, 10_000, others=800)
    sent = simulate(vendor, 60, 0.1, 60)
    assert vendor.refused <= 0.01 * sent
    assert sent >= 0.8 * 6 * 866


def test_a_used_up_slice_closes_the_gate_until_it_ends():
    pace = Pace(100, 10)
    pace.learn(START, 100, 0, START + 4)
    assert pace.reserve(START + 1)[0] == START + 4


def test_nonsense_in_headers_is_ignored():
    pace = Pace(100, 10)
    pace.learn(START, None, 3, START + 10_000_000)
    pace.learn(START, None, 3, -5.0)
    pace.learn(START, 0, None, None)
    assert pace.reserve(START)[0] <= START


def test_threads_share_one_pace_and_all_get_their_turn():
    limiter = PacedLimiter(LocalStore(Pace(100_000, 1)))
    done = threading.Barrier(9)

    def send() -> None:
        for _ in range(200):
            limiter.acquire()
        done.wait()

    with ThreadPoolExecutor(8) as pool:
        for _ in range(8):
            pool.submit(send)
        done.wait()


def test_processes_share_one_pace_through_redis(valkey_url):
    clock = [START]
    stores = [RedisStore(Redis.from_url(valkey_url), "pace", Pace(100, 10)) for _ in range(2)]
    limiters = [PacedLimiter(store, clock=lambda: clock[0]) for store in stores]
    granted = [0, 0]
    while clock[0] < START + 30:
        for n, limiter in enumerate(limiters):
            granted[n] += 1
            clock[0] = max(clock[0], limiter._slot())
    assert 0.9 * 300 <= sum(granted) <= 310
    assert min(granted) > 100


def test_without_redis_the_process_goes_on_alone(caplog):
    store = RedisStore(Redis.from_url("redis://127.0.0.1:1", socket_connect_timeout=1), "pace", Pace(100, 10))
    limiter = PacedLimiter(store)
    limiter.acquire()
    limiter.acquire()
    assert caplog.text.count("Redis is out of reach") == 1
