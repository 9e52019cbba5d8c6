"""Shopify's particulars: a host per shop, two ways of reading, forgotten places, two states of an order, privacy."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from tests.given.connectors import found, played, session
from tests.given.scenes import action, scene

from isthmus.connect import declarative
from isthmus.connect.acting import ActionKind
from isthmus.connect.conformance import acting, ordering, play, pulling, writing
from isthmus.connect.conformance.playing import Act
from isthmus.connect.shapes import Order, OrderStatus, PaymentStatus
from isthmus.connect.spi import RawRecord, ReadsOrders, Session, Window
from isthmus.connectors.shopify import order_mapping
from isthmus.connectors.shopify.sandbox import Shopify
from isthmus.sandbox import CatalogueProduct, CatalogueVariant

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


async def by_rest(opened: Session) -> Session:
    """The same session of an app that may not use GraphQL."""
    account = replace(opened.account, extra={"currency": "VND", "reading": "rest"})
    return Session(opened.client, opened.app_hosts, account, opened.clock)


async def test_an_app_that_may_not_use_graphql_is_read_by_rest_from_then_on() -> None:
    async with played("shopify", 3) as (play, shop), session(play) as (opened, granted):
        assert isinstance(shop, Shopify)
        shop.rest_only = True
        account = await play.connector.test(opened)
        assert account == replace(granted.account, extra={"currency": "VND", "reading": "rest"})
        limited = Session(opened.client, opened.app_hosts, account, opened.clock)
        window = Window(None, play.stage.clock.now())
        page = await play.connector.pull_listings(limited, window, None)
        one = await play.connector.fetch(limited, "products", page.records[0].external_id)  # type: ignore[attr-defined]  # ReadsOne
    assert one == page.records[0]
    assert shop.recording.requests[-1].path.endswith(f"/products/{one.external_id}.json")


@pytest.mark.parametrize(
    "act",
    [
        pulling.a_full_pull_shows_what_the_shop_sells,
        pulling.an_incremental_pull_brings_the_changes_alone,
        pulling.rows_that_move_are_not_lost,
        pulling.a_foreign_cursor_is_refused,
        pulling.bad_days_cost_no_rows,
        ordering.bad_days_cost_no_orders,
    ],
    ids=lambda act: act.__name__,
)
async def test_what_is_read_by_rest_keeps_the_promises_of_reading(act: Act) -> None:
    async with played("shopify", 130) as (made, shop):
        assert isinstance(shop, Shopify)
        shop.rest_only = True
        finding = await play(act, made.found, made.stage)
        assert finding.ok, str(finding)
        assert shop.recording.counts["rule:ACCESS_DENIED"] >= 1


@pytest.mark.parametrize("act", [*writing.PLAYS, *acting.PLAYS], ids=lambda act: act.__name__)
async def test_what_is_written_by_rest_keeps_the_promises_of_writing_and_acting(act: Act) -> None:
    async with played("shopify", 40) as (made, shop):
        assert isinstance(shop, Shopify)
        shop.rest_only = True
        finding = await play(act, made.found, made.stage)
        assert finding.ok, str(finding)
        assert not [one for one in shop.effects.of() if one.key]


async def test_both_ways_of_reading_come_to_the_same_records() -> None:
    async with played("shopify", 60) as (play, shop), session(play) as (opened, _):
        for state in ("shipped", "completed", "cancelled"):
            shop.move_order(shop.place_order(), state)
        shop.book().edit(shop.place_order(), shop.clock.unix(), strange="TELEPORTED")
        graph = await everything(play.connector, opened)
        rest = await everything(play.connector, await by_rest(opened))
    assert len(graph) > 100
    assert graph == rest


async def everything(connector: Any, opened: Session) -> dict[str, object]:
    """All products and orders by their ids, mapped."""
    window = Window(None, opened.clock.now() + timedelta(days=1))
    found: dict[str, object] = {}
    for pull, read in ((connector.pull_listings, connector.map_listing), (connector.pull_orders, connector.map_order)):
        cursor = None
        while True:
            page = await pull(opened, window, cursor)
            found |= {record.external_id: read(record, opened.account) for record in page.records}
            cursor = page.cursor
            if cursor is None:
                break
    return found


async def test_a_place_that_rest_has_forgotten_is_found_again_by_the_last_id() -> None:
    async with played("shopify", 120) as (play, shop), session(play) as (opened, _):
        limited = await by_rest(opened)
        window = Window(None, play.stage.clock.now() + timedelta(days=1))
        first = await play.connector.pull_listings(limited, window, None)
        shop.clock.advance(3_600)
        second = await play.connector.pull_listings(limited, window, first.cursor)
    assert [record.status for record in shop.recording.requests][-2:] == [400, 200]
    assert second.records
    assert max(int(one.external_id) for one in first.records) < min(int(one.external_id) for one in second.records)


async def test_a_cursor_that_graphql_has_forgotten_is_found_again_by_the_time_of_change() -> None:
    async with played("shopify", 60) as (play, shop), session(play) as (opened, granted):
        window = Window(None, play.stage.clock.now() + timedelta(days=1))
        first = await play.connector.pull_listings(opened, window, None)
        shop.clock.advance(3_600)
        second = await play.connector.pull_listings(opened, window, first.cursor)
        read = play.connector.map_listing
        last, after = read(first.records[-1], granted.account), read(second.records[0], granted.account)
        assert shop.recording.counts["rule:INVALID_CURSOR"] == 1
    assert last.platform_updated_at == after.platform_updated_at


async def test_a_pull_that_began_by_rest_ends_by_rest() -> None:
    async with played("shopify", 120) as (play, shop), session(play) as (opened, _):
        window = Window(None, play.stage.clock.now() + timedelta(days=1))
        first = await play.connector.pull_listings(await by_rest(opened), window, None)
        await play.connector.pull_listings(opened, window, first.cursor)
    assert shop.recording.requests[-1].path.endswith("/products.json")


async def test_orders_are_asked_for_whatever_their_state() -> None:
    async with played("shopify", 3) as (play, shop), session(play) as (opened, _):
        connector = play.connector
        assert isinstance(connector, ReadsOrders)
        since = datetime(2026, 1, 1, tzinfo=UTC)
        await connector.pull_orders(await by_rest(opened), Window(since, since + timedelta(hours=1)), None)
        query = dict(shop.recording.requests[-1].query)
    assert query["status"] == "any"
    assert (query["updated_at_min"], query["updated_at_max"]) == ("2026-01-01T00:00:00Z", "2026-01-01T01:00:00Z")


async def test_what_lies_beyond_a_first_page_is_fetched_with_its_record() -> None:
    variants = tuple(CatalogueVariant(f"BIG-{n}", Decimal(1_000 + n), stock=n, options=(f"{n}",)) for n in range(130))
    pictures = tuple(f"https://cdn.example.com/{n}.jpg" for n in range(14))
    big = CatalogueProduct("Bộ lớn", variants, images=pictures, option_names=("Số",))
    async with played("shopify", 3) as (play, shop), session(play) as (opened, granted):
        [added] = shop.add_product(big)
        record = await play.connector.fetch(opened, "products", added)  # type: ignore[attr-defined]  # ReadsOne
        listing = play.connector.map_listing(record, granted.account)
    assert [one.sku for one in listing.variants] == [one.sku for one in variants]
    assert len(listing.images) == len(pictures)


async def test_many_lines_and_parcels_of_an_order_are_all_there() -> None:
    async with scene("shopify", 12) as here:
        order = await here.bought()
        stored = here.shop.book().order(order.external_id)
        lines = tuple(replace(stored.lines[0], quantity=1) for _ in range(25))
        key = here.shop.book().add(replace(stored, key="", lines=lines))
        for number in range(4):
            one = await here.order(key)
            line = one.lines[number].external_id
            await here.act(action(ActionKind.TRACK, one, {"trackingNumber": f"N{number}"}, lines=(line,)))
        found = await here.order(key)
    assert len(found.lines) == 25
    assert [one.tracking_number for one in found.shipments] == ["N0", "N1", "N2", "N3"]
    assert sum(count for one in found.shipments for count in one.quantities.values()) == 4


async def test_a_pull_keeps_within_the_points_of_the_shop() -> None:
    async with played("shopify", 120) as (play, shop), session(play) as (opened, _):
        assert isinstance(shop, Shopify)
        shop.points.set_rate(50, 1_000)
        assert len(await everything(play.connector, opened)) > 100
        assert shop.recording.counts["throttled"] == 0


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
        ({"fulfillment_status": "in_progress"}, OrderStatus.PROCESSING),
        ({"fulfillment_status": "on_hold"}, OrderStatus.ON_HOLD),
        ({"fulfillment_status": "scheduled"}, OrderStatus.ON_HOLD),
        ({"fulfillment_status": "fulfillment_not_required"}, OrderStatus.READY_TO_FULFIL),
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
