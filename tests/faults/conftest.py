"""A sandbox that answers on a port, as in the tests of webhooks."""

from __future__ import annotations

from tests.webhooks.conftest import address as address
from tests.webhooks.conftest import fresh_url as fresh_url
from tests.webhooks.conftest import install as install
