from __future__ import annotations

from datetime import UTC, datetime

import pytest
from marshmallow import ValidationError

from core.contract.types import Record, Refusal
from plugins.base.mapping import (
    html_to_text,
    map_each,
    moment,
    own_id,
    record,
    remote_id,
    split_name,
    text,
    translations,
)


def test_one_bad_payload_harms_no_other():
    def mapper(payload):
        if payload["id"] == 2:
            raise ValidationError("email: must be text")
        return Record("customer", own_id(payload), updated_at=moment(payload["at"], "at"))

    payloads = [
        {"id": 1, "at": 0},
        {"id": 2, "at": 0},
        {"id": "3"},
        {"at": 1},
        {"id": "5", "at": "never"},
        None,
        {"id": []},
    ]
    first, *rest = map_each("customer", payloads, mapper)
    assert first == Record("customer", "1", updated_at=datetime(1970, 1, 1, tzinfo=UTC))
    assert rest == [
        Refusal("customer", "2", "email: must be text", payloads[1]),
        Refusal("customer", "3", "at: missing", payloads[2]),
        Refusal("customer", "", "id: missing", payloads[3]),
        Refusal("customer", "5", "at: must be unix seconds or ISO 8601, not 'never'", payloads[4]),
        Refusal("customer", "", "must be an object", None),
        Refusal("customer", "", "id: must be text or a whole number, not list", payloads[6]),
    ]


def test_a_payload_of_another_shape_is_refused_in_words():
    payload = {"id": "1", "parts": [None]}
    (refusal,) = map_each("customer", [payload], lambda row: row["parts"][0].get("id"))
    reason = "something in it has another shape than was agreed ('NoneType' object has no attribute 'get')"
    assert refusal == Refusal("customer", "1", reason, payload)


@pytest.mark.parametrize("value", [1764000000, 1764000000.0, "2025-11-24T16:00:00Z", "2025-11-24T17:00:00+01:00",
                                   "2025-11-24T16:00:00"])  # fmt: skip
def test_moment(value):
    assert moment(value) == datetime(2025, 11, 24, 16, tzinfo=UTC)


def test_moment_of_nothing():
    assert moment(None) is None
    assert moment("") is None


@pytest.mark.parametrize("value", [True, "soon", [1], {}, 10**20, float("nan")])
def test_no_moment(value):
    with pytest.raises(ValueError, match="seen_at: must be unix seconds or ISO 8601"):
        moment(value, "seen_at")


def test_remote_id():
    ids: list[object] = [17, "17", 0, "0", None, ""]
    assert [remote_id(value) for value in ids] == ["17", "17", None, None, None, None]
    bad: list[object] = [True, 1.5, {}]
    for value in bad:
        with pytest.raises(ValueError, match="id: must be text or a whole number"):
            remote_id(value)


@pytest.mark.parametrize("payload", [{}, {"id": None}, {"id": 0}])
def test_a_payload_without_its_id(payload):
    with pytest.raises(KeyError, match="id"):
        own_id(payload)


def test_text():
    values: list[object] = ["  a ", "", " ", None, 7, True, False, {}, []]
    assert [text(value) for value in values] == [
        "a", None, None, None, "7", "true", "false", None, None
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("plain  text", "plain text"),
        ("<p>One</p><p>Two<br>Three</p>", "One\nTwo\nThree"),
        ("a &amp; b &lt;c&gt;", "a & b <c>"),
        ("<p>see <a href='https://x.example/?a=1&b=2'>this</a></p>", "see this"),
        ("<style>p{}</style><script>if (a < b) x()</script>Hi", "Hi"),
        ("<ul><li>one</li><li>two</li></ul>", "one\ntwo"),
        ("<p></p>", None),
        ("", None),
        (None, None),
        (5, None),
        ("</script>after", "after"),
        ("<!-- no --><p title='a > b'>日本</p>", "日本"),
    ],
)
def test_html_to_text(html, expected):
    assert html_to_text(html) == expected


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("Mia Berg", ("Mia", "Berg")),
        ("  Mia   Berg ", ("Mia", "Berg")),
        ("Berg, Mia", ("Mia", "Berg")),
        ("Mia", ("Mia", None)),
        ("Ludwig van Beethoven", ("Ludwig", "van Beethoven")),
        ("山田 太郎", ("山田", "太郎")),
        ("", (None, None)),
        (None, (None, None)),
    ],
)
def test_names(name, parts):
    assert split_name(name) == parts


def test_html_to_text_is_bounded():
    assert html_to_text("<p>" + "x" * 50 + "</p>", limit=10) == "x" * 10


def test_a_record_of_what_most_payloads_have():
    payload = {"id": 7, "updated_at": 1_700_000_000, "created_at": None}
    made = record("customer", payload, values={"email": "a@example.com"})
    assert (made.object, made.remote_id, made.created_at, made.payload) == ("customer", "7", None, payload)
    assert made.updated_at == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
    assert record("customer", payload, remote_id="c:7").remote_id == "c:7"
    with pytest.raises(ValueError, match="updated_at"):
        record("customer", {**payload, "updated_at": "soon"})


def test_translations_by_locale_leave_out_what_is_missing():
    texts: list[tuple[str, dict[str, object]]] = [
        ("de", {"title": "Hallo", "html": None}),
        ("fr", {"html": "<p>Oui</p>", "draft": True}),
    ]
    assert translations(texts, {"title": "title", "body": "html"}) == {
        "de": {"title": "Hallo"},
        "fr": {"body": "<p>Oui</p>"},
    }
