from __future__ import annotations

import json

import pytest

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
    assert "depot reaches no tier: 1 broken rules" in result.stdout
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
