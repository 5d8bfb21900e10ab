"""The table of topics says what the plugin does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from plugins.intercom.webhooks import GONE, ROSTER, objects_of
from tests.webhooks.topics import TOPICS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "webhooks.md"
ROW = re.compile(r"^\| (`.*?) \| (.*?) \|$", re.MULTILINE)


def table() -> dict[str, str]:
    found: dict[str, str] = {}
    for topics, done in ROW.findall(PAGE.read_text(encoding="utf-8")):
        for topic in re.findall(r"`([\w.]+)`", topics.partition(" (ticked as")[0].partition(" and all")[0]):
            assert topic not in found, f"{topic} is listed twice"
            found[topic] = done
    return found


def test_the_table_has_every_topic_and_no_other():
    assert set(table()) == set(TOPICS)


@pytest.mark.parametrize("topic", TOPICS)
def test_the_table_says_what_is_done(topic: str):
    done = table()[topic]
    again = re.match(r"read again: ([a-z, ]+?)(?:, and |;|$)", done)
    assert tuple(again[1].split(", ") if again else ()) == objects_of(topic)
    assert done.endswith("; gone") == (topic in GONE)
    assert done.startswith("all users and teams") == (topic in ROSTER)
    if not again and topic not in ROSTER and topic != "ping":
        assert done.startswith("ignored: ")


def test_topics_that_are_not_listed():
    assert objects_of("contact.something.new") == ("contact",)
    assert objects_of("something.new") == ()
    assert objects_of("") == ()
