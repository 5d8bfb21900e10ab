"""User management, by the pages' requests."""

from __future__ import annotations

import re
from html import unescape

from flask.testing import FlaskClient
from sqlalchemy import select

from core.db.engine import writing
from core.db.models import User
from core.services import mail
from core.services.mainstem import Mainstem
from tests.web.factories import HASH, NOW, Factory
from tests.web.helpers import send, text


def test_the_list_is_searched_narrowed_and_paged(factory: Factory, owner: FlaskClient):
    plain = {"role": "agent", "state": "active", "password_hash": HASH, "created_at": NOW}
    factory.add_all([User(email=f"u{number}@example.com", name=f"User {number:02}", **plain) for number in range(60)])

    def shown(address: str) -> str:
        return text(owner.get(address))

    first = owner.get("/users/?role=agent").get_data(as_text=True)
    assert "User 49" in first
    assert "User 50" not in first
    (address,) = re.findall(r'rel="next" href="([^"]+)"', first)
    second = shown(unescape(address))
    assert "User 50" in second
    assert "Olga Ivanova u" not in second
    assert "u7@example.com" in shown("/users/?q=u7%40")
    assert "u8@example.com" not in shown("/users/?q=u7%40")
    assert "Nobody was found" in shown("/users/?q=u7%40&state=revoked")
    assert "Nobody was found" in shown("/users/?q=%25")
    assert owner.get("/users/?page=after_x").status_code == 404


def test_without_a_mail_server_an_invitation_is_said_to_wait_in_the_outbox(mainstem: Mainstem, owner: FlaskClient):
    assert "No mail server is set" in text(owner.get("/users/new"))
    invited = send(
        owner, "/users/new", {"emails": "zoe@acme.example", "role": "agent", "agent": "1"}, follow_redirects=True
    )
    assert 'hand over the link from the <a href="/outbox/">Outbox</a>' in invited.get_data(as_text=True)
    assert "Waiting" in text(owner.get("/outbox/")).partition("zoe@acme.example")[2]
    with writing(mainstem.engine) as connection:
        mail.cancel(connection, connection.scalar(select(User.id).where(User.email == "zoe@acme.example")) or 0)
    unneeded = text(owner.get("/outbox/?state=cancelled")).partition("zoe@acme.example")[2]
    assert "Not needed any more" in unneeded
    assert "Its link was used, replaced or withdrawn before it was sent" in unneeded
    roles = text(owner.get("/users/roles"))
    assert "An agent sees what read only sees, and is one of those who may be assigned conversations" in roles
