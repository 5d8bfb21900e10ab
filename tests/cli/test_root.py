"""The command as a whole: its help, its options, its promises to scripts."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import click
import pytest

from core.cli import main
from core.cli.root import COMMANDS
from tests.cli.conftest import ROOT, Cli


def commands(
    command: click.Command = main, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    if path:
        yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found
            yield from commands(found, (*path, name))


ALL = dict(commands())


def test_help_lists_every_command_with_its_summary(cli: Cli):
    text = " ".join(cli("--help").stdout.split())
    for name, summary in COMMANDS.items():
        assert f"{name} {summary}" in text


def test_help_comes_at_once_since_it_loads_nothing_else():
    heavy = "{'sqlalchemy', 'alembic', 'redis', 'rq', 'rich', 'flask', 'gunicorn', 'structlog', 'requests'}"
    code = (
        "import sys; from core.cli import main; main(['--help'], standalone_mode=False);"
        f"print({heavy} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.splitlines()[-1] == "set()"


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_every_command_takes_json_and_explains_itself(cli: Cli, path: tuple[str, ...]):
    text = cli(*path, "--help").stdout
    assert "--json" in text
    assert ALL[path].help


def test_the_commands_are_those_that_scripts_know():
    assert set(ALL) >= {
        *((name,) for name in ("init", "demo", "serve", "worker", "sandbox", "plugins", "export", "doctor")),
        *(("sources", name) for name in ("list", "connect", "sync", "show", "rename", "disconnect", "reconnect")),
        *(("sources", name) for name in ("archive", "restore", "delete")),
        ("users", "list"),
        ("users", "add"),
        ("users", "password"),
    }


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nonsense"], "No such command 'nonsense'"),
        (["sources", "sync"], "Missing argument 'ID'"),
        (["sources", "sync", "one"], "'one' is not a valid integer"),
        (["sources", "sync", "1", "--wait", "--inline"], "give one of them"),
        (["sources", "connect", "shop"], "Missing option '--config'"),
        (["sources", "connect", "shop", "--config", "/no/such.json"], "'/no/such.json' does not exist"),
        (["export", "cats"], "'cats' is not one of 'people', 'organizations'"),
        (["export", "people", "--format", "xml"], "'xml' is not one of"),
        (["users", "add", "a@b.co", "--role", "king"], "'king' is not one of 'owner', 'admin'"),
        (["worker", "-n", "0"], "0 is not in the range"),
        (["serve", "--port", "70000"], "70000 is not in the range"),
    ],
)
def test_wrong_usage_exits_with_2_and_says_what_is_wrong(cli: Cli, arguments: list[str], said: str):
    assert said in " ".join(cli(*arguments, code=2).stderr.split())


def test_plugins_are_listed_with_state_version_and_reason(cli: Cli):
    from core.host import Host
    from tests.cli.shop import Shop

    class Broken:
        manifest = "none"

    cli.host = Host([Shop(), Broken()])
    reports = {report["name"]: report for report in cli.json("plugins")}
    assert reports["shop"]["state"] == "loaded"
    assert reports["Broken"]["state"] == "broken"
    assert "manifest must be of type Manifest" in reports["Broken"]["reason"]
    assert "manifest must be of type Manifest" in cli("plugins").stdout
    cli.host = Host([])
    assert "No plugin is installed" in cli("plugins").stdout


def test_init_migrates_once_and_may_be_repeated(cli: Cli, tmp_path):
    cli.environ["DATABASE_URL"] = f"sqlite:///{tmp_path / 'new.sqlite3'}"
    assert cli.json("init") == {"database": cli.environ["DATABASE_URL"], "migrated": True}
    assert cli.json("init") == {"database": cli.environ["DATABASE_URL"], "migrated": False}
    assert "nothing to do" in cli("init").stdout
    assert cli.json("sources") == []


def test_users_are_added_with_a_password_that_is_shown_once(cli: Cli):
    from core.services.mainstem import Mainstem
    from core.services.users import authenticate

    assert "No users yet" in cli("users").stdout
    made = cli.json("users", "add", "ann@example.com", "--role", "owner", "--name", "Ann")
    told = cli("users", "add", "bob@example.com", "--role", "agent", "--password", "correct horse").stdout
    assert "correct horse" not in told
    assert "password" not in told
    mainstem = Mainstem.open(cli.environ, host=cli.host)
    assert authenticate(mainstem, "ann@example.com", made["password"])
    assert authenticate(mainstem, "bob@example.com", "correct horse")
    mainstem.engine.dispose()
    assert [(user["email"], user["role"]) for user in cli.json("users")] == [
        ("bob@example.com", "agent"),
        ("ann@example.com", "owner"),
    ]
    assert cli("users", "list").stdout == cli("users").stdout


def test_a_user_gets_another_password_that_is_shown_once(cli: Cli):
    from core.services.mainstem import Mainstem
    from core.services.users import authenticate

    cli("users", "add", "ann@example.com", "--role", "owner", "--password", "correct horse")
    made = cli.json("users", "password", "Ann@example.com")["password"]
    mainstem = Mainstem.open(cli.environ, host=cli.host)
    assert authenticate(mainstem, "ann@example.com", made)
    assert not authenticate(mainstem, "ann@example.com", "correct horse")
    mainstem.engine.dispose()
    assert cli.error("users", "password", "bob@example.com").startswith(
        "There is no user with the email bob@example.com"
    )
    assert "already a user" in cli.error("users", "add", "ann@example.com", "--role", "admin")
    assert "needs at least 10" in cli.error("users", "add", "c@example.com", "--role", "admin", "--password", "short")
