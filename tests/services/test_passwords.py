"""A forgotten password is replaced by whoever reads the mail, once, in time, and nobody learns who is here."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta

import pytest
from itsdangerous import URLSafeTimedSerializer
from sqlalchemy import update
from sqlalchemy.orm import Session

from core.db.engine import writing
from core.db.models import AuditEntry, Mail, User
from core.services import passwords
from core.services.errors import Conflict, Invalid, NotFound
from core.services.invitations import invite, invited
from core.services.mail import outbox
from core.services.mainstem import Mainstem
from core.services.users import TooManyAttempts, add_user, authenticate
from tests.services.conftest import rows

NEW = "another long password"


@pytest.fixture
def mainstem(mainstem: Mainstem) -> Mainstem:
    """The same with a mail server, which nothing is sent to here."""
    return replace(mainstem, settings=replace(mainstem.settings, smtp_url="smtp://127.0.0.1:1"))


@pytest.fixture
def ann(mainstem: Mainstem) -> int:
    return add_user(mainstem, "ann@example.com", "owner", password="the first password")[0]


def mails(mainstem: Mainstem) -> list[str]:
    found = [mail for mail in rows(mainstem.engine, Mail) if mail["state"] == "pending"]
    return [mainstem.vault.open(mail["body"])["text"] for mail in found]


def link(mainstem: Mainstem) -> str:
    """What the one mail that waits leads to."""
    (text,) = mails(mainstem)
    found = re.search(r"/password/(\S+)", text)
    assert found
    return found[1]


def test_whoever_reads_the_mail_chooses_once(mainstem: Mainstem, ann: int):
    passwords.ask(mainstem, " Ann@Example.com ", "10.0.0.1")
    token = link(mainstem)
    with Session(mainstem.engine) as session:
        assert passwords.chooser(session, mainstem, token).id == ann
    with pytest.raises(Invalid, match="at least 10 characters"):
        passwords.choose(mainstem, token, "short")
    assert passwords.choose(mainstem, token, NEW).id == ann
    assert authenticate(mainstem, "ann@example.com", NEW)
    assert not authenticate(mainstem, "ann@example.com", "the first password")
    for again in (passwords.choose, lambda *_: passwords.chooser(session, mainstem, token)):
        with pytest.raises(NotFound, match="ask for a new one"):
            again(mainstem, token, "yet another password")
    assert mails(mainstem) == []


def test_a_later_link_takes_the_place_of_one_that_was_not_sent(mainstem: Mainstem, ann: int):
    for _ in range(2):
        passwords.ask(mainstem, "ann@example.com", "10.0.0.1")
    assert passwords.choose(mainstem, link(mainstem), NEW).email == "ann@example.com"


@pytest.mark.parametrize("state", ["revoked", "deleted"])
def test_who_may_not_log_in_gets_no_link_and_can_use_none(mainstem: Mainstem, ann: int, state: str):
    passwords.ask(mainstem, "ann@example.com", "10.0.0.1")
    token = link(mainstem)
    with writing(mainstem.engine) as connection:
        connection.execute(update(User).values(state=state))
        connection.execute(update(Mail).values(state="sent"))
    passwords.ask(mainstem, "ann@example.com", "10.0.0.1")
    assert mails(mainstem) == []
    with pytest.raises(NotFound):
        passwords.choose(mainstem, token, NEW)


def test_who_has_not_accepted_is_reminded_and_her_links_stay_good(mainstem: Mainstem, ann: int):
    (bob,) = invite(mainstem, "bob@example.com", "agent", False, (), "ann@example.com")
    (before,) = mails(mainstem)
    passwords.ask(mainstem, "bob@example.com", "10.0.0.1")
    (text,) = mails(mainstem)
    assert "/accept/" in text
    found = re.search(r"/accept/(\S+)", before)
    assert found
    with Session(mainstem.engine) as session:
        assert invited(session, mainstem, found[1]).id == bob


def test_nobody_else_reads_the_link_whatever_the_role(mainstem: Mainstem, ann: int):
    passwords.ask(mainstem, "ann@example.com", "10.0.0.1")
    with Session(mainstem.engine) as session:
        ((letter,), _) = outbox(session, mainstem)
    assert (letter.mail.recipient, letter.body, letter.private) == ("ann@example.com", "", True)


def test_without_a_mail_server_no_link_is_written(mainstem: Mainstem, ann: int):
    silent = replace(mainstem, settings=replace(mainstem.settings, smtp_url=None))
    with pytest.raises(Conflict, match="No mail server is set"):
        passwords.ask(silent, "ann@example.com", "10.0.0.1")
    assert mails(mainstem) == []


@pytest.mark.parametrize("email", ["", "ann", "ann\0@example.com", f"{'a' * 300}@example.com"])
def test_what_is_no_email_is_not_asked_for(mainstem: Mainstem, email: str):
    with pytest.raises(Invalid, match="needs an address, such as ann@example.com"):
        passwords.ask(mainstem, email, "10.0.0.1")
    assert rows(mainstem.engine, AuditEntry) == []


def test_forged_and_old_links_are_worth_nothing(mainstem: Mainstem, ann: int, monkeypatch: pytest.MonkeyPatch):
    passwords.ask(mainstem, "ann@example.com", "10.0.0.1")
    token = link(mainstem)
    forged = URLSafeTimedSerializer("another key", salt="new password").dumps([ann, "0" * 16])
    for worthless in (forged, token[:-2], "", "x.y.z"):
        with pytest.raises(NotFound):
            passwords.choose(mainstem, worthless, NEW)
    monkeypatch.setattr(passwords, "LINK", replace(passwords.LINK, valid=timedelta(seconds=-1)))
    with pytest.raises(NotFound):
        passwords.choose(mainstem, token, NEW)


def test_nobody_is_flooded_and_nobody_can_try_out_emails(mainstem: Mainstem, ann: int):
    for number in range(passwords.MAILS + 2):
        passwords.ask(mainstem, "ann@example.com", f"10.0.0.{number}")
    assert [mail["recipient"] for mail in rows(mainstem.engine, Mail)] == ["ann@example.com"] * passwords.MAILS
    for number in range(passwords.QUESTIONS):
        passwords.ask(mainstem, f"nobody{number}@example.com", "10.0.9.9")
    with pytest.raises(TooManyAttempts, match="wait an hour"):
        passwords.ask(mainstem, "ann@example.com", "10.0.9.9")
    asked = [entry for entry in rows(mainstem.engine, AuditEntry) if entry["action"] == passwords.ASKED]
    assert len(asked) == passwords.MAILS + 2 + passwords.QUESTIONS
