"""Reading Shopify by GraphQL: pages by time of change behind a cursor, single objects, what lies beyond a first page.

The sizes of pages keep each query below the 1,000 points that one may cost (marketplaces.md 6.3, 6.4, 9.5).
"""

from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec

from isthmus.client import CallerMistake, MalformedBody
from isthmus.connect import reading
from isthmus.connect.reading import Loose
from isthmus.connect.spi import Account, RawRecord, RecordPage, Session, Unmappable, Window
from isthmus.connectors.shopify import graph, nodes, ways

_MORE = "pageInfo { hasNextPage endCursor }"
_LEVELS = f"""inventoryLevels(first: 5) {{ nodes {{ location {{ legacyResourceId }}
  quantities(names: ["available", "on_hand"]) {{ name quantity }} }} {_MORE} }}"""


def _variant(levels: str) -> str:
    return f"""legacyResourceId sku barcode price compareAtPrice inventoryQuantity selectedOptions {{ name value }}
  image {{ url }} inventoryItem {{ tracked measurement {{ weight {{ unit value }} }} {levels} }}"""


def _product(variants: int, levels: str = "") -> str:
    return f"""legacyResourceId title descriptionHtml vendor productType handle status tags createdAt updatedAt
  options {{ name values }} images(first: 10) {{ nodes {{ id url }} {_MORE} }}
  variants(first: {variants}) {{ nodes {{ {_variant(levels)} }} {_MORE} }}"""


_MONEY = "{ shopMoney { amount } }"
_LINE = f"""id title variantTitle sku quantity originalUnitPriceSet {_MONEY} totalDiscountSet {_MONEY}
  product {{ legacyResourceId }} variant {{ legacyResourceId }}"""


def _parcel(lines: int) -> str:
    return f"""legacyResourceId status displayStatus createdAt trackingInfo(first: 1) {{ company number url }}
  fulfillmentLineItems(first: {lines}) {{ nodes {{ quantity lineItem {{ id }} }} {_MORE} }}"""


_ADDRESS = "{ firstName lastName name phone address1 address2 city province zip countryCodeV2 }"
_PARCELS = 3


def _refund(lines: int) -> str:
    return f"""legacyResourceId note createdAt totalRefundedSet {_MONEY}
  refundLineItems(first: {lines}) {{ nodes {{ quantity restockType lineItem {{ id }} }} {_MORE} }}"""


_REFUNDS = 2
_ORDER = f"""legacyResourceId name email phone createdAt updatedAt processedAt closedAt cancelledAt cancelReason
  currencyCode taxesIncluded displayFinancialStatus displayFulfillmentStatus paymentGatewayNames note
  totalPriceSet {_MONEY} totalTaxSet {_MONEY} totalDiscountsSet {_MONEY} totalOutstandingSet {_MONEY}
  totalShippingPriceSet {_MONEY} customer {{ legacyResourceId firstName lastName }}
  shippingAddress {_ADDRESS} billingAddress {_ADDRESS}
  lineItems(first: 8) {{ nodes {{ {_LINE} }} {_MORE} }} fulfillments(first: {_PARCELS}) {{ {_parcel(10)} }}
  refunds(first: {_REFUNDS}) {{ {_refund(4)} }}"""


def _list(root: str, size: int, node: str) -> str:
    arguments = f"first: {size}, after: $after, query: $filter, sortKey: UPDATED_AT"
    return f"query Page($filter: String!, $after: String) {{ {root}({arguments}) {{ nodes {{ {node} }} {_MORE} }} }}"


def _one(root: str, node: str, more: str = "") -> str:
    return f"query One($id: ID!{more}) {{ {root}(id: $id) {{ {node} }} }}"


_AFTER = ", $after: String"
#: Of shops with several places, the stock at each of them costs as much again: `stock` stands for their products.
_LISTS = {
    "products": _list("products", 12, _product(10)),
    "stock": _list("products", 7, _product(5, _LEVELS)),
    "orders": _list("orders", 6, _ORDER),
}
_ONES = {
    "products": _one("product", _product(10)),
    "stock": _one("product", _product(5, _LEVELS)),
    "orders": _one("order", _ORDER),
}
_KINDS = {"products": "Product", "orders": "Order"}


def _variants(size: int, levels: str = "") -> str:
    return _one(
        "product", f"variants(first: {size}, after: $after) {{ nodes {{ {_variant(levels)} }} {_MORE} }}", _AFTER
    )


_VARIANTS = {"products": _variants(100), "stock": _variants(40, _LEVELS)}
_LINES = _one("order", f"lineItems(first: 100, after: $after) {{ nodes {{ {_LINE} }} {_MORE} }}", _AFTER)
_IMAGES = _one("product", "images(first: 250) { nodes { id url } }")
_PACKED = _one("order", f"fulfillments(first: 20) {{ {_parcel(20)} }}")
_REFUNDED = _one("order", f"refunds(first: 20) {{ {_refund(20)} }}")
_SHOP = """query Shop { shop { name myshopifyDomain currencyCode billingAddress { countryCodeV2 } }
  locations(first: 2) { nodes { id } } }"""


def _way(session: Session, entity: str) -> str:
    """Which of the queries reads an entity of this shop."""
    return "stock" if entity == "products" and ways.several(session.account) else entity


class Mark(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where to go on: the platform's cursor, and the last time of change for the day when it is no longer known."""

    after: str
    at: str


_Raws = nodes.Several[msgspec.Raw]


class _Lists(msgspec.Struct):
    products: _Raws | None = None
    orders: _Raws | None = None


class _ListReply(msgspec.Struct):
    data: _Lists


class _Parts(msgspec.Struct, rename="camel"):
    """A product or an order, whole as it came or some of its parts."""

    variants: _Raws | None = None
    images: _Raws | None = None
    line_items: _Raws | None = None
    fulfillments: list[msgspec.Raw] | None = None
    refunds: list[msgspec.Raw] | None = None


class _Ones(msgspec.Struct):
    product: msgspec.Raw = msgspec.Raw(b"null")
    order: msgspec.Raw = msgspec.Raw(b"null")


class _OneReply(msgspec.Struct):
    data: _Ones


class _Head(msgspec.Struct, rename="camel"):
    """What is looked at of each row on the way: who it is, when it changed, and whether there is more of it."""

    legacy_resource_id: Loose = None
    updated_at: Loose = None
    variants: _Raws | None = None
    images: _Raws | None = None
    line_items: _Raws | None = None
    fulfillments: list[msgspec.Raw] | None = None
    refunds: list[msgspec.Raw] | None = None


class _Inner(msgspec.Struct, rename="camel"):
    """The lines of a parcel or of a refund."""

    fulfillment_line_items: _Raws | None = None
    refund_line_items: _Raws | None = None


class _Shop(msgspec.Struct, rename="camel"):
    name: Loose = None
    myshopify_domain: Loose = None
    currency_code: Loose = None
    billing_address: nodes.Place | None = None


class _ShopData(msgspec.Struct):
    shop: _Shop
    locations: nodes.Several[nodes.Named] | None = None


class _ShopReply(msgspec.Struct):
    data: _ShopData


_LIST_REPLY = reading.decoder(_ListReply)
_ONE_REPLY = reading.decoder(_OneReply)
_SHOP_REPLY = reading.decoder(_ShopReply)
_HEAD = reading.decoder(_Head)
_PARTS = reading.decoder(_Parts)
_INNER = reading.decoder(_Inner)


async def shop(session: Session, root: str, headers: Mapping[str, str] | None = None) -> Account:
    """The shop itself, under the name that its webhooks bear, with its currency. Raises client errors."""
    data = (await graph.ask(session, root, _SHOP, {}, _SHOP_REPLY, headers)).data
    found = data.shop
    country = found.billing_address.country_code_v2 if found.billing_address else None
    try:
        domain = reading.ident(found.myshopify_domain, "domain")
        extra = {"currency": reading.currency(found.currency_code)}
    except Unmappable as error:
        raise MalformedBody("the answer names no shop", reason="shape") from error
    if data.locations is not None and len(data.locations.nodes) > 1:
        extra[ways.PLACES] = ways.SEVERAL
    return Account(domain, reading.line(found.name) or domain, reading.line(country)[:2], extra)


async def page(session: Session, root: str, entity: str, window: Window, mark: Mark | None) -> RecordPage:
    """One page; a cursor that the platform has forgotten is found again by the last time of change."""
    low = None if window.since is None else _iso(window.since)
    if mark is None:
        return await _page(session, root, entity, _filter(low, window), None)
    try:
        return await _page(session, root, entity, _filter(low, window), mark.after)
    except CallerMistake:
        return await _page(session, root, entity, _filter(mark.at, window), None)


def _filter(low: str | None, window: Window) -> str:
    until = f"updated_at:<='{_iso(window.until)}'"
    return until if low is None else f"updated_at:>='{low}' AND {until}"


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


async def _page(session: Session, root: str, entity: str, wanted: str, after: str | None) -> RecordPage:
    variables = {"filter": wanted, "after": after}
    data = (await graph.ask(session, root, _LISTS[_way(session, entity)], variables, _LIST_REPLY)).data
    found = data.products if entity == "products" else data.orders
    if found is None or found.page_info is None:
        raise MalformedBody(f"the answer holds no page of {entity}", reason="shape")
    records = [await _whole(session, root, entity, bytes(raw)) for raw in found.nodes]
    if not found.page_info.has_next_page:
        return RecordPage(records, None)
    at = _head(bytes(found.nodes[-1])).updated_at if found.nodes else None
    end = found.page_info.end_cursor
    if not isinstance(at, str) or not isinstance(end, str) or not end:
        raise MalformedBody("the page says that there is another and not where", reason="shape")
    return RecordPage(records, msgspec.json.encode(Mark(end, at)).decode())


def _head(raw: bytes) -> _Head:
    """What can be read of a row; one that cannot be read costs that record alone."""
    try:
        return reading.lenient(raw, _HEAD)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _Head()


async def one(session: Session, root: str, entity: str, external_id: str) -> RawRecord | None:
    """One product or one order; None where there is none. Raises client errors."""
    if not (external_id.isascii() and external_id.isdecimal()):
        return None
    raw = await _raw(
        session, root, _ONES[_way(session, entity)], entity, {"id": graph.gid(_KINDS[entity], external_id)}
    )
    return None if raw is None else await _whole(session, root, entity, raw)


async def _raw(
    session: Session, root: str, document: str, entity: str, variables: Mapping[str, object]
) -> bytes | None:
    data = (await graph.ask(session, root, document, variables, _ONE_REPLY)).data
    raw = bytes(data.product if entity == "products" else data.order)
    if raw == b"null":
        return None
    if not raw.startswith(b"{"):
        raise MalformedBody(f"the answer holds none of the {entity}", reason="shape")
    return raw


async def _whole(session: Session, root: str, entity: str, raw: bytes) -> RawRecord:
    """The record with all that lies beyond the first page of its parts, each part as it came."""
    head = _head(raw)
    try:
        key = reading.ident(head.legacy_resource_id, "id")
    except Unmappable:
        return RawRecord("", b'{"node":' + raw + b"}")
    lot = _Lot(session, root, entity, graph.gid(_KINDS[entity], key))
    parts = {
        b"more_variants": await lot.rest(_VARIANTS.get(_way(session, entity), ""), "variants", head.variants),
        b"more_images": await lot.rest(_IMAGES, "images", head.images, whole=True),
        b"more_lines": await lot.rest(_LINES, "line_items", head.line_items),
        b"more_parcels": await lot.anew(_PACKED, "fulfillments", head.fulfillments, _PARCELS),
        b"more_refunds": await lot.anew(_REFUNDED, "refunds", head.refunds, _REFUNDS),
    }
    said = b"".join(b',"' + name + b'":[' + b",".join(rows) + b"]" for name, rows in parts.items() if rows)
    return RawRecord(key, b'{"node":' + raw + said + b"}")


class _Lot:
    """One record whose parts do not fit into the page that it came in."""

    def __init__(self, session: Session, root: str, entity: str, gid: str) -> None:
        self._session, self._root, self._entity, self._gid = session, root, entity, gid

    async def rest(self, document: str, name: str, seen: _Raws | None, *, whole: bool = False) -> list[bytes]:
        """The rows behind the first page; with `whole` all rows anew, in one page."""
        found: list[bytes] = []
        info = seen.page_info if seen is not None else None
        while info is not None and info.has_next_page:
            parts = await self._ask(document, {} if whole else {"after": info.end_cursor})
            more: _Raws | None = None if parts is None else getattr(parts, name)
            if more is None:
                break  # gone since the page was read: the record's own end comes with the next pull
            found += map(bytes, more.nodes)
            info = more.page_info
        return found

    async def anew(self, document: str, name: str, seen: list[msgspec.Raw] | None, most: int) -> list[bytes]:
        """All parcels or refunds anew where there may be more of them, or more in one of them."""
        if not seen or (len(seen) < most and not any(map(_is_cut, seen))):
            return []
        parts = await self._ask(document, {})
        found: list[msgspec.Raw] | None = None if parts is None else getattr(parts, name)
        return list(map(bytes, found or ()))

    async def _ask(self, document: str, variables: Mapping[str, object]) -> _Parts | None:
        asked = {"id": self._gid, **variables}
        raw = await _raw(self._session, self._root, document, self._entity, asked)
        try:
            return None if raw is None else reading.lenient(raw, _PARTS)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise MalformedBody("a part of a record cannot be read", reason="shape") from error


def _is_cut(raw: msgspec.Raw) -> bool:
    try:
        inner = _INNER.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    lines = inner.fulfillment_line_items or inner.refund_line_items
    return lines is not None and lines.page_info is not None and lines.page_info.has_next_page
