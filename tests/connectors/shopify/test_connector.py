"""Shopify's particulars: a host per shop, places that are forgotten, two states of an order, the privacy topics."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import msgspec
import pytest
from tests.given.connectors import found, played, session

from isthmus.connect import declarative
from isthmus.connect.shapes import Order, OrderStatus, PaymentStatus
from isthmus.connect.spi import RawRecord, ReadsOrders, Window
from isthmus.connectors.shopify import order_mapping

CLOSED = "2026-11-05T10:00:00+07:00"


@pytest.mark.parametrize("shop", ["evil.example/", "a@b", "a:1", "-a", "a b", "a#"])
def test_what_is_no_name_of_a_shop_makes_no_host(shop: str) -> None:
    hosts = found("shopify").manifest.hosts
    assert declarative.fill(hosts, {"shop": "some-shop"}) == {"api": "https://some-shop.myshopify.com"}
    with pytest.raises(ValueError, match="shop"):
        declarative.fill(hosts, {"shop": shop})


async def test_the_account_is_named_as_pushes_name_it() -> None:
    async with played("shopify", 3) as (play, shop), session(play) as (_, granted):
        assert granted.account.id == shop.sellers[0].extra["domain"]
        assert (granted.account.region, granted.account.extra) == ("VN", {"currency": "VND"})


async def test_a_place_that_is_forgotten_is_found_again_by_the_last_id() -> None:
    async with played("shopify", 120) as (play, shop), session(play) as (opened, _):
        window = Window(None, play.stage.clock.now() + timedelta(days=1))
        first = await play.connector.pull_listings(opened, window, None)
        shop.clock.advance(3_600)
        second = await play.connector.pull_listings(opened, window, first.cursor)
    assert [record.status for record in shop.recording.requests][-2:] == [400, 200]
    assert second.records
    assert max(int(one.external_id) for one in first.records) < min(int(one.external_id) for one in second.records)


async def test_orders_are_asked_for_whatever_their_state() -> None:
    async with played("shopify", 3) as (play, shop), session(play) as (opened, _):
        connector = play.connector
        assert isinstance(connector, ReadsOrders)
        since = datetime(2026, 1, 1, tzinfo=UTC)
        await connector.pull_orders(opened, Window(since, since + timedelta(hours=1)), None)
        query = dict(shop.recording.requests[-1].query)
    assert query["status"] == "any"
    assert (query["updated_at_min"], query["updated_at_max"]) == ("2026-01-01T00:00:00Z", "2026-01-01T01:00:00Z")


def order(**fields: object) -> Order:
    """A small order with some fields changed."""
    line = {"id": 1, "title": "Tee", "quantity": 2, "price": "5.00", "product_id": 2, "variant_id": 3}
    base = {"id": 7, "name": "#7", "currency": "USD", "total_price": "10.00", "line_items": [line]}
    raw = {**base, "financial_status": "paid", "fulfillment_status": None, **fields}
    return order_mapping.order(RawRecord("7", msgspec.json.encode(raw)))


PARCEL = {"id": 9, "status": "success", "shipment_status": "delivered", "line_items": []}


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ({}, OrderStatus.READY_TO_FULFIL),
        ({"cancelled_at": CLOSED, "financial_status": "refunded"}, OrderStatus.CANCELLED),
        ({"financial_status": "refunded", "fulfillment_status": "fulfilled"}, OrderStatus.RETURNED),
        ({"closed_at": CLOSED, "fulfillment_status": "fulfilled"}, OrderStatus.COMPLETED),
        ({"fulfillment_status": "fulfilled"}, OrderStatus.SHIPPED),
        ({"fulfillment_status": "fulfilled", "fulfillments": [PARCEL]}, OrderStatus.DELIVERED),
        ({"fulfillment_status": "partial"}, OrderStatus.PROCESSING),
        ({"financial_status": "pending"}, OrderStatus.PENDING_PAYMENT),
        ({"financial_status": "authorized"}, OrderStatus.PENDING_PAYMENT),
        ({"financial_status": "partially_paid"}, OrderStatus.READY_TO_FULFIL),
        ({"financial_status": "voided"}, OrderStatus.CANCELLED),
        ({"financial_status": "moon"}, OrderStatus.UNKNOWN),
        ({"fulfillment_status": "moon"}, OrderStatus.UNKNOWN),
    ],
)
def test_the_first_match_of_the_table_decides(fields: dict[str, object], wanted: OrderStatus) -> None:
    assert order(**fields).status is wanted


def test_tax_that_prices_hold_already_is_not_added_again() -> None:
    assert order(total_tax="1", taxes_included=True).totals.tax is None
    assert order(total_tax="1", taxes_included=False, total_price="11.00").totals.tax == 1


def test_cash_on_delivery_is_pending_at_the_door() -> None:
    found = order(financial_status="pending", payment_gateway_names=["Cash on Delivery (COD)"], total_outstanding="10")
    assert (found.payment_status, found.totals.cod_amount) == (PaymentStatus.COD_PENDING, Decimal(10))


def test_the_mandatory_privacy_topics_have_events_of_their_own_and_are_signed() -> None:
    webhooks = found("shopify").manifest.webhooks
    assert webhooks is not None
    events = {hint.topic: hint.event for hint in webhooks.hints}
    topics = ("customers/data_request", "customers/redact", "shop/redact")
    assert all(events[topic].startswith("privacy.") for topic in topics)
    assert set(topics) <= set(webhooks.topics) & {sample.topic for sample in webhooks.samples}
