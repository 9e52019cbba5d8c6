"""Money that adds up, what is personal, and what stars may not replace."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.given import orders as made

from isthmus.connect.keeping import Unstorable
from isthmus.connect.shapes import Address, OrderStatus, Totals
from isthmus.features.orders import model
from isthmus.features.orders.model import Personal

_CENTS = st.integers(0, 10**9).map(lambda cents: Decimal(cents) / 100)


@settings(max_examples=50, deadline=None)
@given(st.lists(_CENTS, min_size=1, max_size=5), st.lists(_CENTS, min_size=5, max_size=5), st.integers(-3, 3))
def test_money_adds_up_to_the_cent_or_the_gap_says_by_how_much(
    prices: list[Decimal], parts: list[Decimal], off: int
) -> None:
    lines = [made.line(f"l{place}", str(price)) for place, price in enumerate(prices)]
    items, (seller, platform, shipping, tax, fees) = sum(prices, Decimal(0)), parts
    grand = items - seller - platform + shipping + tax + fees + Decimal(off) / 100
    totals = Totals(items, grand, seller, platform, shipping, None, tax, fees)
    assert model.money_gap(made.order("o1", *lines, totals=totals)) == (Decimal(off) / 100 or None)


def test_lines_that_miss_the_goods_are_a_gap_too() -> None:
    totals = Totals(items=Decimal(11), grand_total=Decimal(11))
    assert model.money_gap(made.order("o1", made.line(price="10.00"), totals=totals)) == Decimal("1.00")


def test_nothing_personal_is_in_the_body_that_is_stored_in_the_clear() -> None:
    one = made.order("o1", buyer_note="ring twice, Canary", billing_address=made.address("Canary"))
    item = made.item(msgspec.structs.replace(one, customer=made.customer(name="Canary"), seller_note="Canary"))
    assert b"Canary" not in item.body
    assert b"0900000012" not in item.body
    assert "Canary" in model.seal_text(item.personal)


@pytest.mark.parametrize(
    ("known", "fresh", "kept"),
    [
        (made.address(), made.address("D***n", line1="1******", is_masked=True), made.address()),
        (made.address("D***n", is_masked=True), made.address(), made.address()),
        (made.address(), Address(), made.address()),
        (made.address(), None, made.address()),
        (None, made.address("D***n", is_masked=True), made.address("D***n", is_masked=True)),
        (made.address(), made.address("Other", line1="2 Duong"), made.address("Other", line1="2 Duong")),
        (
            made.address("D***n", is_masked=True),
            made.address("Demo", phone="******12", is_masked=True),
            made.address("Demo", phone="0900000012", is_masked=False),
        ),
    ],
)
def test_stars_never_take_the_place_of_letters(known: Address | None, fresh: Address | None, kept: Address) -> None:
    assert model.joined(Personal(None, known), Personal(None, fresh)).shipping_address == kept


def test_another_customer_is_taken_as_it_is() -> None:
    known, fresh = made.customer("1", "Anna"), made.customer("2", "B**", is_masked=True)
    assert model.customer(known, fresh) == fresh
    assert model.customer(known, made.customer("1", "A**", phone=None, is_masked=True)) == known


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"number": ""}, "usable id"),
        ({"currency": "VN"}, "ISO 4217"),
        ({"placed_at": made.NOON.replace(tzinfo=None)}, "zone"),
        ({"totals": Totals(Decimal("NaN"), Decimal(1))}, "plain amount"),
        ({"platform_status": "a\0b"}, "U+0000"),
        ({"platform_status": "\ud800"}, "surrogate"),
        ({"shipments": (made.shipment(), made.shipment())}, "same id"),
    ],
)
def test_PA_03_PA_04_what_no_table_can_hold_is_refused_with_a_reason(wrong: dict[str, object], reason: str) -> None:
    with pytest.raises(Unstorable) as refused:
        made.item(made.order("o1", **wrong), b"x")
    assert reason in refused.value.reason


def test_statuses_that_nobody_knows_are_named_once_each() -> None:
    odd: dict[str, Any] = {"status": OrderStatus.UNKNOWN, "platform_status": "TELEPORTED"}
    lines = [made.line("a", **odd), made.line("b", status=OrderStatus.UNKNOWN, platform_status="LOST_IN_SPACE")]
    assert model.unknown_statuses(made.order("o1", *lines, **odd)) == ["TELEPORTED", "LOST_IN_SPACE"]
