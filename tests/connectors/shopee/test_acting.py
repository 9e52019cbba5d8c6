"""Shopee's orders are shipped, cancelled and answered by the state they are in (marketplaces.md 2.6)."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from tests.given.acting import Counter, acting

from isthmus.client import CallerMistake, ClientError, Disconnected
from isthmus.connect.acting import ActionKind, WrongDetail

PACK, TRACK, CANCEL = ActionKind.PACK, ActionKind.TRACK, ActionKind.CANCEL
ACCEPT, REJECT = ActionKind.ACCEPT_CANCELLATION, ActionKind.REJECT_CANCELLATION


@pytest_asyncio.fixture
async def shop() -> AsyncIterator[Counter]:
    async with acting("shopee") as made:
        yield made


async def _placed(shop: Counter, *, own_carrier: bool) -> str:
    """An order whose buyer chose a carrier of the platform, or one of the seller's."""
    while True:
        key = shop.shop.place_order()
        found = shop.shop.book().order(key)
        if found is not None and (found.serial % 5 == 4) == own_carrier:
            return key


async def test_a_parcel_is_picked_up_where_and_when_the_platform_offers_it(shop: Counter) -> None:
    order = await shop.order(await _placed(shop, own_carrier=False))
    outcomes = await shop.done(shop.action(PACK, order))
    assert [one.result for one in outcomes] == ["done"]
    assert shop.effects("pack") == [order.external_id]
    assert (await shop.order(order.external_id)).status == "ready_to_ship"


async def test_the_number_comes_later_than_the_parcel(shop: Counter) -> None:
    order = await shop.order(await _placed(shop, own_carrier=False))
    await shop.done(shop.action(PACK, order, method="dropoff"))
    assert [one.tracking_number for one in (await shop.order(order.external_id)).shipments] == [None]
    shop.shop.clock.advance(61)
    (parcel,) = (await shop.order(order.external_id)).shipments
    assert parcel.tracking_number is not None
    assert parcel.tracking_number.startswith("SPXVN")


async def test_a_carrier_of_the_sellers_own_takes_a_number_and_nothing_else(shop: Counter) -> None:
    order = await shop.order(await _placed(shop, own_carrier=True))
    with pytest.raises(CallerMistake) as failure:
        await shop.acts.act(shop.session, shop.action(PACK, order))
    assert failure.value.code == "way_not_offered"
    assert shop.calls("ship_order") == 0
    with pytest.raises(WrongDetail) as wrong:
        shop.acts.check(shop.action(TRACK, order))
    assert wrong.value.name == "details.trackingNumber"
    await shop.done(shop.action(TRACK, order, trackingNumber="VTP-1"))
    assert [one.tracking_number for one in (await shop.order(order.external_id)).shipments] == ["VTP-1"]


@pytest.mark.parametrize("state", ["unpaid", "packed", "shipped", "cancel_asked", "cancelled", "completed"])
async def test_only_orders_that_are_ready_to_ship_are_shipped(shop: Counter, state: str) -> None:
    order = await shop.placed(state)
    assert "ready to ship" in shop.acts.check(shop.action(PACK, order))
    with pytest.raises(ClientError):
        await shop.acts.act(shop.session, shop.action(PACK, order))
    assert shop.effects("pack") == []


async def test_a_cancellation_names_a_reason_and_lines_only_where_they_ran_out(shop: Counter) -> None:
    order = await shop.placed()
    line = order.lines[0].external_id
    with pytest.raises(WrongDetail):
        shop.acts.check(shop.action(CANCEL, order, line, reason="CUSTOMER_REQUEST"))
    with pytest.raises(WrongDetail):
        shop.acts.check(shop.action(CANCEL, order, reason="UNDELIVERABLE_AREA"))
    await shop.done(shop.action(CANCEL, order, line, reason="OUT_OF_STOCK"))
    gone = await shop.order(order.external_id)
    assert gone.cancellation is not None
    assert (gone.cancellation.by, gone.cancellation.reason_code) == ("seller", "OUT_OF_STOCK")


async def test_a_shipped_order_is_not_cancelled(shop: Counter) -> None:
    order = await shop.placed("shipped")
    assert "SHIPPED" in shop.acts.check(shop.action(CANCEL, order, reason="CUSTOMER_REQUEST"))


@pytest.mark.parametrize(("kind", "status"), [(ACCEPT, "cancelled"), (REJECT, "ready_to_fulfil")])
async def test_a_buyer_who_wants_to_cancel_is_answered(shop: Counter, kind: ActionKind, status: str) -> None:
    order = await shop.placed("cancel_asked")
    await shop.done(shop.action(kind, order))
    assert (await shop.order(order.external_id)).status == status
    assert "has not asked" in shop.acts.check(shop.action(kind, await shop.order(order.external_id)))


async def test_a_parcel_is_not_ordered_twice_when_the_answer_is_lost(shop: Counter) -> None:
    order = await shop.order(await _placed(shop, own_carrier=False))
    shop.shop.faults.add("*/ship_order", "drop_reply", 1)
    action = shop.action(PACK, order)
    with pytest.raises(Disconnected) as failure:
        await shop.acts.act(shop.session, action)
    assert failure.value.sent
    assert (shop.calls("ship_order"), shop.effects("pack")) == (1, [order.external_id])
    assert shop.acts.shows(action, await shop.order(order.external_id)) is True


async def test_what_a_cancelled_order_went_through_before_nobody_can_tell(shop: Counter) -> None:
    order = await shop.placed()
    action = shop.action(PACK, order)
    shop.shop.move_order(order.external_id, "cancelled")
    assert shop.acts.shows(action, await shop.order(order.external_id)) is None
