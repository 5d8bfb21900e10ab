from __future__ import annotations

import json

import pytest

from core.cli import plugins
from core.host import Host
from tests.cli.conftest import Cli
from tests.kit import depot
from tests.kit.sabotaged import SABOTAGED


@pytest.fixture
def depots(cli: Cli) -> Cli:
    cli.host = Host([depot.plugin])
    return cli


def test_a_check_prints_each_rule_and_its_tier_is_shown_from_then_on(depots: Cli):
    assert depots.json("plugins")[0]["tier"] is None
    text = depots("plugins", "check", "depot").stdout
    assert "✓ needed     resumable\n" in text
    assert text.splitlines()[-1].startswith("depot reaches tier excellent: no broken rules")
    assert depots.json("plugins", "list")[0]["tier"] == "excellent"
    assert "excellent" in depots("plugins").stdout


def test_a_check_that_fails_exits_with_1_and_says_why(cli: Cli):
    cli.host = Host([SABOTAGED["same_account"]()])
    result = cli("plugins", "check", "depot", code=1)
    assert "✗ needed     same_account: remote_id was 'depot-1' and then" in result.stdout
    assert "depot reaches no tier: 1 broken rule," in result.stdout
    assert cli.json("plugins")[0]["tier"] == "none"


def test_a_lower_tier_is_no_failure_and_an_exemption_has_a_reason(cli: Cli):
    cli.host = Host([SABOTAGED["icon"]()])
    assert cli.json("plugins", "check", "depot")["tier"] == "needed"
    exempted = cli.json("plugins", "check", "depot", "--exempt", "icon=the vendor forbids it")
    assert exempted["tier"] == "excellent"
    assert {"rule": "icon", "tier": "good", "status": "exempt", "detail": "the vendor forbids it"} in exempted["rules"]


@pytest.mark.parametrize("exemption", ["icon", "icon=", "icons=because"])
def test_a_malformed_exemption_is_refused(depots: Cli, exemption: str):
    assert "exempt" in depots("plugins", "check", "depot", "--exempt", exemption, code=2).stderr


def test_an_unknown_plugin_cannot_be_checked(depots: Cli):
    assert "unknown plugin 'crm'" in depots.error("plugins", "check", "crm")


def test_new_writes_a_package(cli: Cli, tmp_path):
    folder = tmp_path / "new"
    told = json.loads(
        cli("plugins", "new", "crm", "--dir", str(folder), "--objects", "people,articles", "--json").stdout
    )
    assert told["name"] == "crm"
    assert "src/mainstem_crm/plugin.py" in told["files"]
    assert all((folder / file).exists() for file in told["files"])
    assert "is in use" in cli.error("plugins", "new", "crm", "--dir", str(folder))
    assert "no plugin name" in cli.error("plugins", "new", "C R M", "--dir", str(tmp_path / "other"))


def test_new_asks_at_a_terminal_until_the_answers_are_choices(cli: Cli, tmp_path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(plugins, "at_terminal", lambda: True)
    folder = tmp_path / "new"
    answers = "basic\noauth\n\npeople, deals\npeople, articles\ny\n"
    told = cli("plugins", "new", "crm", "--dir", str(folder), stdin=answers)
    assert "'basic' is not one of 'token', 'oauth'" in told.output
    assert "choose among people, organizations, conversations, articles" in told.output
    written = (folder / "src" / "mainstem_crm" / "plugin.py").read_text()
    wanted = ('auth="oauth"', "next_cursor", "class People", "class Articles", "webhooks=True")
    assert [part for part in wanted if part not in written] == []
    assert "class Organizations" not in written


@pytest.mark.parametrize("given", [("--auth", "token"), ("--no-webhooks",), ()])
def test_new_asks_nothing_where_flags_answer_or_nobody_is_there(
    cli: Cli, tmp_path, monkeypatch: pytest.MonkeyPatch, given: tuple[str, ...]
):
    monkeypatch.setattr(plugins, "at_terminal", lambda: bool(given))
    assert "?" not in cli("plugins", "new", "crm", "--dir", str(tmp_path / "new"), *given, stdin="").output


def test_new_says_what_is_wrong_before_it_asks(cli: Cli, tmp_path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(plugins, "at_terminal", lambda: True)
    assert "no plugin name" in cli.error("plugins", "new", "C R M", "--dir", str(tmp_path / "other"), stdin="")
