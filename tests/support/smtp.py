"""A real mail server on this machine."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session


@dataclass
class Postbox:
    """What a mail server got.

    Attributes:
        mails: Whatever it took, in order.
        refusals: What it answers to a recipient instead of taking mail for her.
        host: Where it listens.
        port: Likewise.
    """

    mails: list[EmailMessage] = field(default_factory=list)
    refusals: dict[str, str] = field(default_factory=dict)
    host: str = "127.0.0.1"
    port: int = 0

    @property
    def url(self) -> str:
        """For SMTP_URL."""
        return f"smtp://{self.host}:{self.port}"

    async def handle_RCPT(  # noqa: N802 -- called by aiosmtpd
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.refusals:
            return self.refusals[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        content = envelope.content
        assert isinstance(content, bytes)
        mail = message_from_bytes(content, policy=default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        return "250 OK"


@contextmanager
def postbox(user: str = "", password: str = "") -> Iterator[Postbox]:
    """Run a mail server on a free port; with a user it takes mail only from who logs in as her."""
    box = Postbox()

    def check(server: SMTP, session: Session, envelope: Envelope, mechanism: str, given: Any) -> AuthResult:
        known = isinstance(given, LoginPassword) and (given.login, given.password) == (user.encode(), password.encode())
        # Unless told so, the server takes a refusal for answered.
        return AuthResult(success=known, handled=False)

    options: dict[str, Any] = {}
    if user:
        options = {"authenticator": check, "auth_required": True, "auth_require_tls": False}
    with socket.socket() as probe:
        probe.bind((box.host, 0))
        box.port = probe.getsockname()[1]
    controller = Controller(box, hostname=box.host, port=box.port, **options)
    controller.start()
    try:
        yield box
    finally:
        controller.stop()
