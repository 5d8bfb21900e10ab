"""What many pages need and one request tells, such as the names of tags by id."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

import requests

from core.contract.types import Account

T = TypeVar("T")


class Lookup(Generic[T]):
    """Loads something once for an account and keeps it for a short while, in this process.

    It goes with the account's HTTP session, so nothing outlives the work that it was loaded for.

    Args:
        load: Reads it from the vendor.
        seconds: How long it is kept.
    """

    def __init__(self, load: Callable[[Account], T], seconds: float = 60.0) -> None:
        self._load = load
        self._seconds = seconds
        self._kept: WeakKeyDictionary[requests.Session, dict[int, tuple[float, T]]] = WeakKeyDictionary()
        self._loading: WeakKeyDictionary[requests.Session, threading.Lock] = WeakKeyDictionary()
        self._lock = threading.Lock()

    def __call__(self, account: Account) -> T:
        """Return it, loaded now unless it is fresh; of many that ask at once, one loads it for all."""
        with self._lock:
            loading = self._loading.setdefault(account.http, threading.Lock())
        with loading:
            with self._lock:
                entry = self._kept.get(account.http, {}).get(account.id)
            if entry is not None and time.monotonic() - entry[0] < self._seconds:
                return entry[1]
            return self.refresh(account)

    def refresh(self, account: Account) -> T:
        """Load it now."""
        loaded = self._load(account)
        with self._lock:
            self._kept.setdefault(account.http, {})[account.id] = (time.monotonic(), loaded)
        return loaded
