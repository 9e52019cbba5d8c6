"""Orders as rows: any order comes back as it was, and no cell is a formula."""

import string
from datetime import UTC, datetime
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.connect.shapes import (
    Address,
    Cancellation,
    Customer,
    FulfilmentStatus,
    Order,
    OrderLine,
    OrderStatus,
    PaymentStatus,
    Related,
    Return,
    ReturnStatus,
    Shipment,
    Totals,
)
from isthmus.features.orders.service import sheets

_TEXT = st.text(alphabet=string.ascii_letters + string.digits + " =+-@',;\"\n\té₫|{}[]", min_size=1, max_size=20)
_MAYBE = st.none() | _TEXT
_AMOUNT = st.decimals(-(10**9), 10**9, places=2)
_SOME = st.none() | _AMOUNT
_TIME = st.none() | st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds
_COUNT = st.integers(0, 10**6)
_CODES = st.dictionaries(_TEXT, _TEXT, max_size=2)
_IDS = st.lists(_TEXT, max_size=2).map(tuple)
_PERSON = st.builds(Customer, _MAYBE, _MAYBE, _MAYBE, st.booleans(), _MAYBE, st.booleans())
_ADDRESS = st.builds(Address, name=_MAYBE, line1=_MAYBE, country=_MAYBE, codes=_CODES, is_masked=st.booleans())
_LINE = st.builds(
    OrderLine,
    external_id=_TEXT,
    title=_TEXT,
    quantity=_COUNT,
    unit_price=_AMOUNT,
    line_total=_AMOUNT,
    external_ids=_IDS,
    sku=_MAYBE,
    discount_seller=_SOME,
    status=st.sampled_from(OrderStatus),
    cancelled_quantity=_COUNT,
    shipment_ids=_IDS,
)
_PARCEL = st.builds(Shipment, _TEXT, st.sampled_from(FulfilmentStatus), carrier=_MAYBE, shipped_at=_TIME)
_ORDER = st.builds(
    Order,
    external_id=_TEXT,
    number=_TEXT,
    status=st.sampled_from(OrderStatus),
    platform_status=_TEXT,
    currency=st.sampled_from(["VND", "USD"]),
    totals=st.builds(Totals, items=_AMOUNT, grand_total=_AMOUNT, discount_seller=_SOME, tax=_SOME),
    lines=st.lists(_LINE, min_size=1, max_size=3).map(tuple),
    payment_status=st.sampled_from(PaymentStatus),
    placed_at=_TIME,
    is_cod=st.booleans(),
    country=_MAYBE,
    customer=st.none() | _PERSON,
    shipping_address=st.none() | _ADDRESS,
    buyer_note=_MAYBE,
    cancellation=st.none() | st.builds(Cancellation, _MAYBE, _MAYBE, _MAYBE, st.booleans()),
    related=st.lists(st.builds(Related, _TEXT, _TEXT), max_size=2).map(tuple),
    returns=st.lists(st.builds(Return, _TEXT, _TEXT, st.sampled_from(ReturnStatus), _TEXT), max_size=2).map(tuple),
    shipments=st.lists(_PARCEL, max_size=2).map(tuple),
)


def _sent(order: Order, header: tuple[str, ...]) -> list[dict[str, str]]:
    return [dict(zip(header, row, strict=True)) for row in sheets.rows_of(order, header)]


def _whole(order: Order) -> bytes:
    """Without people and places of whom nothing is said: rows do not tell an empty one from none."""
    bare = {
        name: None
        for name, empty in (("customer", Customer()), ("shipping_address", Address()))
        if getattr(order, name) == empty
    }
    return msgspec.json.encode(msgspec.structs.replace(order, **bare), order="deterministic")


@given(_ORDER)
@settings(max_examples=60)
def test_any_order_comes_back_from_its_rows_as_it_was(order: Order) -> None:
    assert _whole(sheets.order_of(_sent(order, sheets.PERSONAL_HEADER))) == _whole(order)


@given(_ORDER)
@settings(max_examples=40)
def test_CS_01_no_cell_is_a_formula(order: Order) -> None:
    for row in sheets.rows_of(order, sheets.PERSONAL_HEADER):
        for cell in row:
            assert cell[:1] not in ("=", "+", "@", "\t", "\n", "\r")
            assert cell[:1] != "-" or Decimal(cell) < 0 or Decimal(cell) == 0


def test_nothing_that_names_a_person_stands_in_the_plain_columns() -> None:
    order = Order(
        *("o1", "1001", OrderStatus.SHIPPED, "sent", "VND", Totals(Decimal(1), Decimal(1))),
        (OrderLine("l1", "Tea", 1, Decimal(1), Decimal(1)),),
        customer=Customer("c1", "Demo Nguyen", "demo@example.com"),
        shipping_address=Address(name="Demo Nguyen", line1="1 Duong Demo"),
        buyer_note="ring twice",
    )
    row = "|".join(sheets.rows_of(order, sheets.HEADER)[0])
    assert not any(word in row for word in ("Demo", "ring", "c1"))
    assert {"customer_name", "shipping_address_line1", "buyer_note"} <= set(sheets.PERSONAL_HEADER) - set(sheets.HEADER)


@pytest.mark.parametrize(
    ("column", "cell"),
    [("status", "lost"), ("totals_items", "x"), ("line_quantity", "1.5"), ("shipments", "[{"), ("placed_at", "today")],
)
def test_a_cell_that_cannot_be_read_says_which(column: str, cell: str) -> None:
    order = Order(
        *("o1", "1001", OrderStatus.SHIPPED, "sent", "VND", Totals(Decimal(1), Decimal(1))),
        (OrderLine("l1", "Tea", 1, Decimal(1), Decimal(1)),),
    )
    row = _sent(order, sheets.HEADER)[0] | {column: cell}
    with pytest.raises(ValueError, match=column.rpartition("_")[2]):
        sheets.order_of([row])
