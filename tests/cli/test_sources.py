"""Data sources from the command line, from connecting to deleting."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
import redis
from rq import Queue

from core.db.bulk import table_of
from core.db.engine import make_engine, writing
from core.db.models import WebhookDelivery
from core.host import Host
from tests.cli.conftest import Cli
from tests.cli.shop import Shop

COUNTS = {"read", "created", "updated", "unchanged", "skipped", "rejected"}


def test_connecting_prints_the_new_data_source(cli: Cli, config: str):
    result = cli("sources", "connect", "shop", "--config", config)
    source = json.loads(result.stdout)
    assert (source["id"], source["state"], source["name"]) == (1, "connected", "Corner")
    assert "mainstem sources sync 1" in result.stderr
    assert "open" not in result.stdout.replace("opened", "")  # the key
    assert "already connected" in cli.error("sources", "connect", "shop", "--config", config)


def test_an_inline_sync_prints_its_summary_and_writes_nothing_the_second_time(connected: Cli):
    first = connected.json("sources", "sync", "1", "--inline")
    assert (first["run"], first["status"]) == (1, "succeeded")
    assert first["objects"]["customer"].keys() >= COUNTS
    assert (first["objects"]["customer"]["read"], first["objects"]["customer"]["created"]) == (3, 3)
    assert {"requests", "seconds"} <= first.keys()
    second = connected.json("sources", "sync", "1", "--inline")
    assert (second["objects"]["customer"]["unchanged"], second["objects"]["customer"]["created"]) == (3, 0)
    assert connected.json("sources", "sync", "1", "--inline", "--full")["run"] == 3
    assert len(connected("export", "people").stdout.splitlines()) == 3


def test_the_same_on_postgresql(cli: Cli, config: str, postgres_url: str):
    cli.environ["DATABASE_URL"] = postgres_url
    cli("sources", "connect", "shop", "--config", config)
    assert cli.json("sources", "sync", "1", "--inline")["objects"]["customer"]["created"] == 3
    assert cli.json("sources", "sync", "1", "--inline")["objects"]["customer"]["unchanged"] == 3
    assert len(cli.json("export", "people")) == 3


def test_progress_goes_to_standard_error_and_the_outcome_to_standard_output(connected: Cli):
    result = connected("sources", "sync", "1", "--inline")
    assert "run 1 running · customers" in result.stderr
    assert result.stdout.startswith("Run 1 succeeded in ")
    assert "Customers: 3/3, 3 created" in result.stdout


def test_a_sync_that_succeeds_in_part_exits_with_0(connected: Cli):
    connected.host = Host([Shop(refused=True)])
    summary = connected.json("sources", "sync", "1", "--inline")
    assert (summary["status"], summary["objects"]["customer"]["rejected"]) == ("partial", 2)


def test_a_failed_sync_exits_with_1_and_says_why(connected: Cli):
    connected.host = Host([Shop(closed=True)])
    result = connected("sources", "sync", "1", "--inline", "--json", code=1)
    assert json.loads(result.stdout)["status"] == "failed"
    assert "Error: run 1 failed: customer: The shop is closed for good" in result.stderr


def test_a_sync_is_queued_for_the_workers(connected: Cli, valkey_url: str):
    connected.environ["REDIS_URL"] = valkey_url
    result = connected("sources", "sync", "1", "--json")
    assert json.loads(result.stdout) == {"run": 1, "status": "queued"}
    assert "No worker is at work" in result.stderr
    assert "Queued as run 1" in connected("sources", "sync", "1").stdout  # the unfinished one


def test_the_list_tells_what_each_brought(connected: Cli):
    connected("sources", "sync", "1", "--inline")
    (source,) = connected.json("sources")
    assert (source["id"], source["people"], source["last_run"]) == (1, 3, {"run": 1, "status": "succeeded"})
    assert connected("sources", "list").stdout == connected("sources").stdout
    lines = connected("sources").stdout.splitlines()
    assert lines[0].split()[:4] == ["ID", "PLUGIN", "NAME", "STATE"]
    assert lines[1].split()[:4] == ["1", "shop", "Corner", "connected"]


def test_without_data_sources_the_list_says_what_to_do(cli: Cli):
    assert cli("sources").stdout == "No data sources yet: mainstem sources connect\n"
    assert cli.json("sources") == []


def test_one_is_shown_with_its_choices_and_last_run(connected: Cli):
    assert "No sync yet" in connected("sources", "show", "1").stdout
    assert connected.json("sources", "show", "1")["last_run"] is None
    connected("sources", "sync", "1", "--inline")
    shown = connected.json("sources", "show", "1")
    assert shown["config"] == {"name": "Corner"}
    assert shown["last_run"]["objects"]["customer"]["created"] == 3
    assert "Run 1 succeeded" in connected("sources", "show", "1").stdout


def test_one_whose_plugin_is_gone_is_still_shown(connected: Cli):
    connected("sources", "sync", "1", "--inline")
    connected.host = Host([])
    assert connected.json("sources", "show", "1")["last_run"] is None
    assert connected.json("sources")[0]["plugin"] == "shop"
    assert connected.error("sources", "sync", "1", "--inline").startswith("unknown plugin 'shop'")


def test_the_life_cycle(connected: Cli, config: str):
    def state(*arguments: str) -> str:
        return str(connected.json("sources", *arguments)["state"])

    assert connected.json("sources", "rename", "1", "Market")["name"] == "Market"
    assert "disconnect and archive it first" in connected.error("sources", "delete", "1")
    assert state("disconnect", "1") == "disconnected"
    assert "reconnect it first" in connected.error("sources", "sync", "1", "--inline")
    assert state("reconnect", "1") == "connected"
    assert state("reconnect", "1", "--config", config) == "connected"
    assert state("disconnect", "1") == "disconnected"
    assert state("archive", "1") == "archived"
    assert state("restore", "1") == "disconnected"
    assert state("archive", "1") == "archived"
    assert connected("sources", "delete", "1").stdout == "Data source 1 is deleted\n"
    assert connected.json("sources") == []
    assert "Data source 1, Corner, is connected" not in connected("sources").stdout


def test_a_change_is_told_in_words(connected: Cli):
    assert connected("sources", "disconnect", "1").stdout == "Data source 1, Corner, is disconnected\n"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"credentials": {"key": "shut"}}, "key: The shop refused this key"),
        ({}, "holds no credentials"),
        ([], "holds no"),
    ],
)
def test_reconnecting_with_wrong_credentials_is_told(connected: Cli, tmp_path: Path, given: object, told: str):
    file = tmp_path / "new.json"
    file.write_text(json.dumps(given))
    assert told in connected.error("sources", "reconnect", "1", "--config", str(file))


def test_failed_webhooks_are_replayed(connected: Cli, valkey_url: str):
    connected.environ["REDIS_URL"] = valkey_url
    engine = make_engine(connected.environ["DATABASE_URL"])
    with writing(engine) as connection:
        connection.execute(
            table_of(WebhookDelivery)
            .insert()
            .values(source_id=1, dedupe_key="e1", topic="t", body={}, state="dead", received_at=datetime.now(UTC))
        )
    engine.dispose()
    assert connected.json("sources", "replay", "1") == {"id": 1, "replayed": 1}
    with redis.Redis.from_url(valkey_url) as client:
        assert [job.args for job in Queue("webhooks", connection=client).jobs] == [(1,)]
    assert connected("sources", "replay", "1").stdout == "0 webhooks of data source 1 are worked off again\n"
    assert connected.error("sources", "replay", "9") == "There is no data source 9: see mainstem sources"
