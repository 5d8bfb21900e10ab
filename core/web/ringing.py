"""Has a worker look at the outbox. If Redis is away nothing is lost: a worker's tick finds the mail."""

from __future__ import annotations

import logging

from redis.exceptions import RedisError

from core import jobs
from core.runtime.valkey import ValkeyError
from core.web.access import mainstem

log = logging.getLogger(__name__)


def ring_for_mail() -> None:
    """Have the outbox sent soon."""
    try:
        jobs.ring_for_mail(mainstem())
    except (RedisError, ValkeyError):
        log.warning("there is mail, but Redis is out of reach")
