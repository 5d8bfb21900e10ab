"""What goes wrong outside is told in one line that names the mend, with exit code 1 and no traceback."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from alembic.util.exc import CommandError

from core.cli.errors import explain, first_line
from core.host import Host, PluginConfigError
from tests.cli.conftest import Cli
from tests.cli.shop import Shop


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("DATABASE_URL", "nonsense"),
        ("DATABASE_URL", "mysql://host/db"),
        ("REDIS_URL", "http://host"),
        ("ENCRYPTION_KEYS", "short"),
        ("PUBLIC_URL", "cdp.example.com"),
        ("SMTP_URL", "mail"),
        ("MAINSTEM_INSTANCE", "/dev/null/folder"),
    ],
)
@pytest.mark.parametrize("command", [["init"], ["sources"], ["export", "people"], ["plugins"]], ids=" ".join)
def test_a_malformed_setting_is_named(cli: Cli, command: list[str], variable: str, value: str):
    cli.environ[variable] = value
    assert cli.error(*command).startswith(f"{variable}: ")


@pytest.mark.parametrize("command", [["init"], ["sources"], ["export", "people"], ["users"]], ids=" ".join)
def test_a_database_out_of_reach_is_named_without_its_password(cli: Cli, command: list[str]):
    cli.environ["DATABASE_URL"] = "postgresql+psycopg://ann:hush@127.0.0.1:1/cdp"
    told = cli.error(*command)
    assert told.startswith("DATABASE_URL: cannot use postgresql+psycopg://ann:***@127.0.0.1:1/cdp (connection failed")
    assert told.endswith("check that the database runs and that the URL is right")
    assert "hush" not in told


def test_a_sqlite_file_that_cannot_be_opened_is_named(cli: Cli, tmp_path: Path):
    cli.environ["DATABASE_URL"] = f"sqlite:///{tmp_path}/no/such/folder/file.sqlite3"
    assert "unable to open database file" in cli.error("sources")


@pytest.mark.parametrize(
    "command", [["sources"], ["sources", "sync", "1"], ["export", "teams"], ["worker"], ["serve"]], ids=" ".join
)
def test_a_database_without_tables_asks_for_init(cli: Cli, tmp_path: Path, command: list[str]):
    cli.environ["DATABASE_URL"] = f"sqlite:///{tmp_path}/new.sqlite3"
    assert cli.error(*command) == "The database lacks tables of this version: run mainstem init"


@pytest.mark.parametrize(
    "command", [["sources", "sync", "1"], ["sources", "sync", "1", "--wait"], ["worker"]], ids=" ".join
)
def test_a_redis_out_of_reach_is_named(connected: Cli, command: list[str]):
    connected.environ["REDIS_URL"] = "redis://:hush@127.0.0.1:1/0"
    told = connected.error(*command)
    assert told.startswith("REDIS_URL: cannot use Redis (")
    assert "hush" not in told


def test_an_unknown_plugin_is_answered_with_the_known_ones(cli: Cli, config: str):
    assert cli.error("sources", "connect", "stall", "--config", config) == "unknown plugin 'stall': known are shop"
    assert cli.error("sandbox", "stall") == "unknown plugin 'stall': known are shop"


def test_a_plugin_without_sandbox_says_so(cli: Cli):
    from core.contract.example import Shop as BareShop

    cli.host = Host([BareShop()])
    assert cli.error("sandbox", "shop") == "Plugin 'shop' has no sandbox"
    assert cli.error("demo").startswith("No installed plugin has a sandbox")
    cli.host = Host([Shop()])
    assert cli.error("sandbox", "shop", "--faults", "rain").endswith("faults: the shop has none")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b'{"name": "Corner",\n  "credentials": {,}}', "{file}, line 2, column 19: Expecting property name"),
        (b"", "{file}, line 1, column 1: Expecting value"),
        (b"\xff\xfe", "{file}: is not UTF-8 text"),
        (b"[]", "the configuration must be a JSON object"),
        (b'{"credentials": {"key": "open"}, "colour": 1}', "colour: unknown key; allowed: "),
        (b'{"credentials": {"key": "open"}, "merge": {"strategy": "win"}}', "merge.strategy: "),
        (b'{"credentials": {"key": "open"}, "objects": {"cat": "all"}}', "objects.cat: unknown; allowed: customer"),
        (b'{"credentials": {"key": "shut"}}', "key: The shop refused this key"),
        (b'{"credentials": {"lock": "open"}}', "credentials.lock: unknown; allowed: key"),
    ],
)
def test_a_wrong_config_is_told_and_nothing_is_saved(cli: Cli, tmp_path: Path, text: bytes, told: str):
    file = tmp_path / "wrong.json"
    file.write_bytes(text)
    assert cli.error("sources", "connect", "shop", "--config", str(file)).startswith(told.format(file=file))
    assert cli.json("sources") == []


def test_a_config_that_may_not_be_read_is_told(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    file = tmp_path / "config.json"
    file.write_text("{}")

    read = Path.read_text

    def refuse(self: Path, encoding: str | None = None) -> str:
        if self == file:
            raise PermissionError(13, "Permission denied")
        return read(self, encoding)

    monkeypatch.setattr(Path, "read_text", refuse)
    assert (
        cli.error("sources", "connect", "shop", "--config", str(file)) == f"{file}: cannot be read (Permission denied)"
    )


def test_a_config_may_come_from_standard_input(cli: Cli):
    given = json.dumps({"credentials": {"key": "open"}})
    assert json.loads(cli("sources", "connect", "shop", "--config", "-", stdin=given).stdout)["id"] == 1
    told = cli.error("sources", "connect", "shop", "--config", "-", stdin="{")
    assert told.startswith("standard input, line 1, column 2: ")


def test_the_variables_that_choose_plugins_are_checked(cli: Cli):
    cli.host = None  # type: ignore[assignment]  # the installed ones
    cli.environ["MAINSTEM_SAFE_MODE"] = "perhaps"
    assert cli.error("plugins") == "MAINSTEM_SAFE_MODE must be 1 or 0"


def test_a_plugins_malformed_variable_is_named(cli: Cli, config: str):
    cli.environ["SHOP_URL"] = "nowhere"
    assert cli.error("sources", "connect", "shop", "--config", config).startswith("SHOP_URL is not a URL")


@pytest.mark.parametrize(
    "command",
    [
        *(["sources", verb, "7"] for verb in ("show", "disconnect", "reconnect", "archive", "restore", "delete")),
        ["sources", "rename", "7", "Other"],
        ["sources", "sync", "7", "--inline"],
    ],
    ids=" ".join,
)
def test_an_unknown_data_source_is_told(cli: Cli, command: list[str]):
    assert cli.error(*command).startswith("There is no data source 7")


def test_a_busy_port_is_told(cli: Cli):
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for command in (["serve", "--port", port], ["sandbox", "shop", "--port", port]):
            assert cli.error(*command).startswith(f"Cannot listen on 127.0.0.1:{port} (Address already in use)")


def test_what_nobody_foresaw_is_not_explained_away():
    assert explain(KeyError("a bug")) is None


def test_errors_without_words_are_named_by_kind():
    assert explain(PluginConfigError("X must be 1")) == "X must be 1"
    assert first_line(ConnectionResetError()) == "ConnectionResetError"
    assert first_line(OSError("one\ntwo")) == "one"
    assert (explain(CommandError("Can't locate revision identified by '9'")) or "").startswith("The database cannot be")
