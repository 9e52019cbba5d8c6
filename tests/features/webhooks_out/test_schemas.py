"""Schemas of a tenant's own event types: small, their own, and kept to."""

import time
from statistics import median
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.features.webhooks_out.errors import WrongEvent, WrongSchema
from isthmus.features.webhooks_out.model import check_data, check_schema

PAID = {
    "type": "object",
    "required": ["amount"],
    "properties": {
        "amount": {"type": "number", "minimum": 0},
        "lines": {"type": "array", "items": {"$ref": "#/$defs/line"}},
    },
    "$defs": {"line": {"type": "object", "required": ["sku"]}},
}
_DOUBLING: dict[str, Any] = {"allOf": [{"$ref": "#/$defs/a0"}]}
_DOUBLING["$defs"] = {f"a{n}": {"allOf": [{"$ref": f"#/$defs/a{n + 1}"}] * 2} for n in range(12)}


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        ({"type": "nonsense"}, "no JSON schema"),
        ({"properties": 3}, "no JSON schema"),
        ({"properties": {"a": {"pattern": "(a+)+$"}}}, "`pattern`"),
        ({"patternProperties": {"(a+)+$": {}}}, "`patternProperties`"),
        ({"$ref": "https://elsewhere.test/schema"}, "own `\\$defs`"),
        ({"$ref": "#"}, "own `\\$defs`"),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}}, "refers to itself"),
        (_DOUBLING, "more than 2000"),
        ({"description": "x" * 40_000}, "longer than"),
    ],
    ids=["type", "shape", "pattern", "pattern names", "remote", "root", "itself", "doubling", "long"],
)
def test_IN_05_a_schema_that_would_cost_or_reach_too_much_is_refused(schema: dict[str, Any], why: str) -> None:
    with pytest.raises(WrongSchema, match=why):
        check_schema(schema)


@pytest.mark.parametrize("pattern", ["^(a+)+$", "^(a|aa)+$", "^" + "a?" * 30 + "a" * 30 + "$"])
@pytest.mark.parametrize("place", ["pattern", "patternProperties"])
def test_IN_05_a_classic_pattern_in_a_schema_is_refused_in_five_milliseconds(place: str, pattern: str) -> None:
    schema = {"properties": {"a": {place: pattern if place == "pattern" else {pattern: {}}}}}
    taken = []
    for _ in range(5):
        began = time.thread_time()
        with pytest.raises(WrongSchema, match=f"`{place}`"):
            check_schema(schema)
        taken.append(time.thread_time() - began)
    assert median(taken) < 0.005


def test_data_keeps_to_its_schema_or_the_places_are_named() -> None:
    check_schema(PAID)
    check_data(PAID, {"amount": 3, "lines": [{"sku": "a"}]})
    check_data({}, {"anything": True})
    with pytest.raises(WrongEvent) as wrong:
        check_data(PAID, {"amount": -1, "lines": [{}], "card": "4242"})
    fields = wrong.value.details["fields"]
    assert [one["path"] for one in fields] == ["data.amount", "data.lines.0"]
    assert "minimum" in fields[0]["message"]
    assert "4242" not in str(fields)


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=20,
    )
)
def test_no_document_makes_the_check_fail_otherwise(document: Any) -> None:
    for schema in (document, {"properties": document}, {"$defs": document}):
        if isinstance(schema, dict):
            try:
                check_schema(schema)
            except WrongSchema:
                continue
            try:
                check_data(schema, {"a": document})
            except WrongEvent:
                continue


_OTHER_DRAFT = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "dependencies": {"a": {"properties": {"s": {"pattern": "^(a+)+$"}}}},
}


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        ({"properties": {"x": _OTHER_DRAFT}}, "cannot be used|may only stand"),
        ({"$schema": "http://json-schema.org/draft-07/schema#"}, "may only stand"),
        ({"properties": {"x": {"$schema": "https://json-schema.org/draft/2020-12/schema"}}}, "may only stand"),
        ({"dependencies": {"a": [{"n": n} for n in range(2_900)]}}, "`dependencies`"),
        ({"type": [{"n": n} for n in range(2_900)]}, "more than there are"),
    ],
    ids=["hidden pattern", "other draft", "inner draft", "pairs of dependencies", "pairs of types"],
)
def test_IN_05_another_drafts_words_bring_no_expression_and_no_pairs(schema: dict[str, Any], why: str) -> None:
    with pytest.raises(WrongSchema, match=why):
        check_schema(schema)


def test_IN_05_what_was_registered_when_more_was_allowed_is_not_run() -> None:
    with pytest.raises(WrongSchema):
        check_data({"properties": {"x": _OTHER_DRAFT}}, {"x": {"a": 1, "s": "a" * 60 + "b"}})


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"items": {"anyOf": [{"const": n} for n in range(1_700)]}}, list(range(5_000, 105_000))),
        ({"anyOf": [{"type": "null"}] * 1_800}, list(range(100_000))),
        ({"anyOf": [False] * 1_800}, list(range(100_000))),
        ({"items": {"enum": [{"a": n} for n in range(2_500)]}}, [{"a": -n} for n in range(50_000)]),
        ({"contains": True, "unevaluatedItems": False}, [1] * 250_000),
        ({"items": {"required": [f"a{n}" for n in range(3_000)]}}, [{}] * 200_000),
        ({"uniqueItems": True}, [{"a": n} for n in range(60_000)]),
    ],
    ids=["any of", "shown again and again", "refused", "enum", "unevaluated", "required", "unique"],
)
def test_IN_05_no_data_makes_a_schema_cost_more_than_its_budget(schema: dict[str, Any], value: Any) -> None:
    whole = {"properties": {"x": schema}}
    check_schema(whole)
    with pytest.raises(WrongEvent, match="too large to be held against"):
        check_data(whole, {"x": value})


def test_thousands_of_lines_are_within_the_budget() -> None:
    line = {"type": "object", "required": ["a", "b"], "properties": {name: {"type": "integer"} for name in "abcdef"}}
    schema = {"properties": {"lines": {"type": "array", "uniqueItems": True, "items": line}}}
    check_data(schema, {"lines": [dict.fromkeys("abcdef", n) for n in range(1_000)]})


@pytest.mark.parametrize(
    ("schema", "value", "kept"),
    [
        ({"uniqueItems": True}, [1, True, "1", None, [1], {"a": 1}, 10**400, 1e300], True),
        ({"uniqueItems": True}, [1, 1.0], False),
        ({"uniqueItems": True}, [{"a": 1, "b": 2}, {"b": 2, "a": 1}], False),
        ({"uniqueItems": False}, [1, 1], True),
        ({"multipleOf": 0.1}, 0.3, True),
        ({"multipleOf": 0.01}, 19.99, True),
        ({"multipleOf": 0.1}, 0.35, False),
        ({"multipleOf": 0.1}, 10**400, True),
        ({"multipleOf": 7}, 1e300, False),
        ({"multipleOf": 2}, "text", True),
    ],
)
def test_members_and_multiples_are_told_by_their_values(schema: dict[str, Any], value: Any, kept: bool) -> None:
    whole = {"properties": {"x": schema}}
    check_schema(whole)
    if kept:
        check_data(whole, {"x": value})
        return
    with pytest.raises(WrongEvent):
        check_data(whole, {"x": value})
