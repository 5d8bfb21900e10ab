"""Conditions in a vendor's words: what it has no words for makes them wider, never narrower."""

from __future__ import annotations

from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from core.contract.types import AllOf, AnyOf, Condition, Conditions
from plugins.base.selecting import MOST, Narrowed, Words, narrowed

KNOWN, VAGUE, UNKNOWN = "abc", "xy", "?"


def says(key: str) -> Condition:
    return Condition(key, "text", "has_value")


def translate(condition: Condition) -> Words[str] | None:
    """``x`` is told as "x or a", which is more than was asked for."""
    if condition.key in UNKNOWN:
        return None
    return Words((condition.key, "a"), exact=False) if condition.key in VAGUE else Words((condition.key,))


def put(conditions: Conditions) -> Narrowed[str]:
    return narrowed(conditions, translate)


def test_of_conditions_together_the_unknown_is_left_out_of_alternatives_it_leaves_nothing():
    a, b, unknown = says("a"), says("b"), says("?")
    assert put(AllOf((a, unknown, b))) == Narrowed((("a",), ("b",)), exact=False)
    assert put(AnyOf((a, unknown))) == Narrowed((), exact=False)
    assert put(AllOf((AnyOf((a, b)), a))) == Narrowed((("a", "b"), ("a",)), exact=True)
    assert put(AnyOf((AllOf((a, unknown)), b))) == Narrowed((("a", "b"),), exact=False)
    assert put(AnyOf((AllOf((a, b)), says("c")))) == Narrowed((("a", "c"), ("b", "c")), exact=True)
    assert put(AllOf(())) == Narrowed((), exact=True)


def test_what_has_no_room_is_left_out():
    words = Narrowed((("a", "b", "c"), ("a",), ("b",), ("a", "b")), exact=True)
    assert words.within(2, 3) == Narrowed((("a",), ("b",)), exact=False)
    assert words.within(9, 2) == Narrowed((("a",), ("b",), ("a", "b")), exact=False)
    assert words.within(4, 3).exact
    many = AnyOf(tuple(AllOf(tuple(says(f"a{i}{j}") for j in range(6))) for i in range(6)))
    found = narrowed(many, lambda condition: Words((condition.key,)))
    assert (len(found.clauses), found.exact) == (MOST, False)


def holds(conditions: Conditions, true: set[str]) -> bool:
    match conditions:
        case AllOf(of):
            return all(holds(each, true) for each in of)
        case AnyOf(of):
            return any(holds(each, true) for each in of)
    return conditions.key in true


TREES = st.recursive(
    st.sampled_from([*KNOWN, *VAGUE, *UNKNOWN]).map(says),
    lambda of: st.builds(lambda kind, of: kind(tuple(of)), st.sampled_from([AllOf, AnyOf]), st.lists(of, min_size=1)),
    max_leaves=12,
)


@given(conditions=TREES, clauses=st.integers(1, 4), parts=st.integers(1, 4))
def test_whatever_meets_the_conditions_meets_the_words(conditions: Conditions, clauses: int, parts: int):
    words = put(conditions).within(clauses, parts)
    names = (*KNOWN, *VAGUE, *UNKNOWN)
    for states in product([False, True], repeat=len(names)):
        true = {name for name, state in zip(names, states, strict=True) if state}
        met = all(not true.isdisjoint(clause) for clause in words.clauses)
        assert met or not holds(conditions, true)
        if words.exact:
            assert met == holds(conditions, true)
