from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from core.web import formats


@pytest.mark.parametrize(
    ("name", "letters"),
    [
        ("Ann Lee", "AL"),
        ("Ann Maria van der Lee", "AL"),
        ("Élodie", "É"),
        ("ann.lee@example.com", "AL"),
        ("ann@example.com", "A"),
        ("+49 30", "3"),
        ("", "?"),
    ],
)
def test_initials(name: str, letters: str):
    assert formats.initials(name) == letters


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.2, "under 1 s"),
        (59.6, "1 min"),
        (65, "1 min 5 s"),
        (3600, "1 h"),
        (90_061, "1 d 1 h"),
        (86_400 * 1500, "1,500 d"),
    ],
)
def test_durations(seconds: float, words: str):
    assert formats.duration(seconds) == words


@pytest.mark.parametrize(
    ("value", "type", "shown"),
    [
        (None, "text", "–"),
        ([], "list", "–"),
        (0, "integer", "0"),
        (False, "boolean", "No"),
        (2026, "integer", "2026"),
        (1456, "integer", "1,456"),
        (-12345, "integer", "-12,345"),
        (3499.33, "decimal", "3,499.33"),
        (20.0, "decimal", "20"),
        (12345.5, "decimal", "12,345.5"),
        ("2026-11-03", "date", "3 Nov 2026"),
        ("soon", "date", "soon"),
        ({"a": "é"}, "text", "<code>{&#34;a&#34;: &#34;é&#34;}</code>"),
        (["<b>"], "list", '<span class="chip">&lt;b&gt;</span>'),
        ("javascript:alert(1)", "text", "javascript:alert(1)"),
        (
            'https://x.example/"onclick',
            "text",
            (
                '<a href="https://x.example/&#34;onclick" rel="noopener noreferrer nofollow" target="_blank">'
                "https://x.example/&#34;onclick</a>"
            ),
        ),
    ],
)
def test_values_are_shown_by_their_type(value: object, type: str, shown: str):
    assert formats.value(value, type) == shown


def test_a_moment_is_shown_in_utc_until_the_browser_rewrites_it():
    moment = datetime(2026, 11, 3, 1, 5, tzinfo=timezone(timedelta(hours=9)))
    assert formats.when(moment) == (
        '<time datetime="2026-11-02T16:05:00+00:00" data-format="datetime">2 Nov 2026, 16:05 UTC</time>'
    )
    assert ">2 Nov 2026<" in formats.when(moment.astimezone(UTC), "date")


def test_bars_fill_the_height_and_show_the_smallest():
    assert formats.bars([0, 1, 500, 1000], height=100) == [0.0, 2, 50.0, 100.0]
    assert formats.bars([]) == []
    assert formats.bars([0, 0]) == [0.0, 0.0]


def test_counts_beyond_the_limit_say_so():
    assert formats.limited(10_000, 10_000) == "10,000"
    assert formats.limited(10_001, 10_000) == "10,000+"
