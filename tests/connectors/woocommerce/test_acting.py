"""Orders of WooCommerce: another status, or a tracking number as a note that is written once."""

from typing import Any

import pytest
from tests.given.connectors import found
from tests.given.scenes import action, scene

from isthmus.client import ClientError
from isthmus.connect.acting import ActionKind, WrongDetail
from isthmus.connect.writing import Outcome

TRACKED = {"carrier": "GHN", "trackingNumber": "GHN00000042"}


@pytest.mark.parametrize(
    ("kind", "state", "status"),
    [
        (ActionKind.CONFIRM, "cancel_asked", "processing"),
        (ActionKind.DELIVERED, "paid", "completed"),
        (ActionKind.CANCEL, "paid", "cancelled"),
    ],
)
async def test_an_action_gives_the_order_its_status_and_is_seen_in_it(
    kind: ActionKind, state: str, status: str
) -> None:
    async with scene("woocommerce", 6) as here:
        order = await here.bought(state)
        wanted = action(kind, order)
        assert here.connector.shows(wanted, order) is False
        assert await here.act(wanted) == [Outcome(wanted.key)]
        again = await here.order(order.external_id)
        assert (again.platform_status, here.connector.shows(wanted, again)) == (status, True)
        assert [(one.field, one.changed) for one in here.shop.effects.of(order.external_id)] == [(status, True)]


async def test_a_tracking_number_is_noted_once_however_often_it_is_told() -> None:
    async with scene("woocommerce", 6) as here:
        order = await here.bought()
        for _ in range(2):
            wanted = action(ActionKind.TRACK, order, TRACKED)
            assert await here.act(wanted) == [Outcome(wanted.key)]
            assert here.connector.shows(wanted, order) is None
        told = here.shop.effects.values(order.external_id, "note")
    assert told == ["Shipped with GHN, tracking number GHN00000042."]


@pytest.mark.parametrize("kind", [ActionKind.CANCEL, ActionKind.TRACK])
async def test_an_action_whose_answer_is_lost_is_not_sent_again_by_itself(kind: ActionKind) -> None:
    async with scene("woocommerce", 6) as here:
        wanted = action(kind, await here.bought(), TRACKED if kind is ActionKind.TRACK else None)
        for method in ("PUT", "POST"):
            here.shop.faults.add(f"{method} *", "drop_reply")
        with pytest.raises(ClientError) as caught:
            await here.act(wanted)
        assert (len(here.shop.effects), caught.value.retry_safe) == (1, False)
        if kind is ActionKind.CANCEL:
            assert here.connector.shows(wanted, await here.order(wanted.order.external_id)) is True


@pytest.mark.parametrize(
    ("kind", "state"),
    [
        (ActionKind.CONFIRM, "paid"),
        (ActionKind.CANCEL, "completed"),
        (ActionKind.DELIVERED, "unpaid"),
        (ActionKind.TRACK, "cancelled"),
        (ActionKind.PACK, "paid"),
    ],
)
async def test_what_makes_no_sense_in_a_state_is_refused_before_a_call(kind: ActionKind, state: str) -> None:
    async with scene("woocommerce", 6) as here:
        order = await here.bought(state)
        assert here.connector.check(action(kind, order, TRACKED)).endswith(".")


async def test_lines_and_a_missing_number_are_named() -> None:
    connector: Any = found("woocommerce").connector
    async with scene("woocommerce", 6) as here:
        order = await here.bought()
    with pytest.raises(WrongDetail) as lines:
        connector.check(action(ActionKind.CANCEL, order, lines=(order.lines[0].external_id,)))
    with pytest.raises(WrongDetail) as number:
        connector.check(action(ActionKind.TRACK, order, {"carrier": "GHN"}))
    assert (lines.value.name, number.value.name) == ("lines", "trackingNumber")
