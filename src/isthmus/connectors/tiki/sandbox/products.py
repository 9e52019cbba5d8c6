"""Tiki's product and seller calls (reference 4.4)."""

from collections.abc import Callable
from functools import lru_cache

from isthmus.connectors.tiki.sandbox.pages import bounds, whole
from isthmus.connectors.tiki.sandbox.rules import local, parsed, refuse
from isthmus.sandbox import Call, Reply, Row, Seller, Shop, json_reply
from isthmus.sandbox.catalogue import CatalogueVariant, Status, folded, in_currency
from isthmus.sandbox.dice import Dice

Answer = Callable[[Call, Seller], Reply]
Served = Callable[[Call], Reply]

_SCOPES = frozenset({"product", "inventory"})
_DEFAULT_LIMIT = 20
_LIMIT = 50
_STATES: frozenset[Status] = frozenset({"active", "inactive", "review", "banned"})
_ON: frozenset[Status] = frozenset({"active"})
_INCLUDES = ("attributes", "categories", "images", "inventory")
_MASTER_OFFSET = 900_000_000


def served(shop: Shop, call: Call, answer: Answer, scopes: frozenset[str] = _SCOPES) -> Reply:
    """Check the token, its scope and the seller, count the call, then answer."""
    token = shop.ledger.find(shop.bearer(call), "access")
    if token is None or token.dead(shop.clock.now()):
        raise refuse(401, "token", "Access token is missing, invalid or expired")
    seller = shop.seller(token.entity)
    shop.admit(call, token.grant.app, token.entity)
    if seller is None:
        raise refuse(401, "token", "Access token is not tied to a seller")
    if not (scopes | {"all"}) & set(token.grant.scopes):
        raise refuse(403, "scope", f"Access token lacks the scope {max(scopes)}")
    if seller.blocked:
        raise refuse(403, "seller", "Seller is inactive")
    return answer(call, seller)


def listed(call: Call, seller: Seller) -> Reply:
    """GET /products: pages by number, in the order of the ids, optional parts by `include`."""
    page, limit = whole(call, "page", 1), whole(call, "limit", _DEFAULT_LIMIT, _LIMIT)
    ids = call.arranged(_matching(call, seller))
    start, end, last = bounds(page, limit, len(ids))
    include = [name for name in call.all("include") if name in _INCLUDES]
    data = [_rendered(seller, row, include) for row in seller.shelf.rows(ids[start:end])]
    call.record.page, call.record.rows = str(page), len(data)
    paging = {
        "total": len(ids),
        "per_page": limit,
        "current_page": page,
        "last_page": last,
        "from": start + 1 if data else None,
        "to": start + len(data) if data else None,
    }
    return json_reply({"data": data, "paging": paging})


def _matching(call: Call, seller: Seller) -> list[int]:
    shelf = seller.shelf
    active = call.one("active")
    if active not in {None, "0", "1"}:
        raise refuse(422, "active", "active must be 0 or 1")
    states = _STATES if active is None else _ON if active == "1" else _STATES - _ON
    window = [parsed(name, call.one(name)) for name in ("updated_from_date", "updated_to_date")]
    created = [parsed(name, call.one(name)) for name in ("created_from_date", "created_to_date")]
    for low, high in (window, created):
        if low is not None and high is not None and low > high:
            raise refuse(422, "window", "the from date lies after the to date")
    ids = shelf.ids(states, updated=(window[0], window[1]), by_id=True)
    name, category = (call.one("name") or "").casefold(), call.one("category_id")
    if any(created):
        low, high = created[0] or 0, created[1] or 1 << 40
        ids = shelf.matching(ids, lambda row: low <= row.created <= high)
    if name:
        ids = shelf.matching(ids, lambda row: name in row.product.title.casefold())
    if category is not None:
        ids = shelf.matching(ids, lambda row: str(_category(row.product.category)) == category)
    return ids


def one(call: Call, seller: Seller) -> Reply:
    """GET /products/{id}: everything about one product."""
    text = call.params["id"]
    row = seller.shelf.row(int(text)) if text.isascii() and text.isdecimal() and len(text) < 18 else None
    if row is None or row.product.status == "deleted":
        raise refuse(404, "product", f"Product not found id: {text[:40]}")
    return json_reply(_rendered(seller, row, _INCLUDES))


def found_by(call: Call, seller: Seller) -> Reply:
    """GET /products/findBy?original_sku=: the first product with the seller's SKU."""
    sku = call.one("original_sku")
    if not sku:
        raise refuse(422, "original_sku", "original_sku is required")
    found = seller.shelf.matching(seller.shelf.ids(_STATES, by_id=True), lambda row: _variant(row).sku == sku)
    row = seller.shelf.row(found[0]) if found else None
    if row is None:
        raise refuse(404, "product", f"Product not found original_sku: {sku[:80]}")
    return json_reply(_rendered(seller, row, _INCLUDES))


def me(_: Call, seller: Seller) -> Reply:
    """GET /sellers/me."""
    return json_reply(
        {
            "id": int(seller.id),
            "sid": seller.extra["sid"],
            "name": seller.name,
            "logo": None,
            "operation_models": ["dropship", "instock"],
            "active": 1,
            "registration_status": "completed",
            "can_update_product": 1,
        }
    )


def warehouses(_: Call, seller: Seller) -> Reply:
    """GET /sellers/me/warehouses."""
    data = [{"id": int(place.id), "name": place.name, "status": 1} for place in seller.warehouses]
    count = len(data)
    paging = {"total": count, "per_page": _DEFAULT_LIMIT, "current_page": 1, "last_page": 1, "from": 1, "to": count}
    return json_reply({"data": data, "paging": paging})


def _variant(row: Row) -> CatalogueVariant:
    return folded(row.product).variants[row.variant or 0]


@lru_cache(maxsize=1024)
def _category(name: str) -> int:
    return Dice("tiki", "category", name).between(1_000, 99_999)


def _rendered(seller: Seller, row: Row, include: list[str] | tuple[str, ...]) -> dict[str, object]:
    product, variant = folded(row.product), _variant(row)
    grouped = len(product.variants) > 1
    listed_price = in_currency(variant.price, product.currency, "VND")
    price = listed_price if variant.sale_price is None else in_currency(variant.sale_price, product.currency, "VND")
    super_id = _MASTER_OFFSET + row.index if grouped else 0
    thumbnail = variant.image or (product.images[0] if product.images else None)
    shown: dict[str, object] = {
        "product_id": row.id,
        "sku": str(9_000_000_000_000 + row.id),
        "name": " - ".join([product.title, *variant.options]),
        "master_id": _MASTER_OFFSET * 2 + row.index,
        "master_sku": str(8_000_000_000_000 + row.index),
        "super_id": super_id,
        "super_sku": str(7_000_000_000_000 + super_id) if grouped else None,
        "active": 1 if product.status == "active" else 0,
        "is_hidden": product.status == "banned",
        "original_sku": variant.sku,
        "type": "simple",
        "entity_type": "seller_simple",
        "price": int(price),
        "market_price": int(listed_price),
        "created_at": local(row.created),
        "updated_at": local(row.updated),
        "created_by": seller.email,
        "thumbnail": thumbnail,
    }
    parts: dict[str, Callable[[], object]] = {
        "images": lambda: _images(row),
        "categories": lambda: [
            {"id": _category(product.category), "name": product.category, "url_key": None, "is_primary": True}
        ],
        "attributes": lambda: _attributes(seller, row),
        "inventory": lambda: _inventory(seller, row),
    }
    return shown | {name: parts[name]() for name in include}


def _images(row: Row) -> list[dict[str, object]]:
    variant = _variant(row)
    urls = [url for url in (variant.image, *row.product.images) if url]
    return [
        {
            "id": row.id * 10 + place,
            "url": url,
            "path": url.rpartition("/")[2],
            "position": place,
            "label": None,
            "is_gallery": True,
        }
        for place, url in enumerate(urls)
    ]


def _attributes(seller: Seller, row: Row) -> dict[str, object]:
    product, variant = folded(row.product), _variant(row)
    shown: dict[str, object] = {
        "description": product.description,
        "brand": product.brand,
        "weight": float(product.weight),
        "seller_warehouse": ",".join([place.id for place in seller.warehouses]),
    }
    for number, (label, option) in enumerate(zip(product.option_names, variant.options, strict=True), 1):
        shown |= {f"option{number}": option, f"option{number}_label": label}
    return shown


def _inventory(seller: Seller, row: Row) -> dict[str, object]:
    variant, reserved = _variant(row), row.id % 3
    stocks: list[dict[str, int]] = []
    for number, (place, free) in enumerate(zip(seller.warehouses, variant.spread(len(seller.warehouses)), strict=True)):
        stocks.append({"warehouse_id": int(place.id)} | quantities(free, reserved if number == 0 else 0))
    kinds = {"fulfillment_type": "tiki_delivery", "inventory_type": "backorder", "warehouse_stocks": stocks}
    return {**kinds, **quantities(variant.stock, reserved)}


def quantities(sellable: int, reserved: int) -> dict[str, int]:
    """The four counts of a stock."""
    return {
        "quantity": sellable + reserved,
        "quantity_available": sellable,
        "quantity_reserved": reserved,
        "quantity_sellable": sellable,
    }
