"""Mail is sent by a real server, and waits where it is not there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from sqlalchemy import select
from sqlalchemy.orm import Session

from core.db.engine import writing
from core.db.models import Mail
from core.services import mail
from core.services.errors import Conflict, NotFound
from core.services.mainstem import Mainstem
from tests.support.smtp import Postbox, postbox
from tests.web.factories import installation

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.fixture
def box() -> Iterator[Postbox]:
    with postbox() as opened:
        yield opened


@pytest.fixture
def mainstem(database_url: str, tmp_path: Path, box: Postbox) -> Iterator[Mainstem]:
    opened = installation(
        database_url, str(tmp_path / "instance"), SMTP_URL=box.url, MAIL_FROM="CDP <cdp@acme.example>"
    )
    yield opened
    opened.engine.dispose()


def write(mainstem: Mainstem, to: str = "ann@example.com", body: str = "Grüße\n") -> int:
    with writing(mainstem.engine) as connection:
        return mail.write(mainstem, connection, to, "Hello", body)


def row(mainstem: Mainstem, id: int) -> Any:
    with mainstem.engine.connect() as connection:
        return connection.execute(select(Mail.__table__).where(Mail.id == id)).one()


def test_a_mail_arrives_as_it_was_written_and_its_text_is_not_kept(mainstem: Mainstem, box: Postbox):
    id = write(mainstem)
    assert "Grüße" not in row(mainstem, id).body
    assert mail.send_due(mainstem) == 1
    (got,) = box.mails
    assert (got["From"], got["To"], got["Subject"]) == ("CDP <cdp@acme.example>", "ann@example.com", "Hello")
    assert got.get_content().replace("\r\n", "\n") == "Grüße\n"
    assert (row(mainstem, id).state, row(mainstem, id).body) == ("sent", "")
    assert mail.send_due(mainstem) == 0
    assert len(box.mails) == 1


def test_nothing_is_lost_while_the_server_is_away(mainstem: Mainstem, box: Postbox):
    away = replace(mainstem, settings=replace(mainstem.settings, smtp_url="smtp://127.0.0.1:1"))
    with time_machine.travel(NOON, tick=False) as clock:
        id = write(mainstem)
        assert mail.send_due(away) == 0
        assert (row(mainstem, id).state, row(mainstem, id).attempts) == ("pending", 1)
        assert "refused" in row(mainstem, id).error
        assert mail.send_due(mainstem) == 0  # not yet: it waits a little
        clock.shift(timedelta(seconds=5))
        assert mail.send_due(mainstem) == 1
    assert (row(mainstem, id).state, row(mainstem, id).error) == ("sent", None)


def test_what_the_server_refuses_for_good_fails_and_can_be_sent_again(mainstem: Mainstem, box: Postbox):
    box.refusals = {"ann@example.com": "550 no such user", "bob@example.com": "451 try later"}
    ann, bob = write(mainstem), write(mainstem, "bob@example.com")
    mail.send_due(mainstem)
    assert (row(mainstem, ann).state, row(mainstem, ann).error) == ("failed", "550 no such user")
    assert (row(mainstem, bob).state, row(mainstem, bob).error) == ("pending", "451 try later")
    box.refusals = {}
    with pytest.raises(Conflict):
        mail.send_again(mainstem, bob, "olga@example.com")
    with pytest.raises(NotFound):
        mail.send_again(mainstem, 99, "olga@example.com")
    mail.send_again(mainstem, ann, "olga@example.com")
    assert mail.send_due(mainstem) == 1
    assert [got["To"] for got in box.mails] == ["ann@example.com"]


def test_without_a_server_mail_is_kept_and_can_be_read(mainstem: Mainstem):
    without = replace(mainstem, settings=replace(mainstem.settings, smtp_url=None))
    first, second = write(without, body="one"), write(without, body="two")
    assert mail.send_due(without) == 0
    with Session(mainstem.engine) as session:
        letters, more = mail.outbox(session, without, size=1)
        assert ([(letter.mail.id, letter.body) for letter in letters], more) == ([(second, "two")], True)
        letters, more = mail.outbox(session, without, before=second)
        assert ([(letter.mail.id, letter.body) for letter in letters], more) == ([(first, "one")], False)
        assert mail.outbox(session, without, state="sent") == ([], False)


def test_two_workers_send_a_mail_once(mainstem: Mainstem, box: Postbox):
    id = write(mainstem)
    assert mail._claim(mainstem, id) is not None
    assert mail._claim(mainstem, id) is None
    assert mail.send_due(mainstem) == 0
    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=mainstem.settings.lease_seconds + 1)):
        assert mail.send_due(mainstem) == 1  # the first one died


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
def test_a_server_that_wants_a_password_gets_it_and_a_wrong_one_can_be_mended(mainstem: Mainstem):
    with postbox("cdp", "s3cret/") as guarded:
        host = f"{guarded.host}:{guarded.port}"
        wrong = replace(mainstem, settings=replace(mainstem.settings, smtp_url=f"smtp://cdp:no@{host}"))
        right = replace(mainstem, settings=replace(mainstem.settings, smtp_url=f"smtp://cdp:s3cret%2F@{host}"))
        id = write(mainstem)
        assert mail.send_due(wrong) == 0
        assert (row(mainstem, id).state, row(mainstem, id).error[:3]) == ("pending", "535")
        with time_machine.travel(datetime.now(UTC) + timedelta(seconds=5)):
            assert mail.send_due(right) == 1
        assert len(guarded.mails) == 1
