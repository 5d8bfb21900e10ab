"""User management, by the pages' requests."""

from __future__ import annotations

from flask.testing import FlaskClient

from tests.web.helpers import send, text


def test_without_a_mail_server_an_invitation_is_said_to_wait_in_the_outbox(owner: FlaskClient):
    assert "No mail server is set" in text(owner.get("/users/new"))
    invited = send(
        owner, "/users/new", {"emails": "zoe@acme.example", "role": "agent", "agent": "1"}, follow_redirects=True
    )
    assert 'hand over the link from the <a href="/outbox/">Outbox</a>' in invited.get_data(as_text=True)
    roles = text(owner.get("/users/roles"))
    assert "An agent sees what read only sees, and is one of those who may be assigned conversations" in roles
