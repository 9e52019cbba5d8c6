"""What a widget shows."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.given import orders as given_orders
from tests.given import records

from isthmus.features.orders.model import Personal
from isthmus.features.widgets import model
from isthmus.kit.errors import Invalid

KNOWN = frozenset({"title", "size", "state", "open"})
ROWS: list[dict[str, Any]] = [
    {"title": "Red shirt", "size": 9, "state": "new", "open": True},
    {"title": "Blue shirt", "size": "10.0", "state": None, "open": False},
    {"title": "Hat", "size": None, "state": "old", "open": True},
]


@pytest.mark.parametrize(
    ("filters", "titles"),
    [
        ({"title": "Hat"}, ["Hat"]),
        ({"size": 10}, ["Blue shirt"]),
        ({"size": {"gt": 8}}, ["Red shirt", "Blue shirt"]),
        ({"size": {"gte": 9, "lt": 10}}, ["Red shirt"]),
        ({"state": None}, ["Blue shirt"]),
        ({"state": {"ne": "new"}}, ["Blue shirt", "Hat"]),
        ({"state": {"in": ["new", "old"]}}, ["Red shirt", "Hat"]),
        ({"title": {"contains": "SHIRT"}, "open": True}, ["Red shirt"]),
        ({"open": False}, ["Blue shirt"]),
        ({}, ["Red shirt", "Blue shirt", "Hat"]),
    ],
)
def test_filters_compare_as_they_say(filters: Any, titles: list[str]) -> None:
    tests = model.read_filters(json.dumps(filters), KNOWN)
    assert [row["title"] for row in model.matching(ROWS, tests)] == titles


@pytest.mark.parametrize(
    "filters",
    [
        "[]", "{", "null", '{"nothing": 1}', '{"size": {"like": 1}}', '{"size": {"in": 1}}', '{"size": [1]}',
        '{"size": {"gt": {"a": 1}}}', json.dumps({"title": "x" * 201}), "[" * 5000,
        json.dumps({f"f{n}": 1 for n in range(11)}),
    ],
)  # fmt: skip
def test_filters_that_mean_nothing_are_refused(filters: str) -> None:
    with pytest.raises(Invalid):
        model.read_filters(filters, KNOWN)


@pytest.mark.parametrize(
    "tree",
    [
        '{"$and": [' * 10_000,
        json.dumps({"$and": [{"title": "x"}]}),
        json.dumps({"title": {"eq": {"eq": {"eq": 1}}}}),
        json.dumps({"title;--": 1}),
        json.dumps({"(select pg_sleep(1))": 1}),
        json.dumps({"t\u0456tle": 1}),
        json.dumps({"title": {"or 1=1": 1}}),
        json.dumps({f"field{n}": dict.fromkeys(("gt", "gte", "lt", "lte", "ne", "eq"), 1) for n in range(9)}),
        json.dumps({"a": {"in": [1] * 50}, "b": {"in": [1] * 50}, "c": 1}),
    ],
    ids=["deep", "and", "nested", "name", "select", "letters", "operator", "nodes", "values"],
)
def test_IN_01_filters_are_a_small_tree_of_known_words(tree: str) -> None:
    with pytest.raises(Invalid):
        model.read_filters(tree, frozenset())
    with pytest.raises(Invalid):
        model.read_filters(tree, KNOWN | {"a", "b", "c", *(f"field{n}" for n in range(9))})


@pytest.mark.parametrize("word", ["nan", "sNaN", "-sNaN123", "Infinity", "-inf"])
def test_a_word_that_could_be_a_number_that_is_none_is_a_word(word: str) -> None:
    for operator in ("eq", "ne", "gt", "in"):
        wanted = [word] if operator == "in" else word
        tests = model.read_filters(json.dumps({"size": {operator: wanted}}), KNOWN)
        model.matching([*ROWS, {"size": word}], tests)
    (same,) = model.read_filters(json.dumps({"size": word}), KNOWN)
    assert [same({"size": one}) for one in (word, 9, None)] == [True, False, False]


@given(st.text(max_size=60))
def test_any_text_is_filters_or_is_refused(text: str) -> None:
    try:
        tests = model.read_filters(text, KNOWN)
    except Invalid:
        return
    model.matching(ROWS, tests)


def test_fields_are_known_ones_and_listed_where_they_are_not() -> None:
    assert model.read_fields(["title", "title"], KNOWN) == ("title",)
    with pytest.raises(Invalid) as refused:
        model.read_fields(["title", "secret"], KNOWN)
    assert "open, size, state, title" in refused.value.details["fields"][0]["message"]


def test_a_listing_is_shown_by_the_names_of_the_api() -> None:
    shown = model.shown(records.listing("a", title="Áo"))
    assert (shown["id"], shown["externalId"], shown["title"]) == ("a", "a", "Áo")
    assert shown["variants"][0]["price"]["currentPrice"] == "10.00"
    assert shown.keys() <= model.names_of("products", ())


def test_SC_04_what_of_an_order_is_personal_is_neither_shown_nor_asked_for() -> None:
    order = given_orders.order(
        "7", buyer_note="ring twice", seller_note="a regular", billing_address=given_orders.address()
    )
    shown = model.shown(order)
    assert (shown["id"], shown["currency"], shown["placedAt"]) == ("7", "VND", "2026-11-05T12:00:00Z")
    told = json.dumps(shown)
    for secret in ("Demo Nguyen", "0900000012", "1 Duong Demo", "ring twice", "a regular"):
        assert secret not in told
    personal = {"customer", "shippingAddress", "billingAddress", "buyerNote", "sellerNote"}
    assert {name.title().replace("_", "").lower() for name in Personal.__struct_fields__} == {
        name.lower() for name in personal
    }
    known = model.names_of("orders", ())
    assert not known & personal
    assert known >= shown.keys()
    for name in sorted(personal):
        with pytest.raises(Invalid):
            model.read_fields([name], known)
        with pytest.raises(Invalid):
            model.read_filters(json.dumps({name: {"contains": "a"}}), known)
