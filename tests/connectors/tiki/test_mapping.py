"""Tiki's products become listings as the reference says."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.given.connectors import mapped

from isthmus.connect.shapes import Listing, ListingStatus
from isthmus.connect.spi import Account, Unmappable

SHOP = Account("SID", region="VN")


def product(**changes: Any) -> Listing:
    base = {"product_id": 7, "name": "Áo", "super_id": 0, "active": 1, "price": 90, "market_price": 100}
    return mapped("tiki", {**base, **changes}, SHOP)


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"active": 1}, ListingStatus.ACTIVE),
        ({"active": 1, "is_hidden": True}, ListingStatus.INACTIVE),
        ({"active": 0}, ListingStatus.INACTIVE),
        ({"active": "1"}, ListingStatus.ACTIVE),
        ({"active": True}, ListingStatus.ACTIVE),
        ({"active": 7}, ListingStatus.UNKNOWN),
        ({"active": None}, ListingStatus.UNKNOWN),
        ({"state": "drafted"}, ListingStatus.DRAFT),
        ({"state": "queuing"}, ListingStatus.PENDING),
        ({"state": "md_awaiting_approve"}, ListingStatus.PENDING),
        ({"state": "rejected"}, ListingStatus.REJECTED),
        ({"state": "deleted"}, ListingStatus.DELETED),
        ({"state": "something_new"}, ListingStatus.UNKNOWN),
    ],
)
def test_the_state_is_mapped_and_its_own_word_kept(fields: dict[str, Any], status: ListingStatus) -> None:
    listing = product(**fields)
    assert listing.status is status
    assert str(fields.get("state", "active")) in listing.platform_status


def test_siblings_are_fragments_of_one_listing() -> None:
    options = {"option1": "Đỏ", "option1_label": "Màu", "option2": "M", "option2_label": "Cỡ"}
    first = product(product_id=8, super_id=70, name="Áo - Đỏ - M", attributes=options)
    second = product(product_id=9, super_id="70", name="Áo - Xanh - M", attributes={**options, "option1": "Xanh"})
    assert {first.external_id, second.external_id} == {"70"}
    assert (first.title, second.title) == ("Áo", "Áo")
    assert not first.variants_complete
    assert [one.variants[0].external_id for one in (first, second)] == ["8", "9"]
    assert [(value.name, value.value) for value in second.variants[0].option_values] == [("Màu", "Xanh"), ("Cỡ", "M")]


@pytest.mark.parametrize("super_id", [0, "0", None, ""])
def test_a_stand_alone_product_is_whole(super_id: object) -> None:
    listing = product(super_id=super_id)
    assert (listing.external_id, listing.variants_complete) == ("7", True)


@pytest.mark.parametrize(
    ("price", "market", "expected"),
    [
        (90, 100, (100, 90, 90)),
        (100, 100, (100, 100, None)),
        (90, None, (90, 90, None)),
        (90, 0, (90, 90, None)),
        (90, 50, (90, 90, None)),
    ],
)
def test_the_struck_through_price_is_the_list_price(
    price: int, market: int | None, expected: tuple[int, int, int | None]
) -> None:
    found = product(price=price, market_price=market).variants[0].price
    assert found is not None
    amounts = (found.list_price, found.current_price, found.sale_price)
    assert tuple(None if one is None else int(one) for one in amounts) == expected
    assert found.currency == "VND"


def test_stock_is_read_by_warehouse_or_in_sum() -> None:
    stocks = [
        {"warehouse_id": 1, "quantity": 5, "quantity_reserved": 2, "quantity_sellable": 3},
        {"warehouse_id": 2, "quantity_available": 4},
    ]
    split = product(inventory={"warehouse_stocks": stocks}).variants[0]
    assert [(place.location_external_id, place.available, place.reserved) for place in split.inventory] == [
        ("1", 3, 2),
        ("2", 4, None),
    ]
    assert split.available == 7
    assert product(inventory={"quantity": 9}).variants[0].available == 9
    assert product(inventory=[]).variants[0].available is None


def test_local_times_are_vietnams() -> None:
    listing = product(created_at="2026-11-05 06:59:59", updated_at="2026-11-05 07:00:00")
    assert str(listing.platform_created_at) == "2026-11-04 23:59:59+00:00"
    assert str(listing.platform_updated_at) == "2026-11-05 00:00:00+00:00"


def test_the_primary_category_counts_and_free_attributes_are_kept() -> None:
    listing = product(
        categories=[{"id": 1, "name": "A"}, {"id": 2, "name": "B", "is_primary": True}],
        attributes={"brand": "X", "weight": "0,5 kg", "origin": "VN", "list": [1], "description": "<p>a</p>"},
    )
    assert (listing.category_external_id, listing.category_path, listing.brand) == ("2", ("B",), "X")
    assert listing.attributes == {"weight": "0,5 kg", "origin": "VN"}
    assert listing.weight_kg is None
    assert product(attributes={"product_weight_kg": "0.50"}).weight_kg == Decimal("0.5")


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"name": " "}, "The name is missing."),
        ({"product_id": None}, "The product id is missing"),
        ({"price": "free"}, "The price cannot be read"),
        ({"price": -1}, "The price is negative."),
        ({"images": "a.jpg"}, "does not have the expected form"),
        ({"updated_at": "soon"}, "The update time is not a time."),
        ({"inventory": {"warehouse_stocks": [{"warehouse_id": 1}]}}, "The stock cannot be read"),
    ],
)
def test_what_cannot_be_read_is_said(fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(Unmappable, match=reason):
        product(**fields)


values = (
    st.none()
    | st.booleans()
    | st.integers(-(10**14), 10**14)
    | st.text(max_size=12)
    | st.decimals(allow_nan=False, allow_infinity=False, places=2)
)


@settings(max_examples=150, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["price", "market_price", "active", "super_id", "sku", "original_sku", "created_at"]), values
    )
)
def test_a_listing_is_consistent_or_refused(fields: dict[str, Any]) -> None:
    try:
        listing = product(**{name: str(one) if isinstance(one, Decimal) else one for name, one in fields.items()})
    except Unmappable:
        return
    price = listing.variants[0].price
    if price is not None:
        assert price.list_price >= price.current_price >= 0
        assert price.sale_price is None or price.sale_price < price.list_price
