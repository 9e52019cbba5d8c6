"""Schemas of a tenant's own event types: small, their own, and kept to."""

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
