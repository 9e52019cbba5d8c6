"""Reading Shopify by REST: the shop, pages behind the Link header, single objects (marketplaces.md 6.4, 6.5)."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from urllib.parse import parse_qsl, quote, urlsplit

import msgspec

from isthmus.client import CallerMistake, Missing, Refused, Response
from isthmus.client.errors import MalformedBody
from isthmus.client.url import Scalar
from isthmus.connect import judging, reading
from isthmus.connect.reading import Loose
from isthmus.connect.spi import Account, RawRecord, RecordPage, Session, Unmappable, Window
from isthmus.connectors.shopify import ways

_PAGE = 50
#: Items of stock that one call may name, and rows of stock in one answer.
ITEMS, _LEVELS = 50, 250
_NEXT = re.compile(r'<([^<>]{1,4000})>\s*;\s*rel="?next"?')
#: What is listed without being asked for would leave orders out that are closed or cancelled.
_FILTERS: dict[str, dict[str, Scalar]] = {"products": {}, "orders": {"status": "any"}}


class Place(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where to go on: the platform's own place, and the last id for the day when that one is no longer known."""

    page_info: str
    last: str


class _Rows(msgspec.Struct):
    products: list[msgspec.Raw] | None = None
    orders: list[msgspec.Raw] | None = None


class _One(msgspec.Struct):
    product: msgspec.Raw = msgspec.Raw()
    order: msgspec.Raw = msgspec.Raw()


class _Key(msgspec.Struct):
    id: Loose = None


class _Item(msgspec.Struct):
    inventory_item_id: Loose = None


class _Sold(msgspec.Struct):
    variants: list[_Item] | None = None


class _Levels(msgspec.Struct):
    inventory_levels: list[msgspec.Raw]


class _Location(msgspec.Struct):
    active: Loose = None


class _Locations(msgspec.Struct):
    locations: list[_Location]


class _Shop(msgspec.Struct):
    myshopify_domain: Loose = None
    name: Loose = None
    currency: Loose = None
    country_code: Loose = None


class _ShopReply(msgspec.Struct):
    shop: _Shop


_ROWS = reading.decoder(_Rows)
_ONE = reading.decoder(_One)
_KEY = reading.decoder(_Key)
_SOLD = reading.decoder(_Sold)
_STOCK = reading.decoder(_Levels)
_OF = reading.decoder(_Item)
_LOCATIONS = reading.decoder(_Locations)
_SHOP = reading.decoder(_ShopReply)


async def shop(session: Session, root: str) -> Account:
    """The shop under the name that its webhooks bear, with its currency. Raises client errors."""
    answer = await session.client.get(f"{root}/shop.json")
    found = judging.decoded(answer, _SHOP).shop
    try:
        domain = reading.ident(found.myshopify_domain, "domain")
        extra = {"currency": reading.currency(found.currency)}
    except Unmappable as error:
        raise MalformedBody("the answer names no shop", reason="shape") from error
    if await _has_several(session, root):
        extra[ways.PLACES] = ways.SEVERAL
    return Account(domain, reading.line(found.name) or domain, reading.line(found.country_code)[:2], extra)


async def _has_several(session: Session, root: str) -> bool:
    """An app that may not see the places writes no stock; whatever it reads is the sum over them."""
    try:
        answer = await session.client.get(f"{root}/locations.json")
    except (Refused, Missing):
        return False
    return sum(one.active is not False for one in judging.decoded(answer, _LOCATIONS).locations) > 1


async def page(session: Session, root: str, entity: str, window: Window, place: Place | None) -> RecordPage:
    """One page by id, so that no edit moves a row to another page. Raises client errors."""
    answer = await _list(session, f"{root}/{entity}.json", (entity, window), place)
    found = judging.decoded(answer, _ROWS)
    rows = found.products if entity == "products" else found.orders
    if rows is None:
        raise MalformedBody("the answer holds no page", reason="shape")
    keys = reading.keys(rows, _KEY, lambda key: key.id)
    whole = await _placed(session, root, entity, [bytes(raw) for raw in rows])
    records = [RawRecord(key, raw) for key, raw in zip(keys, whole, strict=True)]
    info = _ahead(answer)
    if info is None:
        return RecordPage(records, None)
    last = next((key for key in reversed(keys) if key), "0")
    return RecordPage(records, msgspec.json.encode(Place(info, last)).decode())


async def _list(session: Session, path: str, wanted: tuple[str, Window], place: Place | None) -> Response:
    """A place that the platform has forgotten is found again by the last id."""
    if place is None:
        return await session.client.get(path, query=_query(*wanted, "0"))
    try:
        onward: dict[str, Scalar] = {"limit": _PAGE, "page_info": place.page_info}
        return await session.client.get(path, query=onward)
    except CallerMistake:
        return await session.client.get(path, query=_query(*wanted, place.last))


def _query(entity: str, window: Window, since: str) -> dict[str, Scalar]:
    """`since_id` puts the rows into the order of their ids."""
    query: dict[str, Scalar] = {
        "limit": _PAGE,
        "since_id": since,
        "updated_at_max": _iso(window.until),
        **_FILTERS[entity],
    }
    return query if window.since is None else {**query, "updated_at_min": _iso(window.since)}


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _ahead(answer: Response) -> str | None:
    """The platform's place of the next page; None on the last one."""
    found = _NEXT.search(answer.headers.get("Link", ""))
    if found is None:
        return None
    info = dict(parse_qsl(urlsplit(found[1]).query)).get("page_info", "")
    if not info:
        raise MalformedBody("the Link header names no page", reason="shape")
    return info


async def one(session: Session, root: str, entity: str, external_id: str) -> RawRecord | None:
    """One product or one order; None where there is none. Raises client errors."""
    path = f"{root}/{entity}/{quote(external_id, safe='')}.json"
    try:
        found = judging.decoded(await session.client.get(path), _ONE)
    except Missing:
        return None
    raw = bytes(found.product if entity == "products" else found.order)
    if not raw.startswith(b"{"):
        raise MalformedBody(f"the answer holds none of the {entity}", reason="shape")
    [whole] = await _placed(session, root, entity, [raw])
    return RawRecord(external_id, whole)


async def _placed(session: Session, root: str, entity: str, raws: Sequence[bytes]) -> list[bytes]:
    """Products of a shop with several places have what lies at each of them put beside them, as it came."""
    if entity != "products" or not ways.several(session.account):
        return list(raws)
    items = [_items(raw) for raw in raws]
    wanted = [one for each in items for one in each]
    levels: dict[str, list[bytes]] = {}
    for start in range(0, len(wanted), ITEMS):
        for item, row in await stock(session, root, wanted[start : start + ITEMS]):
            levels.setdefault(item, []).append(row)
    pairs = zip(raws, items, strict=True)
    return [_with(raw, [row for one in each for row in levels.get(one, ())]) if each else raw for raw, each in pairs]


def _with(raw: bytes, levels: Sequence[bytes]) -> bytes:
    return raw[:-1] + b',"inventory_levels":[' + b",".join(levels) + b"]}"


def _items(raw: bytes) -> list[str]:
    """The items of a product's variants; a row that cannot be read costs that record alone."""
    try:
        variants = reading.lenient(raw, _SOLD).variants or ()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return []
    return [str(one.inventory_item_id) for one in variants if not reading.absent(one.inventory_item_id)]


async def stock(session: Session, root: str, items: Sequence[str]) -> list[tuple[str, bytes]]:
    """What lies of at most 50 items at every place: item and row, one for each place. Raises client errors."""
    found: list[tuple[str, bytes]] = []
    query: dict[str, Scalar] = {"inventory_item_ids": ",".join(items), "limit": _LEVELS}
    while True:
        answer = await session.client.get(f"{root}/inventory_levels.json", query=query)
        rows = judging.decoded(answer, _STOCK).inventory_levels
        found += zip(reading.keys(rows, _OF, lambda one: one.inventory_item_id), map(bytes, rows), strict=True)
        info = _ahead(answer)
        if info is None:
            return found
        query = {"limit": _LEVELS, "page_info": info}
