"""Email: written into the outbox in the transaction that causes it, sent by a worker when the mail server is there."""

from __future__ import annotations

import logging
import smtplib
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, make_msgid
from urllib.parse import unquote, urlsplit
from uuid import uuid4

from sqlalchemy import Connection, RowMapping, select, update
from sqlalchemy.orm import Session

from core.config import Settings
from core.contract.errors import Retry
from core.db.bulk import table_of
from core.db.engine import writing
from core.db.models import Mail
from core.services.errors import Conflict, NotFound
from core.services.leases import is_due, is_free, lease_end
from core.services.mainstem import Mainstem
from core.services.recovery import wait_seconds
from core.services.sources import audit, now_utc

MAIL = table_of(Mail)
ATTEMPTS = 300
"""After so many, which take more than two days, a mail is given up; an admin may have it sent again."""
SERVER_SECONDS = 20
STATES = ("pending", "sent", "failed", "cancelled")

log = logging.getLogger("mainstem.mail")


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail as the outbox page shows it.

    ``body`` is "" once it has been sent or is of no more use, and where it is ``private``.
    """

    mail: Mail
    body: str
    private: bool


def write(
    mainstem: Mainstem,
    connection: Connection,
    recipient: str,
    subject: str,
    body: str,
    user_id: int | None = None,
    *,
    private: bool = False,
) -> int:
    """Put a mail into the outbox.

    Args:
        mainstem: The installation.
        connection: The transaction that causes it: both are there, or none.
        recipient: An email address.
        subject: One line.
        body: Plain text; kept encrypted until it is sent.
        user_id: Whom an invitation, or a link for a new password, is for.
        private: Nobody but the recipient may read it, whatever her role.

    Returns:
        Its id.
    """
    row = {
        "recipient": recipient,
        "subject": subject,
        "body": mainstem.vault.seal({"text": body} | ({"private": "yes"} if private else {})),
        "user_id": user_id,
        "state": "pending",
        "created_at": now_utc(),
    }
    return int(connection.execute(MAIL.insert().values(row).returning(MAIL.c.id)).scalar_one())


def cancel(connection: Connection, user_id: int) -> None:
    """Let what waits for this user never be sent."""
    waiting = update(MAIL).where(MAIL.c.user_id == user_id, MAIL.c.state.in_(("pending", "failed")))
    connection.execute(waiting.values(state="cancelled", body=""))


def outbox(
    session: Session, mainstem: Mainstem, state: str = "", before: int | None = None, size: int = 25
) -> tuple[list[Letter], bool]:
    """Return mails, the last first, and whether there are older ones.

    Args:
        session: Where to read.
        mainstem: The installation.
        state: Only those in this state; "" for all.
        before: Only those older than the mail of this id.
        size: How many at most.
    """
    rows = select(Mail)
    if state:
        rows = rows.where(Mail.state == state)
    if before is not None:
        rows = rows.where(Mail.id < before)
    found = session.scalars(rows.order_by(Mail.id.desc()).limit(size + 1)).all()
    return [_letter(mainstem, mail) for mail in found[:size]], len(found) > size


def _letter(mainstem: Mainstem, mail: Mail) -> Letter:
    kept = mainstem.vault.open(mail.body)
    private = "private" in kept
    return Letter(mail, "" if private else kept.get("text", ""), private)


def send_again(mainstem: Mainstem, mail_id: int, actor: str) -> None:
    """Give a mail that failed another chance.

    Raises:
        NotFound: There is no such mail.
        Conflict: It has not failed.
    """
    with writing(mainstem.engine) as connection:
        state = connection.scalar(select(MAIL.c.state).where(MAIL.c.id == mail_id))
        if state is None:
            raise NotFound(f"There is no mail {mail_id}")
        again = update(MAIL).where(MAIL.c.id == mail_id, MAIL.c.state == "failed")
        if not connection.execute(again.values(state="pending", attempts=0, error=None, not_before=None)).rowcount:
            raise Conflict("Only a mail that failed can be sent again")
        audit(connection, actor, "send again", f"mail {mail_id}")


def to_send(mainstem: Mainstem) -> Sequence[int]:
    """Return the mails that are due and that nobody is sending; none without a mail server."""
    if mainstem.settings.smtp_url is None:
        return ()
    now = now_utc()
    due = select(MAIL.c.id).where(MAIL.c.state == "pending", is_free(MAIL, now), is_due(MAIL, now))
    with mainstem.engine.connect() as connection:
        return connection.scalars(due.order_by(MAIL.c.id).limit(100)).all()


def send_due(mainstem: Mainstem) -> int:
    """Send what is due, each mail by whoever leases it first.

    A process that dies between handing over a mail and writing that down sends it twice: better than never.

    Returns:
        How many were sent.
    """
    sent = 0
    for id in to_send(mainstem):
        mail = _claim(mainstem, id)
        if mail is not None:
            sent += _send(mainstem, mail)
    return sent


def _claim(mainstem: Mainstem, id: int) -> RowMapping | None:
    now = now_utc()
    with writing(mainstem.engine) as connection:
        free = update(MAIL).where(MAIL.c.id == id, MAIL.c.state == "pending", is_free(MAIL, now), is_due(MAIL, now))
        leased = free.values(lease_token=uuid4(), lease_until=lease_end(mainstem, now)).returning(MAIL)
        return connection.execute(leased).mappings().one_or_none()


def _send(mainstem: Mainstem, mail: RowMapping) -> bool:
    text = mainstem.vault.open(mail["body"])["text"]
    message = _message(mainstem.settings, mail["recipient"], mail["subject"], text, mail["created_at"])
    changes: dict[str, object] = {"lease_token": None, "lease_until": None}
    try:
        with server(mainstem.settings) as smtp:
            smtp.send_message(message)
        changes |= {"state": "sent", "sent_at": now_utc(), "body": "", "error": None}
    except (OSError, smtplib.SMTPException) as error:
        attempts = mail["attempts"] + 1
        given_up = _is_final(error) or attempts >= ATTEMPTS
        later = now_utc() + timedelta(seconds=wait_seconds(Retry(""), attempts))
        changes |= {"attempts": attempts, "error": said(error), "not_before": later}
        changes["state"] = "failed" if given_up else "pending"
        log.warning("could not send mail %d: %s", mail["id"], said(error))
    with writing(mainstem.engine) as connection:
        ours = update(MAIL).where(MAIL.c.id == mail["id"], MAIL.c.lease_token == mail["lease_token"])
        connection.execute(ours.values(changes))
    return changes["state"] == "sent"


def _message(settings: Settings, recipient: str, subject: str, text: str, moment: datetime) -> EmailMessage:
    message = EmailMessage(SMTP)
    message["From"] = settings.mail_from
    message["To"] = recipient
    message["Subject"] = subject
    message["Date"] = format_datetime(moment)
    message["Message-ID"] = make_msgid(domain=settings.mail_from.rpartition("@")[2].rstrip(">"))
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(text)
    return message


@contextmanager
def server(settings: Settings, seconds: float = SERVER_SECONDS) -> Iterator[smtplib.SMTP]:
    """Open a session at the mail server: encrypted if it can be, logged in if SMTP_URL names a user.

    Args:
        settings: Those of the installation, with an ``smtp_url``.
        seconds: How long to wait for each of its answers.

    Raises:
        OSError: It is out of reach.
        smtplib.SMTPException: It refuses.
    """
    url = urlsplit(settings.smtp_url or "")
    host, port = url.hostname or "", url.port or 0
    if url.scheme == "smtps":
        connection: smtplib.SMTP = smtplib.SMTP_SSL(host, port, timeout=seconds, context=ssl.create_default_context())
    else:
        connection = smtplib.SMTP(host, port, timeout=seconds)
    with connection as smtp:
        smtp.ehlo()
        if url.scheme == "smtp" and smtp.has_extn("starttls"):
            smtp.starttls(context=ssl.create_default_context())
            smtp.ehlo()
        if url.username:
            smtp.login(unquote(url.username), unquote(url.password or ""))
        yield smtp


def said(error: Exception) -> str:
    """Return an error of the mail server in one line."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return "; ".join(f"{code} {_text(text)}" for code, text in error.recipients.values())
    if isinstance(error, smtplib.SMTPResponseException):
        return f"{error.smtp_code} {_text(error.smtp_error)}"
    return str(error) or type(error).__name__


def _text(answer: bytes | str) -> str:
    return answer.decode(errors="replace") if isinstance(answer, bytes) else answer


def _is_final(error: Exception) -> bool:
    """Tell whether another attempt would be refused too: RFC 5321 4.2.1, answers from 500 on are permanent."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return all(code >= 500 for code, _ in error.recipients.values())
    # Wrong credentials and a server that misbehaves are mended by the operator: the mail can wait.
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return False
    return isinstance(error, smtplib.SMTPDataError | smtplib.SMTPSenderRefused) and error.smtp_code >= 500
