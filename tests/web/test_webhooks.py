"""The address where vendors deliver, with a vendor that calls."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from rq import Queue
from sqlalchemy.exc import OperationalError
from werkzeug.test import TestResponse

from core import jobs
from core.app import create_app
from core.db.bulk import table_of
from core.db.engine import writing
from core.db.models import WebhookDelivery
from core.services.connecting import connect, disconnect
from core.services.draining import drain
from core.services.inbox import LARGEST_BODY
from core.services.mainstem import Mainstem
from core.services.sources import now_utc
from core.web.bell import Bell
from core.web.pages import webhooks
from tests.services.calling import SECRET, CallingVendor, delivery, sign
from tests.services.conftest import CONFIG, emails, open_mainstem, rows
from tests.services.vendor import user
from tests.web.factories import Factory
from tests.web.helpers import log_in, send, statements, text

DELIVERY = table_of(WebhookDelivery)
PATH = "/webhooks/acme"


@pytest.fixture
def vendor() -> CallingVendor:
    vendor = CallingVendor()
    vendor.users = {number: user(number) for number in range(20)}
    return vendor


@pytest.fixture
def mainstem(database_url: str, tmp_path: Path, valkey_url: str, vendor: CallingVendor) -> Iterator[Mainstem]:
    opened = open_mainstem(
        database_url,
        tmp_path / "instance",
        vendor,
        REDIS_URL=valkey_url,
        ACME_SECRETS=SECRET,
        SECRET_KEY="of the tests",
    )
    yield opened
    jobs.redis_of(opened).close()
    opened.engine.dispose()


@pytest.fixture
def app(mainstem: Mainstem) -> Iterator[Flask]:
    app = create_app(mainstem)
    yield app
    app.extensions["webhook_bell"].wait()


@pytest.fixture
def source(mainstem: Mainstem) -> int:
    return connect(mainstem, "acme", CONFIG, "test")


def post(client: FlaskClient, body: bytes, **options: Any) -> TestResponse:
    return client.post(PATH, data=body, headers={"X-Acme-Signature": sign(body)}, **options)


def ids(mainstem: Mainstem) -> list[str]:
    return sorted(row["dedupe_key"] for row in rows(mainstem.engine, WebhookDelivery))


def rung(app: Flask, mainstem: Mainstem) -> list[tuple[str | None, tuple[Any, ...]]]:
    """The jobs that wait, once the bell has rung."""
    app.extensions["webhook_bell"].wait()
    waiting = Queue("webhooks", connection=jobs.redis_of(mainstem)).jobs
    return [(job.func_name, tuple(job.args)) for job in waiting]


def test_a_vendor_may_ask_whether_somebody_listens(anonymous: FlaskClient, vendor: CallingVendor):
    assert anonymous.head(PATH).status_code == 200
    assert anonymous.head("/webhooks/nobody").status_code == 404
    assert anonymous.get(PATH).status_code == 405
    object.__setattr__(vendor.manifest, "webhooks", False)
    assert anonymous.head(PATH).status_code == 404
    assert post(anonymous, delivery(1)).status_code == 404


def test_a_delivery_is_stored_answered_and_rung_for(
    app: Flask, mainstem: Mainstem, source: int, anonymous: FlaskClient
):
    for _ in range(2):
        for number in range(3):
            assert post(anonymous, delivery(number)).status_code == 200
    assert ids(mainstem) == ["e0", "e1", "e2"]
    assert rung(app, mainstem) == [("core.jobs.drain_webhooks", (source,))]


def test_one_statement_no_session_no_cookie(mainstem: Mainstem, source: int, anonymous: FlaskClient):
    with statements(mainstem.engine) as sent:
        response = post(anonymous, delivery(1))
    assert response.json == {"reception": "stored"}
    assert "Set-Cookie" not in response.headers
    assert [text.split()[0] for text in sent if not text.startswith("BEGIN")] == ["INSERT"]


@pytest.mark.parametrize("signature", [None, "", "0" * 64, sign(b"another body")])
def test_what_is_forged_or_unsigned_is_refused(
    app: Flask, mainstem: Mainstem, source: int, anonymous: FlaskClient, signature: str | None
):
    headers = {} if signature is None else {"X-Acme-Signature": signature}
    response = anonymous.post(PATH, data=delivery(1), headers=headers)
    assert (response.status_code, response.json) == (401, {"error": "This delivery is not signed as it should be"})
    assert ids(mainstem) == []
    assert rung(app, mainstem) == []


def test_the_signature_covers_the_bytes_whatever_they_are_called(
    mainstem: Mainstem, source: int, anonymous: FlaskClient
):
    body = delivery(1, text="Zoë").replace(b", ", b" ,\r\n")
    form = "application/x-www-form-urlencoded"
    assert post(anonymous, body, content_type=form).json == {"reception": "stored"}


@pytest.mark.parametrize("told", [True, False])
def test_large_bodies_are_refused_whether_or_not_they_tell_their_length(
    mainstem: Mainstem, source: int, anonymous: FlaskClient, told: bool
):
    def call(size: int) -> TestResponse:
        body = delivery(1)
        body = body[:-1] + b" " * (size - len(body)) + b"}"
        headers = {"X-Acme-Signature": sign(body)}
        if told:
            return anonymous.post(PATH, data=body, headers=headers)
        # What a server makes of Transfer-Encoding: chunked.
        stream: dict[str, Any] = {
            "input_stream": io.BytesIO(body),
            "environ_overrides": {"wsgi.input_terminated": True},
        }
        return anonymous.post(PATH, headers=headers, content_length=None, **stream)

    assert call(LARGEST_BODY + 1).status_code == 413
    assert ids(mainstem) == []
    assert call(LARGEST_BODY).status_code == 200
    assert ids(mainstem) == ["e1"]


def test_nobody_is_rung_for_where_nothing_was_stored(
    app: Flask, mainstem: Mainstem, source: int, anonymous: FlaskClient
):
    assert post(anonymous, delivery(1, account="9")).json == {"reception": "unknown_account"}
    assert post(anonymous, delivery(1, topic="ping")).json == {"reception": "ignored"}
    disconnect(mainstem, source, "ann")
    assert post(anonymous, delivery(1)).json == {"reception": "unknown_account"}
    assert ids(mainstem) == []
    assert rung(app, mainstem) == []


def test_without_redis_it_is_stored_and_answered(mainstem: Mainstem, source: int, caplog: pytest.LogCaptureFixture):
    nowhere = replace(mainstem, settings=replace(mainstem.settings, redis_url="redis://127.0.0.1:1"))
    app = create_app(nowhere)
    assert post(app.test_client(), delivery(1)).json == {"reception": "stored"}
    with caplog.at_level(logging.WARNING, "mainstem.webhooks"):
        app.extensions["webhook_bell"].wait()
    assert ids(mainstem) == ["e1"]
    assert "stored a webhook, but Redis is out of reach" in caplog.text


def test_what_was_stored_by_a_process_that_died_then_is_found(
    app: Flask,
    mainstem: Mainstem,
    source: int,
    anonymous: FlaskClient,
    monkeypatch: pytest.MonkeyPatch,
):
    def die(*arguments: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("core.web.bell.Bell.press", die)
        with pytest.raises(KeyboardInterrupt):
            post(anonymous, delivery(1))
    assert rung(app, mainstem) == []
    jobs.tick(mainstem)
    assert rung(app, mainstem) == [("core.jobs.drain_webhooks", (source,))]
    monkeypatch.setattr(jobs, "_mainstem", lambda: mainstem)
    jobs.drain_webhooks(source)
    assert emails(mainstem.engine) == ["u1@example.com"]


def test_what_cannot_be_stored_is_not_answered_as_if_it_were(
    app: Flask, mainstem: Mainstem, source: int, anonymous: FlaskClient, monkeypatch: pytest.MonkeyPatch
):
    def broken(*arguments: Any) -> Any:
        raise OperationalError("INSERT", {}, Exception("gone"))

    monkeypatch.setattr(webhooks, "receive", broken)
    assert post(anonymous, delivery(1)).status_code == 503
    assert rung(app, mainstem) == []


def test_who_was_turned_away_at_the_door_is_rung_for_again(
    app: Flask, mainstem: Mainstem, source: int, anonymous: FlaskClient, monkeypatch: pytest.MonkeyPatch
):
    """A delivery that comes between a drain's last look and its end."""
    post(anonymous, delivery(1))
    rung(app, mainstem)
    Queue("webhooks", connection=jobs.redis_of(mainstem)).empty()

    def drain_and_late(*arguments: Any, **options: Any) -> None:
        drain(*arguments, **options)
        post(app.test_client(), delivery(2))
        app.extensions["webhook_bell"].wait()
        Queue("webhooks", connection=jobs.redis_of(mainstem)).empty()
        jobs.redis_of(mainstem).flushall()

    monkeypatch.setattr(jobs, "_mainstem", lambda: mainstem)
    monkeypatch.setattr(jobs, "drain", drain_and_late)
    jobs.drain_webhooks(source)
    assert rung(app, mainstem) == [("core.jobs.drain_webhooks", (source,))]


def test_deliveries_that_never_end_go_on_behind_the_syncs(
    mainstem: Mainstem, source: int, anonymous: FlaskClient, app: Flask, monkeypatch: pytest.MonkeyPatch
):
    post(anonymous, delivery(1))
    rung(app, mainstem)
    monkeypatch.setattr(jobs, "_mainstem", lambda: mainstem)
    monkeypatch.setattr(jobs, "SLICE_SECONDS", 0.0)
    jobs.drain_webhooks(source)
    waiting = Queue("sync", connection=jobs.redis_of(mainstem)).jobs
    assert [job.func_name for job in waiting] == ["core.jobs.drain_webhooks"]


def test_tick_forgets_what_is_long_done(mainstem: Mainstem, source: int, anonymous: FlaskClient):
    for number in range(2):
        post(anonymous, delivery(number))
    with writing(mainstem.engine) as connection:
        done = DELIVERY.update().values(state="done", processed_at=now_utc() - timedelta(days=8))
        connection.execute(done.where(DELIVERY.c.dedupe_key == "e0"))
    jobs.tick(mainstem)
    assert ids(mainstem) == ["e1"]


def test_a_bell_that_broke_rings_again(caplog: pytest.LogCaptureFixture):
    rung: list[int] = []

    def ring(source_id: int) -> None:
        rung.append(source_id)
        if len(rung) == 1:
            raise RuntimeError("cracked")

    bell = Bell(ring)
    for source_id in (1, 2):
        bell.press(source_id)
        bell.wait()
    assert rung == [1, 2]
    assert "could not ring for webhooks" in caplog.text


# The list of what failed


def test_failed_webhooks_are_listed_and_replayed(
    app: Flask, mainstem: Mainstem, source: int, factory: Factory, vendor: CallingVendor
):
    browser = log_in(app, factory.user().email)
    page = f"/sources/{source}/health"
    assert "Webhooks that failed" not in text(browser.get(page))
    for number in range(2):
        post(app.test_client(), delivery(number, text="<script>"))
    rung(app, mainstem)
    with writing(mainstem.engine) as connection:
        connection.execute(DELIVERY.update().values(state="dead", error="RuntimeError: it stumbled", attempts=5))
    shown = browser.get(page)
    assert "Webhooks that failed Replay user.changed RuntimeError: it stumbled" in text(shown)
    assert json.dumps("<script>") not in shown.get_data(as_text=True)
    response = send(browser, f"/sources/{source}/replay", follow_redirects=True)
    assert response.request.path == page
    assert "The deliveries are worked off again" in text(response)
    assert [row["state"] for row in rows(mainstem.engine, WebhookDelivery)] == ["pending"] * 2
    assert drain(mainstem, source) == 2
    assert "Webhooks that failed" not in text(browser.get(page))


def test_only_who_manages_data_sources_replays(app: Flask, mainstem: Mainstem, source: int, factory: Factory):
    post(app.test_client(), delivery(1))
    with writing(mainstem.engine) as connection:
        connection.execute(DELIVERY.update().values(state="dead", error="bad"))
    reader = log_in(app, factory.user("rea@example.com", "read_only").email)
    assert "Replay" not in text(reader.get(f"/sources/{source}/health"))
    assert send(reader, f"/sources/{source}/replay").status_code == 403
    assert anonymous_is_sent_away(app, source)
    assert [row["state"] for row in rows(mainstem.engine, WebhookDelivery)] == ["dead"]


def anonymous_is_sent_away(app: Flask, source: int) -> bool:
    return send(app.test_client(), f"/sources/{source}/replay").headers["Location"].endswith("/login")
