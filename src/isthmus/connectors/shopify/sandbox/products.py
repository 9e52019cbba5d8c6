"""Shopify's product and shop calls (reference 6.5)."""

from isthmus.connectors.shopify.sandbox.rules import local, moment, paged, place, refuse
from isthmus.sandbox import Call, CatalogueVariant, Reply, Row, Seller, Shop, json_reply
from isthmus.sandbox.catalogue import Status, in_currency

#: What lists show: all but what is deleted.
LISTED: frozenset[Status] = frozenset({"active", "inactive", "review", "banned"})
_WORDS: dict[Status, str] = {"active": "active", "inactive": "archived", "review": "draft", "banned": "draft"}
_VARIANTS = 1_000
_OPTIONS = 3
#: Items of stock have ids of their own, beside those of their variants.
_ITEM = 7_000_000_000_000


def of_shop(_: Shop, __: Call, seller: Seller) -> Reply:
    """GET /shop.json."""
    domain = seller.extra["domain"]
    shown = {
        "id": int(seller.id),
        "name": seller.name,
        "email": seller.email,
        "domain": domain,
        "myshopify_domain": domain,
        "currency": seller.currency,
        "country_code": seller.country,
        "iana_timezone": "Asia/Ho_Chi_Minh",
        "plan_name": "basic",
    }
    return json_reply({"shop": shown})


def listed(shop: Shop, call: Call, seller: Seller) -> Reply:
    """GET /products.json."""
    at = place(shop, call)
    window = moment(at.filters, "updated_at_min"), moment(at.filters, "updated_at_max")
    wanted = at.filters.get("status")
    ids = seller.shelf.ids(LISTED, updated=window, by_id=True)
    if wanted is not None:
        names = set(wanted.split(","))
        ids = seller.shelf.matching(ids, lambda row: _WORDS[row.product.status] in names)
    shown, headers = paged(shop, call, at, ids, int)
    return json_reply({"products": [product(seller, row) for row in seller.shelf.rows(shown)]}, headers=headers)


def one(_: Shop, call: Call, seller: Seller) -> Reply:
    """GET /products/{id}.json; a deleted product is gone."""
    text = call.params["id"]
    row = seller.shelf.row(int(text)) if text.isascii() and text.isdecimal() and len(text) < 18 else None
    if row is None or row.product.status == "deleted":
        raise refuse(404, "product", "Not Found")
    return json_reply({"product": product(seller, row)})


def variant_id(row: int, at: int) -> int:
    """The id of one variant of a product."""
    return row * _VARIANTS + at


def variant_of_item(number: int) -> int:
    """The id of the variant whose stock an item is."""
    return number - _ITEM


def price(seller: Seller, row: Row, at: int) -> dict[str, str | None]:
    """What a buyer pays for a variant, and the struck-through price beside it."""
    paid, struck = _prices(seller, row, row.product.variants[at])
    return {"price": paid, "compareAtPrice": struck}


def product(seller: Seller, row: Row) -> dict[str, object]:
    """One product with its variants, as every call shows it."""
    kept = row.product
    options = [
        {"name": name, "position": at + 1, "values": list(dict.fromkeys(one.options[at] for one in kept.variants))}
        for at, name in enumerate(kept.option_names[:_OPTIONS])
    ]
    pictures = list(dict.fromkeys([*kept.images, *(one.image for one in kept.variants if one.image)]))
    return {
        "id": row.id,
        "title": kept.title,
        "body_html": kept.description,
        "vendor": kept.brand or "",
        "product_type": kept.category,
        "handle": f"product-{row.id}",
        "status": _WORDS[kept.status],
        "tags": "",
        "options": options or [{"name": "Title", "position": 1, "values": ["Default Title"]}],
        "images": [
            {"id": row.id * 10 + at, "src": url, "position": at + 1, "alt": None} for at, url in enumerate(pictures)
        ],
        "published_at": local(row.created) if kept.status == "active" else None,
        "created_at": local(row.created),
        "updated_at": local(row.updated),
        "variants": [_variant(seller, row, at, pictures) for at in range(len(kept.variants))],
    }


def _variant(seller: Seller, row: Row, at: int, pictures: list[str]) -> dict[str, object]:
    variant = row.product.variants[at]
    shown = price(seller, row, at)
    chosen = [*variant.options[:_OPTIONS], None, None, None][:_OPTIONS] if variant.options else ["Default Title"]
    first, second, third = [*chosen, None, None][:_OPTIONS]
    return {
        "id": variant_id(row.id, at),
        "product_id": row.id,
        "title": " / ".join(variant.options) or "Default Title",
        "sku": variant.sku or "",
        "barcode": variant.barcode,
        "price": shown["price"],
        "compare_at_price": shown["compareAtPrice"],
        "inventory_item_id": variant_id(row.id, at) + _ITEM,
        "inventory_quantity": variant.stock,
        "inventory_management": "shopify",
        "inventory_policy": "deny",
        "weight": float(row.product.weight),
        "weight_unit": "kg",
        "grams": int(row.product.weight * 1000),
        "option1": first,
        "option2": second,
        "option3": third,
        "position": at + 1,
        "image_id": row.id * 10 + pictures.index(variant.image) if variant.image else None,
        "taxable": True,
    }


def _prices(seller: Seller, row: Row, variant: CatalogueVariant) -> tuple[str, str | None]:
    """What a buyer pays, and the struck-through price where that is lower."""
    source = row.product.currency
    regular = in_currency(variant.price, source, seller.currency)
    if variant.sale_price is None:
        return str(regular), None
    sale = in_currency(variant.sale_price, source, seller.currency)
    return (str(sale), str(regular)) if sale < regular else (str(regular), None)
