"""Orders of Shopify: parcels with their numbers, whole or in part, and cancellations."""

from typing import Any

import pytest
from tests.given.connectors import found
from tests.given.scenes import action, scene

from isthmus.client import Disconnected
from isthmus.connect.acting import ActionKind, WrongDetail
from isthmus.connect.shapes import FulfilmentStatus, OrderStatus
from isthmus.connect.writing import Outcome, Result

TRACK, CANCEL = ActionKind.TRACK, ActionKind.CANCEL
TRACKED = {"carrier": "GHN", "trackingNumber": "GHN42", "trackingUrl": "https://ghn.example/GHN42"}


async def test_a_parcel_is_told_with_its_number_and_seen_in_the_order() -> None:
    async with scene("shopify", 6) as here:
        order = await here.bought()
        wanted = action(TRACK, order, TRACKED)
        assert here.connector.shows(wanted, order) is False
        assert await here.act(wanted) == [Outcome(wanted.key)]
        again = await here.order(order.external_id)
        assert here.connector.shows(wanted, again) is True
    [parcel] = again.shipments
    assert (parcel.carrier, parcel.tracking_number, parcel.tracking_url) == ("GHN", "GHN42", TRACKED["trackingUrl"])
    assert parcel.quantities == {line.external_id: line.quantity for line in order.lines}
    assert again.fulfilment_status is FulfilmentStatus.FULFILLED


async def test_a_part_of_an_order_leaves_the_rest_to_be_sent() -> None:
    async with scene("shopify", 12) as here:
        order = await here.bought()
        while len(order.lines) < 2:
            order = await here.bought()
        first, *rest = order.lines
        await here.act(action(TRACK, order, TRACKED, lines=(first.external_id,)))
        partly = await here.order(order.external_id)
        assert partly.status is OrderStatus.PROCESSING
        await here.act(action(TRACK, partly, {"trackingNumber": "GHN43"}))
        whole = await here.order(order.external_id)
    assert [set(one.quantities) for one in whole.shipments] == [
        {first.external_id},
        {line.external_id for line in rest},
    ]
    assert whole.fulfilment_status is FulfilmentStatus.FULFILLED


async def test_a_number_that_a_parcel_bears_already_is_not_told_again() -> None:
    async with scene("shopify", 6) as here:
        order = await here.bought()
        for _ in range(2):
            wanted = action(TRACK, order, TRACKED)
            assert await here.act(wanted) == [Outcome(wanted.key)]
        assert here.shop.effects.values(order.external_id, "track") == ["GHN42"]


async def test_what_has_been_sent_meanwhile_is_refused_in_words() -> None:
    async with scene("shopify", 6) as here:
        order = await here.bought()
        here.shop.move_order(order.external_id, "shipped")
        [told] = await here.act(action(TRACK, order, TRACKED))
    assert (told.result, told.code) == (Result.REFUSED, "nothing_left")


@pytest.mark.parametrize("refund", ["", "true", "false"])
async def test_a_cancellation_names_its_reason_and_is_seen_in_the_order(refund: str) -> None:
    async with scene("shopify", 6) as here:
        order = await here.bought()
        wanted = action(CANCEL, order, {"refund": refund} if refund else {}, reason="inventory")
        assert here.connector.shows(wanted, order) is False
        assert await here.act(wanted) == [Outcome(wanted.key)]
        again = await here.order(order.external_id)
        assert here.connector.shows(wanted, again) is True
    assert again.cancellation is not None
    assert again.cancellation.reason_code == "inventory"


async def test_a_cancellation_that_comes_too_late_is_refused_by_the_shop() -> None:
    async with scene("shopify", 6) as here:
        order = await here.bought()
        here.shop.move_order(order.external_id, "shipped")
        [told] = await here.act(action(CANCEL, order, reason="staff"))
        assert (told.result, len(here.shop.effects)) == (Result.REFUSED, 0)


@pytest.mark.parametrize("kind", [TRACK, CANCEL])
async def test_an_action_whose_answer_is_lost_is_not_sent_again_by_itself(kind: ActionKind) -> None:
    async with scene("shopify", 6) as here:
        order = await here.bought()
        wanted = action(kind, order, TRACKED if kind is TRACK else {}, reason="customer")
        here.shop.faults.add("*/graphql.json", "drop_reply", times=1, after=1 if kind is TRACK else 0)
        with pytest.raises(Disconnected):
            await here.act(wanted)
        assert here.connector.shows(wanted, await here.order(order.external_id)) is True
        assert len(here.shop.effects) == 1


@pytest.mark.parametrize(
    ("kind", "state"), [(TRACK, "shipped"), (TRACK, "cancelled"), (CANCEL, "shipped"), (ActionKind.PACK, "paid")]
)
async def test_what_makes_no_sense_in_a_state_is_refused_before_a_call(kind: ActionKind, state: str) -> None:
    async with scene("shopify", 6) as here:
        assert here.connector.check(action(kind, await here.bought(state), TRACKED)).endswith(".")


async def test_wrong_details_are_named() -> None:
    connector: Any = found("shopify").connector
    async with scene("shopify", 6) as here:
        order = await here.bought()
    wrong = {
        "trackingNumber": action(TRACK, order, {"carrier": "GHN"}),
        "lines": action(TRACK, order, TRACKED, lines=("1",)),
        "refund": action(CANCEL, order, {"refund": "perhaps"}),
    }
    for name, each in wrong.items():
        with pytest.raises(WrongDetail) as caught:
            connector.check(each)
        assert caught.value.name == name
    with pytest.raises(WrongDetail, match="as a whole"):
        connector.check(action(CANCEL, order, lines=(order.lines[0].external_id,)))
