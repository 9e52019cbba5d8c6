"""Lazada's units are packed, made ready and cancelled, each by its own state and answer (marketplaces.md 3.6, 9.4)."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from tests.given.acting import Counter, acting

from isthmus.client import CallerMistake, Disconnected
from isthmus.connect.acting import ActionKind, WrongDetail, units
from isthmus.connect.shapes import Order

PACK, READY, CANCEL = ActionKind.PACK, ActionKind.READY_TO_SHIP, ActionKind.CANCEL
ACCEPT, REJECT = ActionKind.ACCEPT_CANCELLATION, ActionKind.REJECT_CANCELLATION


@pytest_asyncio.fixture
async def shop() -> AsyncIterator[Counter]:
    async with acting("lazada") as made:
        yield made


async def _several(shop: Counter) -> Order:
    """An order of at least two pieces."""
    while True:
        order = await shop.placed()
        if sum(line.quantity for line in order.lines) > 1:
            return order


def _pieces(order: Order) -> list[str]:
    return [unit for line in order.lines for unit in line.external_ids]


async def test_all_pieces_are_packed_by_one_call_then_handed_over(shop: Counter) -> None:
    order = await _several(shop)
    outcomes = await shop.done(shop.action(PACK, order))
    assert sorted(one.key for one in outcomes) == sorted(_pieces(order)) == sorted(shop.effects("pack"))
    packed = await shop.order(order.external_id)
    assert (packed.status, len(packed.shipments), shop.calls("/fulfill/pack")) == ("processing", 1, 1)
    assert packed.shipments[0].tracking_number
    await shop.done(shop.action(READY, packed))
    assert shop.effects("ready_to_ship") == [packed.shipments[0].external_id]
    assert (await shop.order(order.external_id)).status == "ready_to_ship"


async def test_a_carrier_is_chosen_where_the_platform_lets_the_seller_choose(shop: Counter) -> None:
    for _ in range(2):
        order = await shop.placed()
        placed = shop.shop.book().order(order.external_id)
        assert placed is not None
        if placed.serial % 2:
            with pytest.raises(CallerMistake, match="J&T"):
                await shop.acts.act(shop.session, shop.action(PACK, order, carrier="Nobody"))
        await shop.done(shop.action(PACK, order, carrier="J&T"))


async def test_a_piece_that_is_refused_does_not_hold_the_others(shop: Counter) -> None:
    order = await _several(shop)
    shop.shop.book().act(order.external_id, shop.shop.clock.unix(), None, **{"refuse:0": "yes"})
    action = shop.action(PACK, order)
    told = {one.key: one for one in await shop.acts.act(shop.session, action)}
    (failed,) = [one for one in told.values() if one.result != "done"]
    assert (failed.code, failed.reason) == ("700026", "FO_ITEM_NOT_ALLOW_TO_PACK")
    assert sorted(shop.effects("pack")) == sorted(set(_pieces(order)) - {failed.key})
    mixed = await shop.order(order.external_id)
    assert shop.acts.shows(action, mixed) is None
    again = shop.action(PACK, mixed, failed.key)
    assert shop.acts.check(again) == ""
    assert list(units(again)) == [failed.key]
    assert shop.acts.shows(again, mixed) is False


async def test_pieces_are_named_alone_and_only_those_that_wait(shop: Counter) -> None:
    order = await _several(shop)
    first, *_ = _pieces(order)
    await shop.done(shop.action(PACK, order, first))
    assert shop.effects("pack") == [first]
    with pytest.raises(WrongDetail):
        shop.acts.check(shop.action(PACK, await shop.order(order.external_id), *_pieces(order)))


async def test_only_packed_pieces_are_made_ready(shop: Counter) -> None:
    order = await shop.placed()
    assert "is packed" in shop.acts.check(shop.action(READY, order))
    shipped = await shop.placed("shipped")
    assert "waits to be packed" in shop.acts.check(shop.action(PACK, shipped))


async def test_a_cancellation_takes_the_reasons_of_the_country(shop: Counter) -> None:
    order = await shop.placed()
    with pytest.raises(CallerMistake, match="10001: Out of stock"):
        await shop.acts.act(shop.session, shop.action(CANCEL, order, reason="because"))
    assert shop.calls("/cancel/create") == 0
    await shop.done(shop.action(CANCEL, order, reason="Out of stock"))
    assert sorted(shop.effects("cancel")) == sorted(_pieces(order))
    assert (await shop.order(order.external_id)).status == "cancelled"


async def test_one_piece_of_a_package_takes_the_package_with_it(shop: Counter) -> None:
    order = await _several(shop)
    await shop.done(shop.action(PACK, order))
    packed = await shop.order(order.external_id)
    await shop.acts.act(shop.session, shop.action(CANCEL, packed, _pieces(packed)[0], reason="10002"))
    assert (await shop.order(order.external_id)).status == "cancelled"


@pytest.mark.parametrize(("kind", "status"), [(ACCEPT, "cancelled"), (REJECT, "ready_to_fulfil")])
async def test_a_buyer_who_wants_to_cancel_is_answered(shop: Counter, kind: ActionKind, status: str) -> None:
    order = await shop.placed("cancel_asked")
    await shop.done(shop.action(kind, order))
    assert (await shop.order(order.external_id)).status == status


async def test_nothing_is_packed_twice_when_the_answer_is_lost(shop: Counter) -> None:
    order = await shop.placed()
    action = shop.action(PACK, order)
    shop.shop.faults.add("*/fulfill/pack", "drop_reply", 1)
    with pytest.raises(Disconnected):
        await shop.acts.act(shop.session, action)
    assert shop.calls("/fulfill/pack") == 1
    assert shop.acts.shows(action, await shop.order(order.external_id)) is True
    assert all(one.result != "done" for one in await shop.acts.act(shop.session, action))
    assert sorted(shop.effects("pack")) == sorted(_pieces(order))
