"""Settings: what the environment gives, what is made once, and what is refused with which mend."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from base64 import urlsafe_b64encode
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from core.config import ConfigError, Settings

# Fixed, as parallel test processes must collect the same parameters.
KEY = urlsafe_b64encode(b"k" * 32).decode()
OTHER_KEY = urlsafe_b64encode(b"o" * 32).decode()


def load(instance: Path, **variables: str) -> Settings:
    return Settings.load({"MAINSTEM_INSTANCE": str(instance), **variables})


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_an_empty_environment_gives_a_working_installation(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = Settings.load({})
    assert settings.instance == tmp_path / "instance"
    assert settings.database_url == f"sqlite:///{tmp_path}/instance/mainstem.sqlite3"
    assert settings.redis_url is None
    assert settings.smtp_url is None
    assert settings.public_url == "http://127.0.0.1:8000"
    assert len(settings.secret_key) >= 32
    (key,) = settings.encryption_keys
    assert Fernet(key).decrypt(Fernet(key).encrypt(b"kept")) == b"kept"


def test_made_keys_are_private_and_kept(tmp_path):
    instance = tmp_path / "new" / "instance"
    settings = load(instance)
    assert mode(instance) == 0o700
    assert {file.name: mode(file) for file in instance.iterdir()} == {"secret_key": 0o600, "encryption_keys": 0o600}
    assert load(instance) == settings


def test_given_values_are_taken_and_leave_no_files(tmp_path):
    settings = load(
        tmp_path,
        DATABASE_URL="postgresql+psycopg://me:secret@db/mainstem",
        REDIS_URL="rediss://:secret@cache:6380/1",
        SECRET_KEY="given",
        ENCRYPTION_KEYS=f"{KEY}, {OTHER_KEY}",
        PUBLIC_URL="https://cdp.example.com/",
        SMTP_URL="smtps://me:secret@mail:465",
    )
    assert settings == Settings(
        database_url="postgresql+psycopg://me:secret@db/mainstem",
        redis_url="rediss://:secret@cache:6380/1",
        secret_key="given",
        encryption_keys=(KEY, OTHER_KEY),
        public_url="https://cdp.example.com",
        smtp_url="smtps://me:secret@mail:465",
        mail_from="mainstem@cdp.example.com",
        instance=tmp_path,
    )
    assert list(tmp_path.iterdir()) == []


def test_an_empty_variable_counts_as_absent(tmp_path):
    assert load(tmp_path, REDIS_URL="", SMTP_URL=" ", DATABASE_URL="") == load(tmp_path)


def test_postgresql_without_a_driver_means_psycopg(tmp_path):
    assert load(tmp_path, DATABASE_URL="postgresql://db/x").database_url == "postgresql+psycopg://db/x"


def test_processes_that_start_at_once_agree_on_the_keys(tmp_path):
    script = (
        "import sys; from core.config import Settings; sys.stdin.readline(); "
        f"s = Settings.load({{'MAINSTEM_INSTANCE': {str(tmp_path)!r}}}); print(s.secret_key, *s.encryption_keys)"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    for process in processes:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = {process.communicate()[0] for process in processes}
    assert all(process.returncode == 0 for process in processes)
    assert len(answers) == 1
    assert {file.name for file in tmp_path.iterdir()} == {"secret_key", "encryption_keys"}


def test_repr_shows_no_secret(tmp_path):
    settings = load(
        tmp_path,
        DATABASE_URL="postgresql://me:hidden@db/x",
        REDIS_URL="redis://:hidden@cache/0",
        SECRET_KEY="hidden",
        ENCRYPTION_KEYS=KEY,
        SMTP_URL="smtp://me:hidden@mail",
    )
    assert "hidden" not in repr(settings)
    assert KEY not in repr(settings)
    assert "127.0.0.1:8000" in repr(settings)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("DATABASE_URL", "hidden", "not a database URL; write postgresql"),
        ("DATABASE_URL", "mysql://me:hidden@db/x", "mysql is not supported; write postgresql"),
        ("DATABASE_URL", "postgresql+psycopg2://me:hidden@db/x", r"postgresql\+psycopg2 is not supported"),
        ("DATABASE_URL", "postgresql://me:hidden@db:port/x", "not a database URL"),
        ("DATABASE_URL", "sqlite://", "cannot share SQLite in memory; write sqlite:////"),
        ("DATABASE_URL", "sqlite:///:memory:", "cannot share SQLite in memory"),
        ("REDIS_URL", "http://:hidden@cache", "must begin with redis:// or rediss:// or unix://"),
        ("REDIS_URL", "cache:6379", "must begin with"),
        ("REDIS_URL", "redis://:hidden@cache:port", "not a URL; write redis://host"),
        ("REDIS_URL", "redis://", "names no server"),
        ("REDIS_URL", "unix://", "names no server"),
        ("ENCRYPTION_KEYS", "hidden", "key 1 is not a Fernet key; make one by python -c"),
        ("ENCRYPTION_KEYS", f"{KEY},hidden", "key 2 is not a Fernet key"),
        ("ENCRYPTION_KEYS", ",", "holds no key"),
        ("PUBLIC_URL", "cdp.example.com", "must begin with http:// or https://"),
        ("PUBLIC_URL", "https://", "needs a host"),
        ("PUBLIC_URL", "https://host/?page=hidden", "no query"),
        ("SMTP_URL", "mail.example.com", "must begin with smtp:// or smtps://"),
        ("SMTP_URL", "smtp://", "names no host; write smtp://"),
        ("SMTP_URL", "smtp://me:hidden@mail:port", "not a URL"),
    ],
)
def test_a_malformed_value_is_refused_in_one_line(tmp_path, name: str, value: str, message: str):
    with pytest.raises(ConfigError, match=f"^{name}: .*{message}") as caught:
        load(tmp_path, **{name: value})
    assert "\n" not in str(caught.value)
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("name", ["SECRET_KEY", "ENCRYPTION_KEYS"])
def test_an_emptied_key_file_is_never_replaced(tmp_path, name: str):
    file = tmp_path / name.lower()
    load(tmp_path)
    file.write_text("")
    with pytest.raises(ConfigError, match=f"^{name}: {file} is empty; restore it"):
        load(tmp_path)


def test_a_damaged_encryption_key_is_found_with_its_file(tmp_path):
    (tmp_path / "encryption_keys").write_text("damaged")
    with pytest.raises(ConfigError, match=f"^ENCRYPTION_KEYS: key 1 in {tmp_path}/encryption_keys is not a Fernet key"):
        load(tmp_path)


def test_an_instance_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="^MAINSTEM_INSTANCE: cannot make .*; name another folder"):
        load(tmp_path / "file" / "instance")


def test_an_instance_folder_without_access_is_refused(tmp_path, monkeypatch):
    # Root may write anywhere, so the kernel's answer is given here.
    monkeypatch.setattr(os, "access", lambda path, wanted: not wanted & os.W_OK)
    with pytest.raises(ConfigError, match=f"^MAINSTEM_INSTANCE: cannot write to {tmp_path}; give"):
        load(tmp_path)


def test_a_key_that_cannot_be_kept_is_refused(tmp_path):
    (tmp_path / "secret_key").mkdir()
    with pytest.raises(ConfigError, match="^SECRET_KEY: cannot keep it in .*; set SECRET_KEY instead"):
        load(tmp_path)


def test_a_lease_has_a_length(tmp_path):
    assert load(tmp_path).lease_seconds == 90
    assert load(tmp_path, MAINSTEM_LEASE_SECONDS="2.5").lease_seconds == 2.5
    for wrong in ("soon", "0", "3601", "nan"):
        with pytest.raises(ConfigError, match="^MAINSTEM_LEASE_SECONDS: not a number from 1 to 3600; leave it out"):
            load(tmp_path, MAINSTEM_LEASE_SECONDS=wrong)
