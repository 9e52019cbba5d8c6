"""Plays about reading orders: everything, what changed, single ones, and all of it on bad days."""

from collections import Counter
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal

from isthmus.client import ClientError
from isthmus.connect.conformance.report import Broken, require
from isthmus.connect.conformance.stage import OrderFact, Play
from isthmus.connect.shapes import Order, OrderStatus
from isthmus.connect.spi import RawRecord, ReadsOne, ReadsOrders, Session, Window

_ENTITY = "orders"
_HOUR = 3600.0
_PAGES = 1_000
_SOME = 12


async def every_order_is_read_once_with_its_money(play: Play) -> None:
    """A full pull brings each order with what the buyer pays and the units bought; each page twice alike."""
    if not reads_orders(play):
        return
    granted = (await play.connect())[0]
    async with play.session(granted) as session:
        found = await _pull(play, session, None, twice=True)
    _compare(play, found)


async def order_changes_come_with_the_next_pull(play: Play) -> None:
    """New and moved orders are all in a pull of the last minutes, and little else is."""
    if not reads_orders(play):
        return
    granted = (await play.connect())[0]
    async with play.session(granted) as session:
        found = await _pull(play, session, None)
        play.stage.advance(_HOUR)
        since = play.stage.clock.now()
        play.stage.advance(60)
        for state in ("shipped", "delivered"):
            play.stage.move_order(play.stage.place_order(), state)
        play.stage.place_order()
        play.stage.advance(60)
        changed = await _pull(play, session, since)
    require(len(changed) == 3, f"{len(changed)} orders for three changes")
    _compare(play, found | changed)


async def a_late_order_is_not_lost(play: Play) -> None:
    """An order that shows up behind the place that was read comes with the overlap that the manifest asks for."""
    if not reads_orders(play):
        return
    entity = play.manifest.entity(_ENTITY)
    overlap = entity.overlap_seconds if entity else 0
    require(overlap >= 60, "the manifest names no overlap for orders")
    granted = (await play.connect())[0]
    async with play.session(granted) as session:
        until = play.stage.clock.now()
        found = await _pull(play, session, None)
        play.stage.late_order(overlap / 2)
        play.stage.advance(60)
        since = datetime.fromtimestamp(until.timestamp() - overlap, until.tzinfo)
        found |= await _pull(play, session, since)
    _compare(play, found)


async def a_strange_status_stops_nothing(play: Play) -> None:
    """A status that no document names is kept as the platform wrote it; the order and all others arrive."""
    if not reads_orders(play):
        return
    granted = (await play.connect())[0]
    key = play.stage.place_order()
    play.stage.move_order(key, "TELEPORTED")
    async with play.session(granted) as session:
        found = await _pull(play, session, None)
    _compare(play, found)
    odd = found[key]
    require(odd.status is OrderStatus.UNKNOWN, f"an unknown status became {odd.status}")
    require("TELEPORTED" in odd.platform_status, "the platform's own word is lost")


async def single_orders_are_found_or_said_to_be_gone(play: Play) -> None:
    """One order by its id is what the pull brings of it; an id that nobody knows is None and no error."""
    connector = play.connector
    if not reads_orders(play) or not isinstance(connector, ReadsOne):
        return
    granted = (await play.connect())[0]
    async with play.session(granted) as session:
        found = await _pull(play, session, None)
        key = next(iter(found))
        one = await connector.fetch(session, _ENTITY, key)
        require(one is not None and _map(play, one, session) == found[key], "the single order differs from the list's")
        require(await connector.fetch(session, _ENTITY, "1") is None, "an order that nobody knows was found")
        try:
            await connector.fetch(session, "nonsense", "1")
        except LookupError:
            return
    raise Broken("an entity that nobody knows was read")


async def bad_days_cost_no_orders(play: Play) -> None:
    """One fault of each kind on the way: the pull ends whole."""
    if not reads_orders(play):
        return
    for kind in ("server_error", "reset", "truncate", "cut", "throttle", *play.ends):
        granted = (await play.connect())[0]
        async with play.session(granted) as session:
            play.stage.disturb(kind, 1, after=1)
            try:
                found = await _pull(play, session, None)
            except ClientError as error:
                raise Broken(f"{kind}: ends in {type(error).__name__}: {error}") from error
            finally:
                play.stage.calm()
        _compare(play, found)


async def orders_that_move_are_not_lost(play: Play) -> None:
    """Orders change and arrive while pages are read: what nobody touched is all there, the rest comes next time."""
    if not reads_orders(play):
        return
    granted = (await play.connect())[0]
    for _ in range(_SOME):
        play.stage.place_order()
    since = play.stage.clock.now()

    def meanwhile(page: int) -> None:
        play.stage.advance(2)
        if page < _SOME:
            play.stage.move_order(play.stage.place_order(), "shipped")

    async with play.session(granted) as session:
        found = await _pull(play, session, None, meanwhile=meanwhile)
        play.stage.advance(60)
        found |= await _pull(play, session, datetime.fromtimestamp(since.timestamp() - 60, since.tzinfo))
    _compare(play, found)


def reads_orders(play: Play) -> bool:
    """Whether the connector reads orders; manifest and behaviour must agree."""
    declared = play.manifest.entity(_ENTITY) is not None
    require(declared == isinstance(play.connector, ReadsOrders), "manifest and connector disagree about orders")
    return declared


def _reader(play: Play) -> ReadsOrders:
    assert isinstance(play.connector, ReadsOrders)  # noqa: S101 - asked before
    return play.connector


async def _pull(
    play: Play,
    session: Session,
    since: datetime | None,
    *,
    twice: bool = False,
    meanwhile: Callable[[int], None] | None = None,
) -> dict[str, Order]:
    window, cursor, pages, found = Window(since, play.stage.clock.now()), None, 0, dict[str, Order]()
    entity = play.manifest.entity(_ENTITY)
    while True:
        page = await _reader(play).pull_orders(session, window, cursor)
        if twice:
            again = await _reader(play).pull_orders(session, window, cursor)
            same = [(one.external_id, one.payload) for one in page.records]
            require(same == [(one.external_id, one.payload) for one in again.records], "one cursor, two pages")
        require(entity is None or len(page.records) <= entity.page_size, "a page is larger than the manifest says")
        for record in page.records:
            order = _map(play, record, session)
            found[order.external_id] = order
        if meanwhile is not None:
            meanwhile(pages)
        pages, cursor = pages + 1, page.cursor
        if cursor is None:
            return found
        require(pages < _PAGES, "the pull does not end")


def _map(play: Play, record: RawRecord, session: Session) -> Order:
    order = _reader(play).map_order(record, session.account)
    lines = sum((line.line_total for line in order.lines), Decimal(0))
    require(order.totals.items == lines, f"order {order.external_id}: the goods do not come to what the lines say")
    return order


def _compare(play: Play, found: dict[str, Order]) -> None:
    wanted = Counter(play.stage.orders())
    got: Counter[OrderFact] = Counter(
        (one.external_id, one.totals.grand_total, sum(line.quantity for line in one.lines)) for one in found.values()
    )
    missing, extra = wanted - got, got - wanted
    require(not missing, f"{missing.total()} orders are missing or differ, such as {next(iter(missing), None)}")
    require(not extra, f"{extra.total()} orders too many, such as {next(iter(extra), None)}")


PLAYS = (
    every_order_is_read_once_with_its_money,
    order_changes_come_with_the_next_pull,
    a_late_order_is_not_lost,
    single_orders_are_found_or_said_to_be_gone,
    bad_days_cost_no_orders,
    orders_that_move_are_not_lost,
    a_strange_status_stops_nothing,
)
