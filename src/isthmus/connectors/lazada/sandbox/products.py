"""Lazada's product and seller calls (reference 3.5)."""

from collections.abc import Callable, Mapping

import msgspec

from isthmus.connectors.lazada.sandbox.render import rendered, seller_sku
from isthmus.connectors.lazada.sandbox.rules import missing, moment, refuse, success, verified, whole
from isthmus.sandbox import Call, Reply, Row, Seller, Shop
from isthmus.sandbox.catalogue import Status

Given = Mapping[str, str]
Answer = Callable[[Shop, Call, Seller, Given], Reply]
Served = Callable[[Call], Reply]

_LIMIT = 50
_DEFAULT_LIMIT = 20
_SKUS = 100
_FILTERS: dict[str, frozenset[Status]] = {
    "all": frozenset({"active", "inactive", "review", "banned"}),
    "live": frozenset({"active"}),
    "inactive": frozenset({"inactive"}),
    "deleted": frozenset({"deleted"}),
    "pending": frozenset({"review"}),
    "rejected": frozenset({"banned"}),
    "sold-out": frozenset({"active"}),
}


def served(shop: Shop, call: Call, answer: Answer) -> Reply:
    """Check signature, token, country and seller, count the call, then answer."""
    app, given = verified(shop, call)
    if not given.get("access_token"):
        raise missing(shop, "access_token")
    token = shop.ledger.find(given["access_token"], "access")
    country = call.params.get("country", "").upper()
    sellers = [s for s in shop.sellers if token is not None and s.id in token.grant.entities]
    sellers = [s for s in sellers if country in {"", s.country}]
    if token is None or token.grant.app is not app or token.dead(shop.clock.now()) or not sellers:
        raise refuse(shop, "IllegalAccessToken", "The specified access token is invalid or expired")
    shop.admit(call, app, sellers[0].id)
    if sellers[0].blocked:
        raise refuse(shop, "SellerNotVerified", "The seller is not verified")
    return answer(shop, call, sellers[0], given)


def listed(shop: Shop, call: Call, seller: Seller, given: Given) -> Reply:
    """/products/get: by time of the last change, oldest first."""
    if not given.get("filter"):
        raise missing(shop, "filter")
    if given["filter"] not in _FILTERS:
        raise refuse(shop, "36", f'E036: "{given["filter"][:40]}" Invalid Status Filter')
    limit = whole(shop, given.get("limit"), _DEFAULT_LIMIT, (1, _LIMIT), "19")
    offset = whole(shop, given.get("offset"), 0, (0, shop.offset_limit or 1 << 30), "14")
    ids = call.arranged(_matching(shop, seller, given))
    rows = seller.shelf.rows(ids[offset : offset + limit])
    call.record.page, call.record.rows = str(offset), len(rows)
    return success(shop, {"total_products": len(ids), "products": [rendered(seller, row) for row in rows]})


def _matching(shop: Shop, seller: Seller, given: Given) -> list[int]:
    low, high = (moment(shop, name, given.get(name)) for name in ("update_after", "update_before"))
    first, last = (moment(shop, name, given.get(name)) for name in ("create_after", "create_before"))
    for start, end in ((low, high), (first, last)):
        if start is not None and end is not None and start > end:
            raise refuse(shop, "17", "E017: Invalid Date Format: after lies behind before")
    shelf = seller.shelf
    ids = shelf.ids(_FILTERS[given["filter"]], updated=(low, high))
    if first is not None or last is not None:
        ids = shelf.matching(ids, lambda row: (first or 0) <= row.created <= (last or 1 << 40))
    if given["filter"] == "sold-out":
        ids = shelf.matching(ids, lambda row: not any(variant.stock for variant in row.product.variants))
    if given.get("sku_seller_list"):
        wanted = _skus(shop, given["sku_seller_list"])
        ids = shelf.matching(ids, lambda row: not wanted.isdisjoint(_seller_skus(row)))
    return ids


def _seller_skus(row: Row) -> list[str]:
    return [seller_sku(row, number) for number in range(len(row.product.variants))]


def _skus(shop: Shop, text: str) -> set[str]:
    try:
        found = msgspec.json.decode(text, type=list[str])
    except msgspec.DecodeError as bad:
        raise refuse(shop, "5", "E005: sku_seller_list must be a JSON array of texts") from bad
    if len(found) > _SKUS:
        raise refuse(shop, "204", f"E204: Too many SKUs, at most {_SKUS}")
    return set(found)


def one(shop: Shop, _: Call, seller: Seller, given: Given) -> Reply:
    """/product/item/get: one item by its id; a seller SKU is no longer taken (since 2023-11)."""
    text = given.get("item_id", "")
    if not text:
        raise missing(shop, "item_id")
    row = seller.shelf.row(int(text)) if text.isascii() and text.isdecimal() and len(text) < 18 else None
    if row is None:
        raise refuse(shop, "208", f'E208: "{text[:40]}" Item not found')
    return success(shop, rendered(seller, row))


def seller_of(shop: Shop, _: Call, seller: Seller, __: Given) -> Reply:
    """/seller/get."""
    return success(
        shop,
        {
            "name": seller.name,
            "name_company": f"{seller.name} Ltd.",
            "seller_id": int(seller.id),
            "short_code": seller.extra["short_code"],
            "email": seller.email,
            "location": seller.country,
            "cb": "account" in seller.extra,
            "status": "ACTIVE",
            "verified": True,
            "logo_url": "",
        },
    )
