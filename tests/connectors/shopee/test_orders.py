"""Orders by windows: a flood within one second, a cursor that ends, windows that stay within 15 days."""

from datetime import timedelta

from tests.given import connectors

from isthmus.connect.spi import Session, Window
from isthmus.connectors.shopee.connector import orders
from isthmus.sandbox import Shop


async def _pulled(session: Session, shop: Shop, *, late: float = 0) -> list[str]:
    window, cursor, found = Window(None, shop.clock.now()), None, list[str]()
    while True:
        page = await orders.pull(session, window, cursor)
        assert len(page.records) <= 100
        found += [record.external_id for record in page.records]
        cursor = page.cursor
        if cursor is None:
            return found
        if '"cursor"' in cursor:
            shop.clock.advance(late)
            late = 0


async def test_more_orders_than_a_page_in_one_second_are_all_read() -> None:
    async with connectors.played("shopee") as (play, shop), connectors.session(play) as (session, _):
        for _ in range(230):
            shop.place_order()
        shop.clock.advance(60)
        assert set(await _pulled(session, shop)) == {one.key for one in shop.book().all()}


async def test_a_cursor_that_ended_meanwhile_costs_no_order() -> None:
    async with connectors.played("shopee") as (play, shop), connectors.session(play) as (session, _):
        for _ in range(150):
            shop.place_order()
        shop.clock.advance(60)
        assert set(await _pulled(session, shop, late=900)) == {one.key for one in shop.book().all()}


async def test_no_window_is_longer_than_the_platform_takes() -> None:
    async with connectors.played("shopee") as (play, shop), connectors.session(play) as (session, _):
        await _pulled(session, shop)
        refused = [one for one in shop.recording.requests if one.rule and "invalid_time" in one.rule]
        lists = [one for one in shop.recording.requests if one.path.endswith("get_order_list")]
        assert not refused
        assert len(lists) >= timedelta(days=366) // timedelta(days=15)
