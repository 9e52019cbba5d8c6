"""The emulated sellers' orders: the same each time, moved by script, read by windows, hidden outside of shipping."""

import pytest
from tests.given import connectors

from isthmus.kit.errors import Invalid, NotFound


@pytest.mark.parametrize("name", ["lazada", "shopee", "tiki"])
async def test_the_same_seed_gives_the_same_orders_whose_money_adds_up(name: str) -> None:
    drawn = []
    for _ in range(2):
        async with connectors.played(name) as (_, shop):
            drawn.append(shop.book().all())
    assert drawn[0] == drawn[1]
    assert len(drawn[0]) == 40
    assert len({order.key for order in drawn[0]}) == 40
    for order in drawn[0]:
        assert order.total == order.goods - order.discount_seller - order.discount_platform + order.shipping
        assert order.placed <= order.updated
        assert [at for _, at in order.history] == sorted(at for _, at in order.history)


async def test_an_order_moves_shows_up_in_its_window_and_hides_its_buyer_once_sent() -> None:
    async with connectors.played("tiki") as (_, shop):
        key = shop.place_order()
        order = shop.book().order(key)
        assert order is not None
        assert order.shown == order.buyer
        shop.clock.advance(60)
        shop.move_order(key, "shipped")
        moved = shop.book().order(key)
        assert moved is not None
        now = shop.clock.unix()
        assert [one.key for one in shop.book().window(now - 5, now)] == [key]
        assert [one.key for one in shop.book().window(order.placed, order.placed, placed=True)] == [key]
        assert "*" in moved.shown.name
        assert moved.shown.phone.endswith(moved.buyer.phone[-2:])
        shop.book().move(key, "delivered", now - 300)
        assert [one.key for one in shop.book().window(now - 300, now - 300)] == [key]
        with pytest.raises(Invalid):
            shop.move_order(key, "nonsense")
        with pytest.raises(NotFound):
            shop.move_order("nobody", "shipped")


async def test_an_empty_shop_has_no_orders_and_sells_nothing() -> None:
    async with connectors.played("shopee") as (_, shop):
        empty = next(seller for seller in shop.sellers if not seller.shelf.size)
        assert shop.book(empty.id).size == 0
        with pytest.raises(NotFound):
            shop.place_order(seller=empty.id)
