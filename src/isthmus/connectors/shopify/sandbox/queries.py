"""The queries that Shopify's GraphQL answers here (reference 6.4): lists by time of change, single objects, several."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from datetime import datetime

import msgspec

from isthmus.connectors.shopify.sandbox import nodes, products
from isthmus.connectors.shopify.sandbox.graph import Arguments, Ask, Node, Resolver, Wrong, connection, many
from isthmus.connectors.shopify.sandbox.orders import Parcels
from isthmus.sandbox import Row

_FILTER = re.compile(r"updated_at:(>=|<=)'([0-9TZ:+.-]{10,35})'")
_LIFE = 600
_KEPT = 10_000


class _Place(msgspec.Struct):
    """What a cursor stands for: the last row that was shown."""

    updated: int
    last: int


class Places:
    """The cursors that were handed out, each known for ten minutes."""

    def __init__(self) -> None:
        self._issued: dict[str, int] = {}

    def written(self, place: _Place, now: int) -> str:
        """A cursor for this place."""
        text = urlsafe_b64encode(msgspec.json.encode(place)).decode()
        if len(self._issued) >= _KEPT:
            del self._issued[next(iter(self._issued))]
        self._issued[text] = now
        return text

    def read(self, text: object, now: int) -> _Place:
        """Where a page begins. Raises Wrong for a cursor that is unknown by now."""
        issued = self._issued.get(text) if isinstance(text, str) else None
        if issued is None or now - issued > _LIFE:
            raise Wrong("INVALID_CURSOR", "Invalid cursor for current pagination sort.")
        return msgspec.json.decode(urlsafe_b64decode(str(text).encode()), type=_Place)


def roots(ask: Ask, parcels: Parcels, places: Places) -> Mapping[str, Resolver]:
    """What a query may begin with."""
    return {
        "shop": lambda _: nodes.shop(ask.seller),
        "locations": nodes.listed([nodes.location(one) for one in ask.seller.warehouses]),
        "products": lambda arguments: _products(ask, arguments, places),
        "orders": lambda arguments: _orders(ask, arguments, parcels, places),
        "product": lambda arguments: _one(ask, arguments, "Product", parcels),
        "order": lambda arguments: _one(ask, arguments, "Order", parcels),
        "nodes": lambda arguments: [_node(ask, one, parcels) for one in many(arguments.get("ids"), "ids")],
    }


def _one(ask: Ask, arguments: Arguments, kind: str, parcels: Parcels) -> Node | None:
    if nodes.number_of(arguments.get("id"), kind) is None:
        raise Wrong("BAD_USER_INPUT", "Invalid global id")
    return _node(ask, arguments["id"], parcels)


def _node(ask: Ask, text: object, parcels: Parcels) -> Node | None:
    """The object of any id; None where there is none."""
    order = nodes.number_of(text, "Order")
    if order is not None:
        found = ask.shop.book(ask.seller.id).order(str(order))
        return None if found is None else nodes.rendered(found, parcels)
    sold = nodes.variant_place(nodes.number_of(text, "ProductVariant"))
    row = product_row(ask, sold[0] if sold is not None else nodes.number_of(text, "Product"))
    if row is None:
        return None
    if sold is None:
        return nodes.product(ask.seller, row)
    if sold[1] >= len(row.product.variants):
        return None
    return nodes.variant(ask.seller, row, sold[1], products.product(ask.seller, row))


def product_row(ask: Ask, number: int | None) -> Row | None:
    """A product that is not deleted."""
    row = ask.seller.shelf.row(number) if number is not None else None
    return None if row is None or row.product.status == "deleted" else row


def _products(ask: Ask, arguments: Arguments, places: Places) -> Node:
    shelf, place = ask.seller.shelf, _place(ask, arguments, places)
    low, high = _window(arguments)
    if not _by_change(arguments):
        known = shelf.ids(products.LISTED, updated=(low, high), by_id=True)
        ids = [one for one in known if place is None or one > place.last]
    elif place is None:
        ids = shelf.ids(products.LISTED, updated=(low, high))
    else:
        same = shelf.ids(products.LISTED, updated=(place.updated, place.updated))
        ids = [one for one in same if one > place.last]
        ids += shelf.ids(products.LISTED, updated=(place.updated + 1, high))
    shown = shelf.rows(ids[: _first(arguments)])
    marks = [_Place(row.updated, row.id) for row in shown]
    return _page(
        ask, places, [(nodes.product(ask.seller, row), mark) for row, mark in zip(shown, marks, strict=True)], len(ids)
    )


def _orders(ask: Ask, arguments: Arguments, parcels: Parcels, places: Places) -> Node:
    """Whatever their state: what is wanted stands in the filter."""
    place = _place(ask, arguments, places)
    rows = ask.shop.book(ask.seller.id).window(*_window(arguments))
    if not _by_change(arguments):
        rows = sorted((one for one in rows if place is None or one.serial > place.last), key=lambda one: one.serial)
    elif place is not None:
        rows = [one for one in rows if (one.updated, one.serial) > (place.updated, place.last)]
    shown = rows[: _first(arguments)]
    pairs = [(nodes.rendered(one, parcels), _Place(one.updated, one.serial)) for one in shown]
    return _page(ask, places, pairs, len(rows))


def _by_change(arguments: Arguments) -> bool:
    """The order of the rows: by id where nothing is said."""
    key = arguments.get("sortKey", "ID")
    if key not in {"ID", "UPDATED_AT"}:
        raise Wrong("BAD_USER_INPUT", "only the sort keys ID and UPDATED_AT are emulated")
    return key == "UPDATED_AT"


def _place(ask: Ask, arguments: Arguments, places: Places) -> _Place | None:
    after = arguments.get("after")
    return None if after is None else places.read(after, ask.shop.clock.unix())


def _page(ask: Ask, places: Places, pairs: list[tuple[Node, _Place]], total: int) -> Node:
    """Rows with the cursors behind them; while the fault `reorder` is on, the last row comes first."""
    ask.call.record.rows = len(pairs)
    now = ask.shop.clock.unix()
    cursors = [places.written(place, now) for _, place in pairs]
    rows = [node for node, _ in pairs]
    arranged = rows[-1:] + rows[:-1] if ask.call.reordered else rows
    return connection(arranged, cursors, more=total > len(rows))


def _first(arguments: Arguments) -> int:
    first = arguments.get("first")
    if not isinstance(first, int):
        raise Wrong("BAD_USER_INPUT", "you must provide one of first or last")
    return first


def _window(arguments: Arguments) -> tuple[int | None, int | None]:
    """The closed window of a filter text, in which nothing else may stand."""
    text = arguments.get("query")
    if text is None:
        return None, None
    if not isinstance(text, str) or _FILTER.sub("", text).replace("AND", "").strip():
        raise Wrong("BAD_USER_INPUT", "only updated_at is emulated in a query")
    found = {sign: _moment(value) for sign, value in _FILTER.findall(text)}
    return found.get(">="), found.get("<=")


def _moment(text: str) -> int:
    try:
        return int(datetime.fromisoformat(text).timestamp())
    except (ValueError, OverflowError) as error:
        raise Wrong("BAD_USER_INPUT", "Invalid date") from error
