"""WooCommerce's product calls (reference 7.3)."""

from decimal import Decimal

from isthmus.connectors.woocommerce.sandbox.rules import gmt, invalid, number, paged, refuse, site, window
from isthmus.sandbox import Call, CatalogueVariant, Reply, Row, Seller, json_reply
from isthmus.sandbox.catalogue import Status, in_currency
from isthmus.sandbox.dice import Dice

#: What the list shows for `status=any`: all but the bin.
_LISTED: frozenset[Status] = frozenset({"active", "inactive", "review", "banned"})
_WORDS: dict[Status, str] = {
    "active": "publish",
    "inactive": "private",
    "review": "pending",
    "banned": "draft",
    "deleted": "trash",
}
#: The states by the platform's words.
STATES: dict[str, Status] = {word: status for status, word in _WORDS.items()}
_VARIATIONS = 1_000


def listed(call: Call, seller: Seller) -> Reply:
    """GET /products."""
    wanted = call.one("status") or "any"
    if wanted != "any" and wanted not in STATES:
        raise invalid("status")
    states = _LISTED if wanted == "any" else frozenset({STATES[wanted]})
    ids = seller.shelf.ids(states, updated=window(call), by_id=call.one("orderby") == "id")
    if call.one("order") != "asc":
        ids = ids[::-1]
    shown, headers = paged(call, call.arranged(ids))
    return json_reply([product(seller, row) for row in seller.shelf.rows(list(shown))], headers=headers)


def one(call: Call, seller: Seller) -> Reply:
    """GET /products/{id}; a product in the bin still answers."""
    return json_reply(product(seller, found(call, seller)))


def variations(call: Call, seller: Seller) -> Reply:
    """GET /products/{id}/variations."""
    row = found(call, seller)
    numbers = range(len(row.product.variants)) if _is_variable(row) else range(0)
    shown, headers = paged(call, numbers)
    return json_reply([variation(seller, row, at) for at in shown], headers=headers)


def found(call: Call, seller: Seller) -> Row:
    """The product that a path names."""
    wanted = number(call.params["id"])
    row = None if wanted is None else seller.shelf.row(wanted)
    if row is None:
        raise refuse(404, "woocommerce_rest_product_invalid_id", "Invalid ID.")
    return row


def variation_id(row: int, at: int) -> int:
    """The id of one variation of a product."""
    return row * _VARIATIONS + at


def place_of(row: Row, wanted: int | None) -> int | None:
    """Which variation of a product an id names; None where it is none of it."""
    at = -1 if wanted is None else wanted - variation_id(row.id, 0)
    return at if _is_variable(row) and 0 <= at < len(row.product.variants) else None


def _is_variable(row: Row) -> bool:
    return len(row.product.variants) > 1


def product(seller: Seller, row: Row) -> dict[str, object]:
    """One product as every call shows it."""
    kept, variable = row.product, _is_variable(row)
    shown = _sold(seller, row, kept.variants[0]) if not variable else _parent(seller, row)
    chosen = [
        {
            "id": at + 1,
            "name": name,
            "position": at,
            "visible": True,
            "variation": variable,
            "options": list(dict.fromkeys(one.options[at] for one in kept.variants)),
        }
        for at, name in enumerate(kept.option_names)
    ]
    brand = {"id": 0, "name": "Brand", "position": 9, "visible": True, "variation": False, "options": [kept.brand]}
    return {
        **shown,
        "id": row.id,
        "name": kept.title,
        "slug": f"product-{row.id}",
        "permalink": f"https://{seller.extra['site']}/product/{row.id}/",
        "type": "variable" if variable else "simple",
        "status": _WORDS[kept.status],
        "description": kept.description,
        "short_description": "",
        **_dated(row),
        "weight": str(kept.weight),
        "dimensions": {"length": "", "width": "", "height": ""},
        "categories": [_category(kept.category)],
        "tags": [],
        "images": [{"id": row.id * 10 + at, "src": url, "name": "", "alt": ""} for at, url in enumerate(kept.images)],
        "attributes": [*chosen, *([brand] if kept.brand else [])],
        "variations": [variation_id(row.id, at) for at in range(len(kept.variants))] if variable else [],
        "meta_data": [],
    }


def _dated(row: Row) -> dict[str, object]:
    return {
        "date_created": site(row.created),
        "date_created_gmt": gmt(row.created),
        "date_modified": site(row.updated),
        "date_modified_gmt": gmt(row.updated),
    }


def _category(name: str) -> dict[str, object]:
    return {"id": Dice("woocommerce", "category", name).between(15, 9_999), "name": name, "slug": ""}


def _parent(seller: Seller, row: Row) -> dict[str, object]:
    """The product above variations has a price derived from theirs, and no stock of its own."""
    lowest = min(_paid(seller, row, one) for one in row.product.variants)
    return {
        "sku": row.product.sku or "",
        "global_unique_id": "",
        "price": str(lowest),
        "regular_price": "",
        "sale_price": "",
        "date_on_sale_from_gmt": None,
        "date_on_sale_to_gmt": None,
        "manage_stock": False,
        "stock_quantity": None,
        "stock_status": "instock",
        "backorders": "no",
    }


def _sold(seller: Seller, row: Row, variant: CatalogueVariant) -> dict[str, object]:
    regular, paid = _regular(seller, row, variant), _paid(seller, row, variant)
    return {
        "sku": variant.sku or "",
        "global_unique_id": variant.barcode or "",
        "price": str(paid),
        "regular_price": str(regular),
        "sale_price": str(paid) if paid < regular else "",
        "date_on_sale_from_gmt": None,
        "date_on_sale_to_gmt": None,
        "manage_stock": True,
        "stock_quantity": variant.stock,
        "stock_status": "instock" if variant.stock > 0 else "outofstock",
        "backorders": "no",
    }


def _regular(seller: Seller, row: Row, variant: CatalogueVariant) -> Decimal:
    return in_currency(variant.price, row.product.currency, seller.currency)


def _paid(seller: Seller, row: Row, variant: CatalogueVariant) -> Decimal:
    """A sale price counts only below the regular one."""
    regular = _regular(seller, row, variant)
    if variant.sale_price is None:
        return regular
    return min(regular, in_currency(variant.sale_price, row.product.currency, seller.currency))


def variation(seller: Seller, row: Row, at: int) -> dict[str, object]:
    """One variation as every call shows it."""
    variant = row.product.variants[at]
    image = {"id": row.id * 10 + 9, "src": variant.image, "name": "", "alt": ""} if variant.image else None
    pairs = zip(row.product.option_names, variant.options, strict=False)
    return {
        "id": variation_id(row.id, at),
        **_sold(seller, row, variant),
        **_dated(row),
        "status": "publish",
        "weight": "",
        "image": image,
        "attributes": [{"id": place + 1, "name": name, "option": value} for place, (name, value) in enumerate(pairs)],
        "meta_data": [],
    }
