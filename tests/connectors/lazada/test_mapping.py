"""Lazada's items become listings as the reference says."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.given.connectors import found, mapped

from isthmus.connect.shapes import Listing, ListingStatus, Price
from isthmus.connect.spi import Account, RawRecord, Unmappable

SHOP = Account("vn:1", region="VN")
SKU = {"SkuId": 5, "Status": "active", "price": 100, "special_price": 0, "Available": 1}


def item(account: Account = SHOP, **changes: Any) -> Listing:
    base = {
        "item_id": 1,
        "status": "Active",
        "attributes": {"name": "Lamp"},
        "skus": [SKU],
        "updated_time": "1793847600000",
    }
    return mapped("lazada", {**base, **changes}, account)


def price(account: Account = SHOP, **changes: Any) -> Price:
    got = item(account, skus=[{**SKU, **changes}]).variants[0].price
    assert got is not None
    return got


@pytest.mark.parametrize(
    ("status", "sub", "expected"),
    [
        ("Active", "", ListingStatus.ACTIVE),
        ("live", "", ListingStatus.ACTIVE),
        ("InActive", "", ListingStatus.INACTIVE),
        ("Pending QC", "", ListingStatus.PENDING),
        ("Suspended", "", ListingStatus.BANNED),
        ("Active", "Lock", ListingStatus.BANNED),
        ("Pending QC", "Reject", ListingStatus.REJECTED),
        ("Active", "Live Reject", ListingStatus.ACTIVE),
        ("Deleted", "Lock", ListingStatus.DELETED),
        ("Sleeping", "", ListingStatus.UNKNOWN),
    ],
)
def test_the_state_is_mapped_and_its_own_words_kept(status: str, sub: str, expected: ListingStatus) -> None:
    listing = item(status=status, subStatus=sub)
    assert listing.status is expected
    assert listing.platform_status == (f"{status} / {sub}" if sub else status)


@pytest.mark.parametrize(
    ("region", "currency", "starts"),
    [("VN", "VND", 17), ("TH", "THB", 17), ("ID", "IDR", 17), ("SG", "SGD", 16), ("MY", "MYR", 16), ("PH", "PHP", 16)],
)
def test_a_country_decides_currency_and_zone(region: str, currency: str, starts: int) -> None:
    found = price(Account("x", region=region), special_price=90, special_from_time="2026-11-01 00:00")
    assert found.currency == currency
    assert found.sale_starts_at == datetime(2026, 10, 31, starts, tzinfo=UTC)


@pytest.mark.parametrize(
    ("since", "until", "holds"),
    [
        ("2026-11-01 00:00", "2026-11-30 23:59", True),
        ("2026-12-01 00:00", "2026-12-30 23:59", False),
        ("2026-10-01 00:00", "2026-10-30 23:59", False),
        (None, None, True),
        ("", "2026-11-30 23:59", True),
    ],
)
def test_a_special_price_counts_inside_its_dates(since: str | None, until: str | None, holds: bool) -> None:
    got = price(special_price="80.00", special_from_time=since, special_to_time=until)
    assert (got.list_price, got.sale_price) == (Decimal(100), Decimal(80))
    assert got.current_price == (Decimal(80) if holds else Decimal(100))


def test_when_it_was_read_decides_over_when_it_was_changed() -> None:
    connector = found("lazada").connector
    assert connector is not None
    dated = {**SKU, "special_price": 80, "special_from_time": "2026-12-01 00:00", "special_to_time": "2026-12-02 00:00"}
    payload = {
        "item_id": 1,
        "status": "Active",
        "attributes": {"name": "L"},
        "skus": [dated],
        "updated_time": "1793847600000",
    }
    read_at = datetime(2026, 12, 1, 5, tzinfo=UTC)
    listing = connector.map_listing(RawRecord("1", msgspec.json.encode(payload), read_at), SHOP)
    assert listing.variants[0].price is not None
    assert listing.variants[0].price.current_price == 80


def test_pictures_come_as_lists_and_as_lists_inside_of_texts() -> None:
    for images in (["a", "b"], '["a","b"]'):
        assert [image.url for image in item(images=images).images] == ["a", "b"]
    assert item(images="").images == ()
    with pytest.raises(Unmappable, match="pictures"):
        item(images='["a"')


def test_options_come_from_sale_properties_or_plain_keys() -> None:
    variation = {"Variation1": {"name": "color_family", "label": "Colour"}, "Variation2": {"name": "size"}}
    new = item(variation=variation, skus=[{**SKU, "saleProp": {"size": "M", "color_family": "Red"}}])
    old = item(variation=variation, skus=[{**SKU, "size": "M", "color_family": "Red"}])
    for listing in (new, old):
        assert [(one.name, one.value) for one in listing.variants[0].option_values] == [
            ("Colour", "Red"),
            ("size", "M"),
        ]
        assert listing.variants[0].title == "Red / M"
        assert [option.values for option in listing.options] == [("Red",), ("M",)]


def test_stock_is_read_by_warehouse_and_reserved_is_the_sum_of_both_kinds() -> None:
    place = {
        "warehouseCode": "w",
        "totalQuantity": "9",
        "sellableQuantity": 6,
        "occupyQuantity": 1,
        "withholdQuantity": "2",
    }
    stock = item(skus=[{**SKU, "multiWarehouseInventories": [place]}]).variants[0].inventory[0]
    assert (stock.available, stock.on_hand, stock.reserved, stock.location_external_id) == (6, 9, 3, "w")
    assert item(skus=[{**SKU, "Available": None, "quantity": "4"}]).variants[0].available == 4


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"skus": []}, "has no SKUs"),
        ({"attributes": {}}, "The name is missing."),
        ({"skus": [{"SkuId": None}]}, "The SKU id is missing"),
        ({"skus": [{**SKU, "price": "dear"}]}, "The price cannot be read"),
        ({"updated_time": "99999999999999999"}, "outside the years"),
    ],
)
def test_what_cannot_be_read_is_said(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(Unmappable, match=reason):
        item(**changes)


def test_a_shop_of_no_known_country_is_refused() -> None:
    with pytest.raises(Unmappable, match="country"):
        item(Account("x"))


amounts = st.none() | st.integers(-5, 10**9) | st.sampled_from(["", "0", "10.50", "x", "1e2"])


@settings(max_examples=150, deadline=None)
@given(amounts, amounts, st.sampled_from([None, "", "2026-11-01 00:00", "2027-01-01 00:00", "never"]))
def test_a_price_is_consistent_or_refused(regular: object, special: object, since: object) -> None:
    try:
        found = (
            item(skus=[{**SKU, "price": regular, "special_price": special, "special_from_time": since}])
            .variants[0]
            .price
        )
    except Unmappable:
        return
    if found is not None:
        assert found.list_price >= found.current_price >= 0
        assert found.current_price in {found.list_price, found.sale_price}
