from __future__ import annotations

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from core.db.engine import writing
from core.db.models import AuditEntry, User
from core.services import users
from core.services.errors import Conflict, Invalid, NotFound
from core.services.mainstem import Mainstem
from tests.web.factories import Factory


def test_an_added_user_may_log_in_with_the_password_that_was_made(mainstem: Mainstem):
    id, made = users.add_user(mainstem, " Ann@Example.com ", "admin", name=" Ann ")
    assert made is not None
    user = users.authenticate(mainstem, "ANN@example.com", made)
    assert user is not None
    assert (user.id, user.email, user.name, user.role, user.state) == (id, "ann@example.com", "Ann", "admin", "active")


def test_a_given_password_is_not_returned_and_never_stored(mainstem: Mainstem):
    _, made = users.add_user(mainstem, "ann@example.com", "agent", password="long enough")
    assert made is None
    user = users.authenticate(mainstem, "ann@example.com", "long enough")
    assert user is not None
    assert user.agent
    assert "long enough" not in (user.password_hash or "")
    assert users.authenticate(mainstem, "ann@example.com", "long enough ") is None


def test_a_login_is_remembered(mainstem: Mainstem):
    users.add_user(mainstem, "ann@example.com", "admin", password="long enough")
    with Session(mainstem.engine) as session:
        assert users.list_users(session)[0].last_login_at is None
    users.authenticate(mainstem, "ann@example.com", "long enough")
    with Session(mainstem.engine) as session:
        assert users.list_users(session)[0].last_login_at is not None


@pytest.mark.parametrize(
    ("email", "role", "password", "key", "told"),
    [
        ("ann", "admin", None, "email", "'ann' is no email address"),
        ("a@b@example.com", "admin", None, "email", "is no email address"),
        ("ann@example.com", "boss", None, "role", "allowed are owner, admin, standard, agent, read_only"),
        ("ann@example.com", "admin", "short", "password", "needs at least 10 characters"),
    ],
)
def test_what_is_wrong_is_told_by_its_name(
    mainstem: Mainstem, email: str, role: str, password: str | None, key: str, told: str
):
    with pytest.raises(Invalid) as caught:
        users.add_user(mainstem, email, role, password=password)
    assert list(caught.value.errors) == [key]
    assert told in caught.value.errors[key]
    with Session(mainstem.engine) as session:
        assert users.list_users(session) == []


def test_an_email_is_taken_once(mainstem: Mainstem):
    users.add_user(mainstem, "ann@example.com", "admin")
    with pytest.raises(Conflict, match=r"already a user with the email ann@example\.com"):
        users.add_user(mainstem, "Ann@example.com", "agent")


def test_only_active_users_with_a_password_get_in(mainstem: Mainstem):
    factory = Factory(mainstem.engine)
    for state in ("invited", "revoked"):
        factory.user(f"{state}@example.com", state=state)
        assert users.authenticate(mainstem, f"{state}@example.com", "correct horse battery") is None
    factory.user("none@example.com", password_hash=None)
    assert users.authenticate(mainstem, "none@example.com", "") is None
    assert users.authenticate(mainstem, "nobody@example.com", "") is None


def test_failures_are_counted_per_email_and_address(mainstem: Mainstem):
    Factory(mainstem.engine).user("ann@example.com")
    for _ in range(users.FAILURES_OF_EMAIL_AT_ADDRESS):
        assert users.authenticate(mainstem, "ann@example.com", "guess", "10.0.0.1") is None
    with pytest.raises(users.TooManyAttempts):
        users.authenticate(mainstem, "Ann@example.com", "correct horse battery", "10.0.0.1")
    assert users.authenticate(mainstem, "ann@example.com", "correct horse battery", "10.0.0.2") is not None
    assert users.authenticate(mainstem, "bob@example.com", "guess", "10.0.0.1") is None


def test_one_address_cannot_try_many_emails(mainstem: Mainstem, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(users, "FAILURES_OF_ADDRESS", 3)
    for number in range(3):
        users.authenticate(mainstem, f"user{number}@example.com", "guess", "10.0.0.1")
    with pytest.raises(users.TooManyAttempts):
        users.authenticate(mainstem, "user9@example.com", "guess", "10.0.0.1")


def test_one_email_cannot_be_tried_from_many_addresses(mainstem: Mainstem, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(users, "FAILURES_OF_EMAIL", 3)
    for number in range(3):
        users.authenticate(mainstem, "ann@example.com", "guess", f"10.0.0.{number}")
    with pytest.raises(users.TooManyAttempts):
        users.authenticate(mainstem, "ann@example.com", "guess", "10.0.0.9")


def test_neither_password_nor_guess_is_in_the_audit_log(mainstem: Mainstem):
    id, _ = users.add_user(mainstem, "ann@example.com", "admin", password="long enough", actor="olga@example.com")
    users.authenticate(mainstem, "ann@example.com", "wrong guess", "10.0.0.1")
    with Session(mainstem.engine) as session:
        entries = session.scalars(select(AuditEntry).order_by(AuditEntry.id)).all()
    assert [(entry.actor, entry.action, entry.target) for entry in entries] == [
        ("olga@example.com", "add", f"user {id}"),
        ("10.0.0.1", users.FAILED_LOGIN, "ann@example.com"),
    ]
    said = " ".join(str(entry.detail) for entry in entries)
    assert "enough" not in said
    assert "guess" not in said


def test_a_new_password_replaces_the_old_one_and_lets_in(mainstem: Mainstem):
    user = Factory(mainstem.engine).user("ann@example.com", state="invited")
    made = users.reset_password(mainstem, user.id)
    assert users.authenticate(mainstem, "ann@example.com", made) is not None
    assert users.authenticate(mainstem, "ann@example.com", "correct horse battery") is None
    with pytest.raises(NotFound):
        users.reset_password(mainstem, 99)


def test_those_who_may_not_log_in_are_listed_last(mainstem: Mainstem):
    factory = Factory(mainstem.engine)
    for name, state in [("bea", "active"), ("Ann", "revoked"), ("Cid", "invited"), ("ada", "active")]:
        factory.user(f"{name.lower()}@example.com", name=name, state=state)
    with Session(mainstem.engine) as session:
        assert [user.name for user in users.list_users(session)] == ["ada", "bea", "Cid", "Ann"]


def test_a_theme_is_kept_beside_other_preferences(mainstem: Mainstem):
    user = Factory(mainstem.engine).user(preferences={"columns": ["email"]})
    users.set_theme(mainstem, user.id, "dark")
    with Session(mainstem.engine) as session:
        assert session.get_one(User, user.id).preferences == {"columns": ["email"], "theme": "dark"}
    with pytest.raises(Invalid, match="unknown theme 'pink'"):
        users.set_theme(mainstem, user.id, "pink")
    with writing(mainstem.engine) as connection:
        connection.execute(update(User).values(email="x@example.com"))
    with pytest.raises(NotFound):
        users.set_theme(mainstem, 99, "dark")
