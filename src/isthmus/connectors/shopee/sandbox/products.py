"""Shopee's product calls (reference 2.5)."""

from isthmus.connectors.shopee.sandbox.render import STATUS, base, extra, model_list
from isthmus.connectors.shopee.sandbox.rules import refuse, shop_call, success, whole
from isthmus.sandbox import Call, Reply, Row, Seller, Shop
from isthmus.sandbox.catalogue import Status

_IDS = 50
_PAGE = (1, 100)
_TIMES = (0, 1 << 40)
_STATES = {name: state for state, name in STATUS.items()}
#: A status that a seller's own deletion never gives; a valid filter that finds nothing here.
_OTHER = frozenset({"SHOPEE_DELETE"})
_LIVE: frozenset[Status] = frozenset({"active", "inactive", "review", "banned"})


def listed(shop: Shop, call: Call) -> Reply:
    """/product/get_item_list: ids by time of the last change, oldest first."""
    seller, _ = shop_call(shop, call)
    size = whole(shop, call, "page_size", _PAGE)
    offset = whole(shop, call, "offset", (0, 1 << 40), 0)
    if shop.offset_limit is not None and offset > shop.offset_limit:
        raise refuse(shop, "product.error_param", "get items offset over limit")
    names = call.all("item_status")
    if not names or not {*_STATES, *_OTHER}.issuperset(names):
        raise refuse(shop, "product.error_param", f"item_status must be of {', '.join([*_STATES, *_OTHER])}.")
    low = whole(shop, call, "update_time_from", _TIMES, 0)
    high = whole(shop, call, "update_time_to", _TIMES, _TIMES[1])
    if low > high:
        raise refuse(shop, "product.error_param", "update_time_from lies after update_time_to.")
    states = frozenset([_STATES[name] for name in names if name in _STATES])
    ids = call.arranged(seller.shelf.ids(states, updated=(low, high)))
    rows = seller.shelf.rows(ids[offset : offset + size])
    end = offset + len(rows)
    call.record.page, call.record.rows = str(offset), len(rows)
    items = [
        {
            "item_id": row.id,
            "item_status": STATUS[row.product.status],
            "update_time": row.updated,
            "tag": {"kit": False},
        }
        for row in rows
    ]
    more = end < len(ids) and bool(rows)
    page = {"total_count": len(ids), "has_next_page": more, "next_offset": end if more else 0}
    return success(shop, {"item": items, **page})


def search(shop: Shop, call: Call) -> Reply:
    """/product/search_item: by name, SKU or status; pages by an opaque text that ends after a while."""
    seller, _ = shop_call(shop, call)
    size = whole(shop, call, "page_size", _PAGE)
    text = call.one("offset") or ""
    offset = shop.cursors.read(text) if text else 0
    if offset is None:
        raise refuse(shop, "product.error_param", "offset is invalid or expired.")
    name, sku = (call.one("item_name") or "").casefold(), call.one("item_sku")
    states = [_STATES[status] for status in call.all("item_status") if status in _STATES]
    if not name and not sku and not states:
        raise refuse(shop, "product.error_param", "Give item_name, item_sku or item_status.")
    ids = seller.shelf.ids(frozenset(states) or _LIVE)
    if name:
        ids = seller.shelf.matching(ids, lambda row: name in row.product.title.casefold())
    if sku:
        ids = seller.shelf.matching(ids, lambda row: sku in _skus(row))
    found = ids[offset : offset + size]
    more = offset + size < len(ids)
    call.record.page, call.record.rows = str(offset), len(found)
    cursor = shop.cursors.make(offset + size) if more else ""
    return success(shop, {"item_id_list": found, "total_count": len(ids), "next_offset": cursor})


def _skus(row: Row) -> set[str | None]:
    return {row.product.sku, *[variant.sku for variant in row.product.variants]}


def _rows(shop: Shop, call: Call, seller: Seller) -> list[Row]:
    """The items of `item_id_list`: 1 to 50 ids; those of other shops are left out, none at all is an error."""
    texts = call.all("item_id_list")
    if not 1 <= len(texts) <= _IDS or not all(text.isascii() and text.isdecimal() and len(text) < 18 for text in texts):
        raise refuse(shop, "product.error_param", f"item_id_list must hold 1 to {_IDS} ids.")
    rows = seller.shelf.rows([int(text) for text in texts])
    if not rows:
        raise refuse(shop, "product.error_item_not_found", "Item not found.")
    call.record.rows = len(rows)
    return rows


def base_info(shop: Shop, call: Call) -> Reply:
    """/product/get_item_base_info: up to 50 items in full, without their models."""
    seller, _ = shop_call(shop, call)
    return success(shop, {"item_list": [base(seller, row) for row in _rows(shop, call, seller)]})


def extra_info(shop: Shop, call: Call) -> Reply:
    """/product/get_item_extra_info: sales and ratings of up to 50 items."""
    seller, _ = shop_call(shop, call)
    return success(shop, {"item_list": [extra(row) for row in _rows(shop, call, seller)]})


def models(shop: Shop, call: Call) -> Reply:
    """/product/get_model_list: tiers and models of one item; both empty without variants."""
    seller, _ = shop_call(shop, call)
    row = seller.shelf.row(whole(shop, call, "item_id", (1, 1 << 56)))
    if row is None:
        raise refuse(shop, "product.error_item_not_found", "Item not found.")
    return success(shop, model_list(seller, row))
