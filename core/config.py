"""What the environment says about this installation."""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import parseaddr
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from cryptography.fernet import Fernet
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError


class ConfigError(Exception):
    """A setting is missing or malformed; the text is one line that names the variable and the mend."""


@dataclass(frozen=True)
class Settings:
    """The settings of one installation; what may hold a secret stays out of ``repr``.

    Attributes:
        database_url: SQLAlchemy URL; SQLite or PostgreSQL (psycopg).
        redis_url: URL of a Redis or Valkey; None for the embedded one.
        secret_key: Signs sessions and CSRF tokens.
        encryption_keys: Fernet keys for secrets at rest, newest first.
        public_url: Where browsers and vendors reach Mainstem, without a slash at the end.
        smtp_url: The mail server; None keeps mail in the outbox page.
        mail_from: The sender of mail, as ``name@host`` or ``Name <name@host>``.
        instance: Folder for the SQLite file, the keys and the embedded Valkey's data; absolute.
        lease_seconds: After how many seconds without a sign of life the work of a process is given to another one;
            renewing and looking for work follow from it.
    """

    database_url: str = field(repr=False)
    redis_url: str | None = field(repr=False)
    secret_key: str = field(repr=False)
    encryption_keys: tuple[str, ...] = field(repr=False)
    public_url: str
    smtp_url: str | None = field(repr=False)
    instance: Path
    lease_seconds: float = 90.0
    mail_from: str = "mainstem@localhost"

    @classmethod
    def load(cls, environ: Mapping[str, str]) -> Settings:
        """Read the settings from ``environ``; an empty variable counts as absent.

        Makes the instance folder, and in it the keys that ``environ`` does not give.

        Raises:
            ConfigError: A value is malformed, or the instance folder cannot be used.
        """
        given = {name: value.strip() for name, value in environ.items() if value.strip()}
        instance = _instance(given.get("MAINSTEM_INSTANCE", "instance"))
        public_url = _public_url(given.get("PUBLIC_URL", "http://127.0.0.1:8000"))
        return cls(
            database_url=_database_url(given.get("DATABASE_URL"), instance),
            redis_url=_redis_url(given.get("REDIS_URL")),
            secret_key=given.get("SECRET_KEY") or _kept("SECRET_KEY", instance / "secret_key", secrets.token_urlsafe),
            encryption_keys=_encryption_keys(given.get("ENCRYPTION_KEYS"), instance / "encryption_keys"),
            public_url=public_url,
            smtp_url=_smtp_url(given.get("SMTP_URL")),
            instance=instance,
            lease_seconds=_lease_seconds(given.get("MAINSTEM_LEASE_SECONDS", "90")),
            mail_from=_mail_from(given.get("MAIL_FROM"), public_url),
        )


def _lease_seconds(value: str) -> float:
    try:
        seconds = float(value)
    except ValueError:
        seconds = 0.0
    if not 1 <= seconds <= 3600:
        raise ConfigError("MAINSTEM_LEASE_SECONDS: not a number from 1 to 3600; leave it out for 90")
    return seconds


def _instance(value: str) -> Path:
    folder = Path(value).expanduser().absolute()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"MAINSTEM_INSTANCE: cannot make {folder} ({error.strerror}); name another folder") from None
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        raise ConfigError(f"MAINSTEM_INSTANCE: cannot write to {folder}; give this user access or name another folder")
    return folder


def _database_url(value: str | None, instance: Path) -> str:
    if value is None:
        return f"sqlite:///{instance / 'mainstem.sqlite3'}"
    mend = "write postgresql+psycopg://user:password@host:5432/name or sqlite:////absolute/path"
    try:
        url = make_url(value)
    except (ArgumentError, ValueError):
        raise ConfigError(f"DATABASE_URL: not a database URL; {mend}") from None
    if url.drivername == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
    if url.drivername not in ("postgresql+psycopg", "sqlite", "sqlite+pysqlite"):
        raise ConfigError(f"DATABASE_URL: {url.drivername} is not supported; {mend}")
    if url.get_backend_name() == "sqlite" and url.database in (None, "", ":memory:"):
        raise ConfigError("DATABASE_URL: processes cannot share SQLite in memory; write sqlite:////absolute/path")
    return url.render_as_string(hide_password=False)


def _redis_url(value: str | None) -> str | None:
    if value is None:
        return None
    mend = "write redis://host:6379/0, rediss://… or unix:///path/to/socket"
    url = _split("REDIS_URL", value, ("redis", "rediss", "unix"), mend)
    if not (url.path if url.scheme == "unix" else url.hostname):
        raise ConfigError(f"REDIS_URL: names no server; {mend}")
    return value


def _public_url(value: str) -> str:
    mend = "write the address that browsers use, such as https://cdp.example.com"
    url = _split("PUBLIC_URL", value, ("http", "https"), mend)
    if not url.hostname or url.query or url.fragment:
        raise ConfigError(f"PUBLIC_URL: needs a host and no query; {mend}")
    return value.rstrip("/")


def _smtp_url(value: str | None) -> str | None:
    if value is None:
        return None
    mend = "write smtp://user:password@host:587 or smtps://user:password@host:465"
    if not _split("SMTP_URL", value, ("smtp", "smtps"), mend).hostname:
        raise ConfigError(f"SMTP_URL: names no host; {mend}")
    return value


def _mail_from(value: str | None, public_url: str) -> str:
    if value is None:
        host = urlsplit(public_url).hostname or ""
        return f"mainstem@{host if any(char.isalpha() for char in host) else 'localhost'}"
    _, address = parseaddr(value)
    if not all(address.rpartition("@")[::2]) or not value.isprintable():
        raise ConfigError("MAIL_FROM: not an email address; write it as Mainstem <mainstem@example.com>")
    return value


def _split(name: str, value: str, schemes: tuple[str, ...], mend: str) -> SplitResult:
    """Split the URL in the variable ``name``; the message of an error never repeats it, as it may hold a password."""
    try:
        url = urlsplit(value)
        _ = url.port  # raises if it is no number
    except ValueError:
        raise ConfigError(f"{name}: not a URL; {mend}") from None
    if url.scheme not in schemes:
        raise ConfigError(f"{name}: must begin with {' or '.join(f'{scheme}://' for scheme in schemes)}; {mend}")
    return url


def _encryption_keys(value: str | None, file: Path) -> tuple[str, ...]:
    text = value or _kept("ENCRYPTION_KEYS", file, lambda: Fernet.generate_key().decode())
    where = "" if value else f" in {file}"
    keys = tuple(key.strip() for key in text.split(",") if key.strip())
    for number, key in enumerate(keys, 1):
        try:
            Fernet(key)
        except ValueError:
            raise ConfigError(
                f"ENCRYPTION_KEYS: key {number}{where} is not a Fernet key; make one by python -c "
                "'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())'"
            ) from None
    if not keys:
        raise ConfigError("ENCRYPTION_KEYS: holds no key; leave it out or list Fernet keys, newest first")
    return keys


def _kept(name: str, file: Path, make: Callable[[], str]) -> str:
    """Return the text of ``file``, made once by ``make``; of processes that race, all get the winner's."""
    try:
        if not file.exists():
            _create(file, make())
        text = file.read_text().strip()
    except OSError as error:
        raise ConfigError(f"{name}: cannot keep it in {file} ({error.strerror}); set {name} instead") from None
    if not text:
        raise ConfigError(f"{name}: {file} is empty; restore it from a backup, or remove it for a new one")
    return text


def _create(file: Path, text: str) -> None:
    """Write a file that only its owner may read, whole or not at all; leaves an existing one alone."""
    handle, draft = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}-")  # mode 600
    try:
        with os.fdopen(handle, "w") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(handle)
        # Unlike a rename, a link fails if the file is there.
        os.link(draft, file)
    except FileExistsError:
        pass
    finally:
        Path(draft).unlink()
