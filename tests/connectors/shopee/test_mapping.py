"""Shopee's items become listings as the reference says."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.given.connectors import mapped

from isthmus.connect.shapes import Listing, ListingStatus
from isthmus.connect.spi import Account, Unmappable

SHOP = Account("1", region="VN")
PRICE = [{"currency": "VND", "original_price": 100, "current_price": 100}]
MODEL = {"model_id": 5, "tier_index": [0], "model_status": "MODEL_NORMAL", "price_info": PRICE}
TIERS = [{"name": "Màu", "option_list": [{"option": "Be"}, {"option": "Đen"}]}]


def item(models: dict[str, Any] | None = None, **changes: Any) -> Listing:
    base = {
        "item_id": 1,
        "item_name": "Túi",
        "item_status": "NORMAL",
        "has_model": models is not None,
        "price_info": PRICE,
    }
    return mapped("shopee", {"listed": {}, "item": {**base, **changes}, "models": models}, SHOP)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("NORMAL", ListingStatus.ACTIVE),
        ("UNLIST", ListingStatus.INACTIVE),
        ("REVIEWING", ListingStatus.PENDING),
        ("BANNED", ListingStatus.BANNED),
        ("SELLER_DELETE", ListingStatus.DELETED),
        ("SHOPEE_DELETE", ListingStatus.DELETED),
        ("HIBERNATE", ListingStatus.UNKNOWN),
    ],
)
def test_the_state_is_mapped_and_its_own_word_kept(status: str, expected: ListingStatus) -> None:
    listing = item(item_status=status)
    assert (listing.status, listing.platform_status) == (expected, status)


def test_an_item_without_models_has_one_default_variant() -> None:
    (variant,) = item(item_sku="S", gtin_code="00", weight="0.250").variants
    assert (variant.external_id, variant.sku, variant.barcode, variant.weight_kg) == ("1:0", "S", None, Decimal("0.25"))
    (zero,) = item({"model": [{**MODEL, "model_id": 0, "tier_index": []}]}).variants
    assert zero.external_id == "1:0"


def test_a_model_is_named_by_its_place_in_the_tiers() -> None:
    tiers = [*TIERS, {"name": "Cỡ", "option_list": [{"option": "M"}, {"option": "L"}]}]
    (variant,) = item({"tier_variation": tiers, "model": [{**MODEL, "tier_index": [1, 0]}]}).variants
    assert variant.title == "Đen / M"
    assert [(value.name, value.value) for value in variant.option_values] == [("Màu", "Đen"), ("Cỡ", "M")]


@pytest.mark.parametrize("index", [[2], [-1], ["x"], [0, 0], [1.5]])
def test_a_place_that_is_none_is_refused(index: list[object]) -> None:
    with pytest.raises(Unmappable):
        item({"tier_variation": TIERS, "model": [{**MODEL, "tier_index": index}]})


def test_a_model_without_a_sku_bears_the_items() -> None:
    (variant,) = item({"tier_variation": TIERS, "model": [{**MODEL, "model_sku": ""}]}, item_sku="PARENT").variants
    assert variant.sku == "PARENT"


def test_a_price_in_a_promotion_is_locked() -> None:
    sale = [{"currency": "VND", "original_price": 100, "current_price": 80}]
    price = (
        item({"tier_variation": TIERS, "model": [{**MODEL, "price_info": sale, "has_promotion": True}]})
        .variants[0]
        .price
    )
    assert price is not None
    assert (price.list_price, price.current_price, price.sale_price) == (Decimal(100), Decimal(80), Decimal(80))
    assert (price.editable, price.lock_reason) == (False, "in a running promotion")


stocks = st.lists(st.integers(0, 50), min_size=1, max_size=4)


@given(stocks, st.integers(0, 60))
def test_what_is_reserved_is_taken_off_once(stocks: list[int], held: int) -> None:
    held = min(held, sum(stocks))
    places = [{"location_id": f"L{n}", "stock": stock, "if_saleable": True} for n, stock in enumerate(stocks)]
    summary = {"total_reserved_stock": held, "total_available_stock": sum(stocks) - held}
    (variant,) = item(stock_info_v2={"summary_info": summary, "seller_stock": places}).variants
    assert variant.available == sum(stocks) - held
    assert sum(place.reserved or 0 for place in variant.inventory) == held
    assert [place.on_hand for place in variant.inventory] == stocks


def test_stock_at_the_platform_and_stock_that_is_not_for_sale() -> None:
    stock = {
        "seller_stock": [{"location_id": "", "stock": 5, "if_saleable": False}],
        "shopee_stock": [{"location_id": "W", "stock": "7"}],
    }
    own, theirs = item(stock_info_v2=stock).variants[0].inventory
    assert (own.available, own.on_hand, own.location_external_id, own.owner) == (0, 5, None, "seller")
    assert (theirs.available, theirs.owner) == (7, "platform")


def test_plain_and_extended_descriptions() -> None:
    plain = item(description="a < b\nc")
    assert (plain.description_text, plain.description_html) == ("a < b\nc", "a &lt; b<br>\nc")
    fields = [{"field_type": "text", "text": "one"}, {"field_type": "image", "image_info": {"image_url": 'x"y'}}]
    extended = item(description_type="extended", description_info={"extended_description": {"field_list": fields}})
    assert extended.description_text == "one"
    assert extended.description_html == '<p>one</p>\n<img src="x&quot;y">'


@pytest.mark.parametrize(
    ("models", "changes", "reason"),
    [
        (None, {"has_model": True}, "names none"),
        (None, {"item_name": ""}, "The name is missing."),
        (None, {"price_info": [{"currency": "dong", "original_price": 1}]}, "The currency cannot be read"),
        ({"model": [{**MODEL, "model_id": None}]}, {}, "The model id is missing"),
    ],
)
def test_what_cannot_be_read_is_said(models: dict[str, Any] | None, changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(Unmappable, match=reason):
        item(models, **changes)


def test_an_item_that_is_listed_and_not_shown_is_said() -> None:
    with pytest.raises(Unmappable, match="does not show it"):
        mapped("shopee", {"listed": {"item_id": 1}, "item": None, "models": None}, SHOP)


amounts = st.none() | st.integers(-5, 10**9) | st.sampled_from(["", "0", "10.50", "x"])


@settings(max_examples=150, deadline=None)
@given(amounts, amounts)
def test_a_price_is_consistent_or_refused(original: object, current: object) -> None:
    try:
        price = (
            item(price_info=[{"currency": "SGD", "original_price": original, "current_price": current}])
            .variants[0]
            .price
        )
    except Unmappable:
        return
    if price is not None:
        assert price.list_price >= price.current_price >= 0
        assert price.sale_price is None or price.sale_price < price.list_price
