"""WooCommerce's particulars: keys and an address per shop, exclusive windows, variations of their own."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from tests.given.connectors import found, paths, played, session

from isthmus.client.errors import MalformedBody
from isthmus.connect import declarative
from isthmus.connect.shapes import Order, PaymentStatus
from isthmus.connect.spi import Account, RawRecord, Unmappable, Window
from isthmus.connectors.woocommerce import mapping, order_mapping

SHOP = Account("https://shop.example.com/", extra={"currency": "VND", "weight_unit": "kg"})


@pytest.mark.parametrize("address", ["http://shop.example.com", "ftp://x", "shop.example.com", "https://x/?a=b", ""])
def test_only_a_whole_https_address_becomes_the_host(address: str) -> None:
    hosts = found("woocommerce").manifest.hosts
    assert declarative.fill(hosts, {"shop_url": "https://shop.example.com/wp/"}) == {
        "api": "https://shop.example.com/wp"
    }
    if not address:
        assert declarative.fill(hosts, {"shop_url": address}) == {}
    else:
        with pytest.raises(ValueError, match="shop_url"):
            declarative.fill(hosts, {"shop_url": address})


async def test_the_account_knows_its_currency_and_unit_of_weight_and_is_named_as_webhooks_name_it() -> None:
    async with played("woocommerce", 3) as (play, shop), session(play) as (opened, granted):
        assert granted.account.extra == {"currency": "VND", "weight_unit": "kg"}
        assert granted.account.id == f"{opened.app_hosts['api']}/"
        shop.faults.add("*/settings/*", "replace", status=403, body={"code": "woocommerce_rest_cannot_view"})
        assert "weight_unit" not in (await play.connector.test(opened)).extra


async def test_a_window_is_asked_for_one_second_wider_than_it_is() -> None:
    async with played("woocommerce", 3) as (play, shop), session(play) as (opened, _):
        since = datetime(2026, 1, 1, 0, 0, 5, tzinfo=UTC)
        await play.connector.pull_listings(opened, Window(since, since + timedelta(hours=1)), None)
        query = dict(shop.recording.requests[-1].query)
    assert (query["modified_after"], query["modified_before"]) == ("2026-01-01T00:00:04", "2026-01-01T01:00:06")
    assert query["dates_are_gmt"] == "true"


async def test_a_change_in_the_second_of_the_watermark_is_read() -> None:
    async with played("woocommerce", 3) as (play, shop), session(play) as (opened, _):
        shop.clock.advance(100)
        [added] = shop.add_product()
        now = shop.clock.now()
        page = await play.connector.pull_listings(opened, Window(now, now + timedelta(seconds=1)), None)
    assert [record.external_id for record in page.records] == [added]


async def test_variations_are_asked_for_where_there_are_any() -> None:
    async with played("woocommerce", 12) as (play, shop), session(play) as (opened, granted):
        page = await play.connector.pull_listings(opened, Window(None, play.stage.clock.now()), None)
        asked = [path for path in paths(shop) if path.endswith("/variations")]
        listings = [play.connector.map_listing(record, granted.account) for record in page.records]
    assert len(asked) == sum(len(one.variants) > 1 for one in listings) > 0


async def test_a_product_that_is_gone_is_none_and_one_in_the_bin_is_deleted() -> None:
    async with played("woocommerce", 3) as (play, shop), session(play) as (opened, granted):
        connector: Any = play.connector
        [added] = shop.add_product()
        shop.remove_product(added)
        record = await connector.fetch(opened, "products", added)
        assert play.connector.map_listing(record, granted.account).status == "deleted"
        assert await connector.fetch(opened, "products", "1") is None


async def test_a_page_whose_count_was_taken_off_is_an_error_and_not_the_end() -> None:
    async with played("woocommerce", 3) as (play, shop), session(play) as (opened, _):
        shop.faults.add("*/products", "replace", status=200, body={})
        with pytest.raises(MalformedBody):
            await play.connector.pull_listings(opened, Window(None, play.stage.clock.now()), None)


def order(**fields: object) -> Order:
    """A small order with some fields changed."""
    line = {"id": 1, "name": "Tee", "quantity": 1, "subtotal": "10", "total": "10", "product_id": 2, "variation_id": 0}
    raw = {"id": 7, "status": "processing", "currency": "VND", "total": "10", "line_items": [line], **fields}
    return order_mapping.order(RawRecord("7", msgspec.json.encode(raw)))


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ({}, PaymentStatus.PENDING),
        ({"date_paid_gmt": "2026-11-05T03:02:00"}, PaymentStatus.PAID),
        ({"payment_method": "cod"}, PaymentStatus.COD_PENDING),
        ({"payment_method": "cod", "status": "completed"}, PaymentStatus.PAID),
        ({"refunds": [{"total": "-4"}]}, PaymentStatus.PARTIALLY_REFUNDED),
        ({"refunds": [{"total": "-4"}, {"total": "-6"}]}, PaymentStatus.REFUNDED),
        ({"status": "refunded"}, PaymentStatus.REFUNDED),
    ],
)
def test_payment_follows_date_method_and_refunds(fields: dict[str, object], wanted: PaymentStatus) -> None:
    assert order(**fields).payment_status is wanted


def test_a_line_without_variation_sells_the_product_itself() -> None:
    [line] = order().lines
    assert (line.product_external_id, line.variant_external_id) == ("2", "2")


def test_stock_left_to_the_product_is_the_products() -> None:
    product = {"id": 1, "name": "Tee", "status": "publish", "manage_stock": True, "stock_quantity": 9, "price": "5"}
    raw = {"product": product, "variations": [{"id": 2, "status": "publish", "price": "5", "manage_stock": "parent"}]}
    [variant] = mapping.listing(RawRecord("1", msgspec.json.encode(raw)), SHOP).variants
    assert variant.available == 9


def test_a_listing_of_a_shop_without_known_currency_is_refused_in_words() -> None:
    with pytest.raises(Unmappable, match="currency"):
        mapping.listing(RawRecord("1", b'{"product":{"id":1,"name":"x"}}'), Account("x"))
