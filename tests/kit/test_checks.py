"""The kit is tested too: each sabotaged plugin is caught by the rule meant for it, and by no other."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from marshmallow import Schema, fields

from core.contract.types import Redirect, Rejected
from core.kit.report import keep, kept, run_checks
from core.kit.rule import RULES, TIERS
from core.kit.testing import SourceContract
from tests.kit import depot
from tests.kit.sabotaged import SABOTAGED


class TestDepot(SourceContract):
    plugin = depot.plugin


def test_each_rule_has_its_sabotage():
    assert SABOTAGED.keys() == RULES.keys()


def test_each_rule_says_why_and_what_would_break_it():
    for rule in RULES.values():
        assert rule.title
        assert rule.reason, rule.key
        assert rule.breaks, rule.key
        assert rule.tier in TIERS
        assert set(rule.after) <= RULES.keys()


def test_a_correct_plugin_keeps_every_rule():
    report = run_checks(depot.plugin)
    assert [(r.rule.key, r.detail) for r in report.results if r.status != "kept"] == []
    assert report.tier == "excellent"


class Yard(Schema):
    yard = fields.String(metadata={"label": "Yard", "help": "Of the depot's address."})


class AsksFirst(depot.Depot):
    """Has nothing typed in but what it asks before consent."""

    manifest = replace(depot.Depot.manifest, auth="oauth", consent_asks=("yard",), credentials=Yard)

    def connect(self, account, answers):
        if answers == account.secrets:
            return super().connect(account, answers)
        if not answers.get("yard"):
            return Rejected({"yard": "Name your yard"})
        given = {key: value for key, value in answers.items() if key != "yard"}
        found = super().connect(account, given)
        return replace(found, keep={"yard": answers["yard"]}) if isinstance(found, Redirect) else found

    def sandbox(self, options):
        made = depot.Sandbox(options)
        made.credentials = {"yard": "north"}
        return made


def test_what_is_asked_before_consent_is_no_credential():
    report = run_checks(AsksFirst())
    assert [(r.rule.key, r.detail) for r in report.broken] == []
    assert {r.rule.key: r.status for r in report.results}["rejects"] == "not applicable"


@pytest.mark.parametrize("key", SABOTAGED)
def test_a_sabotaged_plugin_breaks_exactly_its_rule(key):
    report = run_checks(SABOTAGED[key]())
    assert [(r.rule.key, r.detail) for r in report.broken if r.rule.key != key] == []
    assert [r.rule.key for r in report.broken] == [key]
    below = {"needed": "none", "good": "needed", "excellent": "good"}
    assert report.tier == below[RULES[key].tier]


def test_an_exemption_needs_a_reason_and_is_shown():
    report = run_checks(SABOTAGED["icon"](), exempt={"icon": "the vendor forbids its use"})
    (result,) = [r for r in report.results if r.status == "exempt"]
    assert (result.rule.key, result.detail) == ("icon", "the vendor forbids its use")
    assert report.tier == "excellent"
    with pytest.raises(ValueError, match="no rule 'icons'"):
        run_checks(depot.plugin, exempt={"icons": "?"})
    with pytest.raises(ValueError, match="say why"):
        run_checks(depot.plugin, exempt={"icon": " "})


def test_a_report_is_kept(tmp_path):
    assert kept("depot", tmp_path) is None
    report = run_checks(SABOTAGED["icon"](), version="1.2")
    file = keep(report, tmp_path)
    assert file == tmp_path / "checks" / "depot.json"
    assert kept("depot", tmp_path) == json.loads(file.read_text()) == report.to_json()
    assert [rule["rule"] for rule in report.to_json()["rules"] if rule["status"] == "broken"] == ["icon"]
    assert [path.name for path in file.parent.iterdir()] == ["depot.json"]
