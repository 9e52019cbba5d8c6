"""An item and its models as Shopee writes them (reference 2.5)."""

from decimal import Decimal
from functools import lru_cache

from isthmus.kit.text import from_html
from isthmus.sandbox import Row, Seller
from isthmus.sandbox.catalogue import CatalogueProduct, CatalogueVariant, Status, folded, in_currency
from isthmus.sandbox.dice import Dice

STATUS: dict[Status, str] = {
    "active": "NORMAL",
    "inactive": "UNLIST",
    "review": "REVIEWING",
    "banned": "BANNED",
    "deleted": "SELLER_DELETE",
}
#: One item in so many has a description of texts and pictures instead of a plain one.
_EXTENDED_EVERY = 9
_MODELS_PER_ITEM = 1000


def has_models(product: CatalogueProduct) -> bool:
    """Whether the item has models; one without options has none."""
    return bool(product.option_names)


def model_id(row: Row, number: int) -> int:
    """The id of a model; 0 stands for an item without models."""
    return row.id * _MODELS_PER_ITEM + number if has_models(row.product) else 0


def _money(row: Row, value: Decimal, seller: Seller) -> int | float:
    amount = in_currency(value, row.product.currency, seller.currency)
    return int(amount) if amount == amount.to_integral_value() else float(amount)


def _price(seller: Seller, row: Row, variant: CatalogueVariant) -> list[dict[str, object]]:
    original = _money(row, variant.price, seller)
    current = original if variant.sale_price is None else _money(row, variant.sale_price, seller)
    return [
        {
            "currency": seller.currency,
            "original_price": original,
            "current_price": current,
            "inflated_price_of_original_price": original,
            "inflated_price_of_current_price": current,
        }
    ]


def reserved(row: Row, number: int) -> int:
    """What buyers hold of a model; all of it lies at the first location."""
    return (row.id + number) % 3


def _stock(seller: Seller, row: Row, number: int) -> dict[str, object]:
    places = [place.id for place in seller.warehouses] or [""]
    variant, held = row.product.variants[number], reserved(row, number)
    listed = [
        {"location_id": place, "stock": free + (held if at == 0 else 0), "if_saleable": True}
        for at, (place, free) in enumerate(zip(places, variant.spread(len(places)), strict=True))
    ]
    return {
        "summary_info": {"total_reserved_stock": held, "total_available_stock": variant.stock},
        "seller_stock": listed,
        "shopee_stock": [],
    }


@lru_cache(maxsize=1024)
def _category(name: str) -> int:
    return Dice("shopee", "category", name).between(100_000, 109_999)


def _image_id(url: str) -> str:
    return "vn-" + url.removeprefix("https://").replace("/", "-")


def _description(row: Row) -> dict[str, object]:
    text = from_html(row.product.description)
    if row.index % _EXTENDED_EVERY or row.product.plain:
        return {"description": text, "description_type": "normal"}
    fields: list[dict[str, object]] = [{"field_type": "text", "text": text}]
    images = [{"image_id": _image_id(url), "image_url": url} for url in row.product.images[:1]]
    fields += [{"field_type": "image", "image_info": image} for image in images]
    extended = {"extended_description": {"field_list": fields}}
    return {"description": "", "description_type": "extended", "description_info": extended}


def base(seller: Seller, row: Row) -> dict[str, object]:
    """One entry of get_item_base_info; price and stock stand here only without models."""
    product = row.product
    shown: dict[str, object] = {
        "item_id": row.id,
        "category_id": _category(product.category),
        "item_name": product.title,
        **_description(row),
        "item_sku": product.sku or "",
        "create_time": row.created,
        "update_time": row.updated,
        "image": {
            "image_id_list": [_image_id(url) for url in product.images],
            "image_url_list": list(product.images),
            "image_ratio": "1:1",
        },
        "weight": f"{product.weight.normalize():f}",
        "dimension": {"package_length": 30, "package_width": 20, "package_height": 3},
        "logistic_info": [
            {
                "logistic_id": 50018,
                "logistic_name": "Nhanh",
                "enabled": True,
                "is_free": False,
                "estimated_shipping_fee": 15000,
            }
        ],
        "pre_order": {"is_pre_order": False, "days_to_ship": 2},
        "condition": "NEW",
        "item_status": STATUS[product.status],
        "has_model": has_models(product),
        "has_promotion": any(variant.sale_price is not None for variant in product.variants),
        "deboost": False,
        "brand": _brand(product),
        "attribute_list": [],
        "wholesales": [],
    }
    return shown if has_models(product) else {**shown, **_sold_alone(seller, row)}


def _sold_alone(seller: Seller, row: Row) -> dict[str, object]:
    variant = row.product.variants[0]
    shown: dict[str, object] = {"item_sku": variant.sku or ""}
    return shown | {
        "price_info": _price(seller, row, variant),
        "stock_info_v2": _stock(seller, row, 0),
        "gtin_code": variant.barcode or "00",
    }


def _brand(product: CatalogueProduct) -> dict[str, object]:
    if product.brand is None:
        return {"brand_id": 0, "original_brand_name": "No Brand"}
    return {"brand_id": _category(product.brand) + 1_000_000, "original_brand_name": product.brand}


def extra(row: Row) -> dict[str, object]:
    """One entry of get_item_extra_info."""
    return {
        "item_id": row.id,
        "sale": row.id % 97,
        "views": row.id % 997,
        "likes": row.id % 61,
        "rating_star": row.id % 50 / 10,
        "comment_count": row.id % 31,
    }


def model_list(seller: Seller, row: Row) -> dict[str, object]:
    """The answer of get_model_list: tiers in order, and models that name their option of each tier by place."""
    product = folded(row.product)
    if not has_models(product):
        return {"tier_variation": [], "model": []}
    tiers = [
        list(dict.fromkeys([variant.options[tier] for variant in product.variants]))
        for tier in range(len(product.option_names))
    ]
    models = [_model(seller, row, variant, number, tiers) for number, variant in enumerate(product.variants)]
    shown = [
        {"name": name, "option_list": [_option(product, tier, option) for option in tiers[tier]]}
        for tier, name in enumerate(product.option_names)
    ]
    return {"tier_variation": shown, "model": models}


def _option(product: CatalogueProduct, tier: int, option: str) -> dict[str, object]:
    image = next((v.image for v in product.variants if v.options[tier] == option and v.image), None)
    if tier > 0 or image is None:
        return {"option": option}
    return {"option": option, "image": {"image_id": _image_id(image), "image_url": image}}


def _model(
    seller: Seller, row: Row, variant: CatalogueVariant, number: int, tiers: list[list[str]]
) -> dict[str, object]:
    return {
        "model_id": model_id(row, number),
        "tier_index": [tier.index(option) for tier, option in zip(tiers, variant.options, strict=True)],
        "model_sku": variant.sku or "",
        "model_status": "MODEL_NORMAL" if row.product.status != "banned" else "MODEL_UNAVAILABLE",
        "price_info": _price(seller, row, variant),
        "stock_info_v2": _stock(seller, row, number),
        "has_promotion": variant.sale_price is not None,
        "weight": f"{row.product.weight.normalize():f}",
        "gtin_code": variant.barcode or "00",
    }
