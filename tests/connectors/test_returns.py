"""What buyers sent back and what was paid back stands with the order, as far as each platform tells it."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from tests.given.connectors import played, session
from tests.given.scenes import Scene, scene

from isthmus.connect.shapes import Order, PaymentStatus, ReturnStatus
from isthmus.connect.spi import RawRecord, Session, Window
from isthmus.connectors.lazada import returning
from isthmus.connectors.lazada.returning import Back
from isthmus.connectors.shopee import order_mapping


async def by_rest(here: Scene, key: str) -> Order:
    account = replace(here.session.account, settings={"api": "rest"})
    made = Session(here.session.client, here.session.app_hosts, account, here.session.clock)
    found: Order = here.connector.map_order(await here.connector.fetch(made, "orders", key), account)
    return found


def refund(here: Scene, key: str, amount: Decimal, pieces: dict[int, int], note: str = "") -> None:
    order = here.shop.book().order(key)
    here.shop.parcels(here.shop.sellers[0]).refund(order, amount, pieces, here.shop.clock.unix(), note)


async def test_a_part_that_shopify_paid_back_is_told_alike_by_both_interfaces() -> None:
    async with scene("shopify", 6) as here:
        key = (await here.bought("shipped")).external_id
        refund(here, key, Decimal(5_000), {0: 1}, "Too small")
        refund(here, key, Decimal(1_000), {}, "Goodwill")
        order = await here.order(key)
        assert await by_rest(here, key) == order
    first = order.lines[0].external_id
    assert [(one.kind, one.status, one.amount, one.reason, one.lines) for one in order.returns] == [
        ("return", ReturnStatus.CLOSED, Decimal(5_000), "Too small", (first,)),
        ("refund_only", ReturnStatus.CLOSED, Decimal(1_000), "Goodwill", ()),
    ]
    assert [line.returned_quantity for line in order.lines] == [1] + [0] * (len(order.lines) - 1)
    assert (order.totals.refunded, order.payment_status) == (Decimal(6_000), PaymentStatus.PARTIALLY_REFUNDED)


async def test_refunds_of_shopify_that_no_first_page_holds_are_all_there() -> None:
    async with scene("shopify", 6) as here:
        key = (await here.bought("shipped")).external_id
        for _ in range(5):
            refund(here, key, Decimal(1_000), {0: 1})
        order = await here.order(key)
        assert await by_rest(here, key) == order
    assert len({one.external_id for one in order.returns}) == 5
    assert order.totals.refunded == Decimal(5_000)
    assert order.lines[0].returned_quantity <= order.lines[0].quantity


async def test_what_shopify_paid_back_of_a_cancelled_order_was_never_returned() -> None:
    async with scene("shopify", 6) as here:
        order = await here.bought()
        while order.is_cod:
            order = await here.bought()
        here.shop.move_order(order.external_id, "cancelled")
        again = await here.order(order.external_id)
    assert [(one.kind, one.amount) for one in again.returns] == [("cancel", order.totals.grand_total)]
    assert [(line.cancelled_quantity, line.returned_quantity) for line in again.lines] == [
        (line.quantity, 0) for line in order.lines
    ]
    assert again.payment_status is PaymentStatus.REFUNDED


async def test_money_of_shopify_that_has_not_gone_back_yet_is_none() -> None:
    async with scene("shopify", 3) as here:
        refunds = [{"id": 7, "transactions": [{"kind": "refund", "status": "pending", "amount": "9"}]}]
        body: dict[str, Any] = {"id": 1, "currency": "VND", "total_price": "10", "refunds": refunds}
        from_rest = here.connector.map_order(RawRecord("1", _json(body)), here.session.account)
    [one] = from_rest.returns
    assert (one.status, one.amount, from_rest.totals.refunded) == (ReturnStatus.ACCEPTED, Decimal(0), Decimal(0))


async def test_refunds_of_woocommerce_have_amounts_and_reasons() -> None:
    async with scene("woocommerce", 3) as here:
        refunds = [{"id": 3, "reason": "Broken", "total": "-4.50"}, {"id": 4, "reason": "", "total": "-1"}]
        body = {"id": 1, "number": "1", "status": "completed", "currency": "EUR", "total": "10", "refunds": refunds}
        order = here.connector.map_order(RawRecord("1", _json(body)), here.session.account)
    assert [(one.external_id, one.kind, one.amount, one.reason) for one in order.returns] == [
        ("3", "refund_only", Decimal("4.50"), "Broken"),
        ("4", "refund_only", Decimal(1), None),
    ]
    assert (order.totals.refunded, order.payment_status) == (Decimal("5.50"), PaymentStatus.PARTIALLY_REFUNDED)


async def test_a_return_of_shopee_stands_with_its_order_and_its_lines() -> None:
    async with scene("shopee", 6) as here:
        key = (await here.bought("returned")).external_id
        order = await here.order(key)
    [one] = order.returns
    assert (one.kind, one.status, one.platform_status, one.reason) == (
        "return",
        ReturnStatus.REQUESTED,
        "REQUESTED",
        "DAMAGED",
    )
    assert one.amount == sum((line.line_total for line in order.lines), Decimal(0))
    assert set(one.lines) == {line.external_id for line in order.lines}
    assert one.due_at is not None


async def pulled(connector: Any, opened: Session) -> list[RawRecord]:
    """The orders of the last hour."""
    window = Window(opened.clock.now() - timedelta(hours=1), opened.clock.now())
    told, cursor = [], None
    while True:
        page = await connector.pull_orders(opened, window, cursor)
        told += page.records
        cursor = page.cursor
        if cursor is None:
            return told


@pytest.mark.parametrize("state", ["returned", "completed"])
async def test_a_return_of_shopee_that_changes_brings_its_order_though_that_did_not(state: str) -> None:
    async with played("shopee", 6) as (play, shop), session(play) as (opened, _):
        key = shop.place_order()
        shop.move_order(key, "returned")
        shop.move_order(key, state)
        before = shop.clock.unix()
        shop.clock.advance(86_400)
        shop.book().act(key, before, return_status="CLOSED", return_changed=str(shop.clock.unix()))
        shop.clock.advance(60)
        [record] = await pulled(play.connector, opened)
    [one] = order_mapping.order(record).returns
    assert (record.external_id, one.status) == (key, ReturnStatus.CLOSED)


async def test_an_order_of_shopee_that_changed_with_its_return_comes_once() -> None:
    async with played("shopee", 6) as (play, shop), session(play) as (opened, _):
        key = shop.place_order()
        shop.move_order(key, "returned")
        shop.clock.advance(60)
        [record] = await pulled(play.connector, opened)
    assert len(order_mapping.order(record).returns) == 1


async def test_orders_of_shopee_that_nothing_came_back_of_cost_no_look_at_returns() -> None:
    async with scene("shopee", 6) as here:
        order = await here.bought()
        await here.order(order.external_id)
        assert not [one for one in here.shop.recording.requests if one.path.endswith("get_return_list")]


async def test_an_app_of_shopee_that_may_not_see_returns_reads_orders_all_the_same() -> None:
    async with scene("shopee", 6) as here:
        key = (await here.bought("returned")).external_id
        refusal = {"error": "error_permission", "message": "no", "request_id": "1"}
        here.shop.faults.add("*/get_return_list", "replace", body=refusal)
        assert (await here.order(key)).returns == ()


@pytest.mark.parametrize(
    ("word", "wanted"),
    [
        ("REQUESTED", ReturnStatus.REQUESTED),
        ("ACCEPTED", ReturnStatus.ACCEPTED),
        ("PROCESSING", ReturnStatus.ACCEPTED),
        ("JUDGING", ReturnStatus.DISPUTED),
        ("SELLER_DISPUTE", ReturnStatus.DISPUTED),
        ("CLOSED", ReturnStatus.CLOSED),
        ("CANCELLED", ReturnStatus.CANCELLED),
        ("SOMETHING_NEW", ReturnStatus.UNKNOWN),
    ],
)
def test_states_of_returns_of_shopee_follow_the_table(word: str, wanted: ReturnStatus) -> None:
    given = {"return_sn": "R1", "status": word, "refund_amount": 5, "needs_logistics": False}
    body = {"order_sn": "S1", "order_status": "TO_RETURN", "currency": "VND", "total_amount": 5, "returns": [given]}
    [one] = order_mapping.order(RawRecord("S1", _json(body))).returns
    assert (one.status, one.platform_status, one.kind) == (wanted, word, "refund_only")


async def test_an_order_of_tiki_that_came_back_did_so_as_a_whole() -> None:
    async with scene("tiki", 6) as here:
        order = await here.bought("returned")
    [one] = order.returns
    assert (one.external_id, one.kind, one.status, one.amount) == (
        order.external_id,
        "return",
        ReturnStatus.RECEIVED,
        None,
    )
    assert [line.returned_quantity for line in order.lines] == [line.quantity for line in order.lines]


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (("REFUND_SUCCESS", "CANCEL_REFUND_ISSUED"), PaymentStatus.REFUNDED),
        (("REFUND_SUCCESS", ""), PaymentStatus.PARTIALLY_REFUNDED),
        (("RTM_INIT", "REFUND_REJECTED"), PaymentStatus.PAID),
    ],
)
def test_money_of_lazada_is_back_where_the_units_returns_say_so(words: tuple[str, ...], wanted: PaymentStatus) -> None:
    units = [Back(str(at), "9", word, None) for at, word in enumerate(words)]
    assert returning.payment(units) is wanted


def _json(body: dict[str, Any]) -> bytes:
    return msgspec.json.encode(body)
