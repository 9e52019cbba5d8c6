"""Tiki's orders are confirmed, called off, delivered and tracked by who delivers them (marketplaces.md 4.5)."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from tests.given.acting import Counter, acting

from isthmus.client import CallerMistake, Disconnected
from isthmus.connect.acting import ActionKind, WrongDetail

CONFIRM, CANCEL = ActionKind.CONFIRM, ActionKind.CANCEL
DELIVERED, TRACK = ActionKind.DELIVERED, ActionKind.TRACK
PLACE = "1034"


@pytest_asyncio.fixture
async def shop() -> AsyncIterator[Counter]:
    async with acting("tiki") as made:
        yield made


async def test_goods_are_confirmed_from_a_warehouse_of_the_seller(shop: Counter) -> None:
    order = await shop.placed()
    with pytest.raises(CallerMistake, match="1034"):
        await shop.acts.act(shop.session, shop.action(CONFIRM, order))
    assert shop.effects("confirm") == []
    await shop.done(shop.action(CONFIRM, order, warehouse=PLACE))
    confirmed = await shop.order(order.external_id)
    assert {line.platform_status for line in confirmed.lines} == {"seller_confirmed"}
    assert "waits for a confirmation" in shop.acts.check(shop.action(CONFIRM, confirmed, warehouse=PLACE))


async def test_lines_that_are_not_there_are_left_out(shop: Counter) -> None:
    order = await shop.placed()
    while len(order.lines) < 2:
        order = await shop.placed()
    first = order.lines[0].external_id
    await shop.done(shop.action(CONFIRM, order, first, warehouse=PLACE))
    assert shop.effects("confirm") == [first]
    words = {line.external_id: line.platform_status for line in (await shop.order(order.external_id)).lines}
    assert words.pop(first) == "seller_confirmed"
    assert set(words.values()) == {"seller_canceled"}


async def test_a_dropship_order_is_confirmed_or_called_off_as_a_whole(shop: Counter) -> None:
    order = await shop.placed(fulfillment_type="dropship")
    with pytest.raises(WrongDetail):
        shop.acts.check(shop.action(CONFIRM, order, order.lines[0].external_id))
    await shop.done(shop.action(CONFIRM, order, warehouse=PLACE, pickupTime="2026-11-30 10:00:00"))
    assert shop.calls("/dropship/confirm-available") == 1
    other = await shop.placed(fulfillment_type="dropship")
    await shop.done(shop.action(CANCEL, other))
    assert (await shop.order(other.external_id)).status == "cancelled"
    assert "Only dropship" in shop.acts.check(shop.action(CANCEL, await shop.placed()))


async def test_a_delivery_of_the_sellers_own_ends_well_or_not(shop: Counter) -> None:
    order = await shop.placed("shipped", fulfillment_type="seller_delivery")
    await shop.done(shop.action(DELIVERED, order))
    assert (await shop.order(order.external_id)).status == "delivered"
    failed = await shop.placed("shipped", fulfillment_type="seller_delivery")
    with pytest.raises(WrongDetail) as wrong:
        shop.acts.check(shop.action(DELIVERED, failed, result="failed"))
    assert wrong.value.name == "details.failureCause"
    action = shop.action(DELIVERED, failed, result="failed", failureCause="nobody at home")
    await shop.acts.act(shop.session, action)
    assert shop.effects("delivered")[-1] == failed.external_id
    assert shop.acts.shows(action, await shop.order(failed.external_id)) is None
    assert "delivers" in shop.acts.check(shop.action(DELIVERED, await shop.placed("shipped")))


async def test_an_order_from_abroad_takes_its_number(shop: Counter) -> None:
    order = await shop.placed(fulfillment_type="cross_border")
    with pytest.raises(WrongDetail):
        shop.acts.check(shop.action(TRACK, order))
    await shop.done(shop.action(TRACK, order, trackingNumber="CN-1", carrier="YunExpress"))
    (parcel,) = (await shop.order(order.external_id)).shipments
    assert (parcel.tracking_number, parcel.carrier) == ("CN-1", "YunExpress")
    assert "cross-border" in shop.acts.check(shop.action(TRACK, await shop.placed(), trackingNumber="1"))


async def test_nothing_is_confirmed_twice_when_the_answer_is_lost(shop: Counter) -> None:
    order = await shop.placed()
    action = shop.action(CONFIRM, order, warehouse=PLACE)
    shop.shop.faults.add("*/confirm-available", "drop_reply", 1)
    with pytest.raises(Disconnected):
        await shop.acts.act(shop.session, action)
    assert shop.calls("/confirm-available") == 1
    assert shop.acts.shows(action, await shop.order(order.external_id)) is True
    with pytest.raises(CallerMistake):
        await shop.acts.act(shop.session, action)
    assert sorted(shop.effects("confirm")) == sorted(line.external_id for line in order.lines)
