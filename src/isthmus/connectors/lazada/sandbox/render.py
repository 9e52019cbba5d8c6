"""An item as Lazada writes it, with the platform's habits: times as text, prices as numbers, arrays inside texts."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from functools import lru_cache

import msgspec

from isthmus.sandbox import Row, Seller
from isthmus.sandbox.catalogue import CatalogueProduct, CatalogueVariant, Status, in_currency
from isthmus.sandbox.dice import Dice

_STATUS: dict[Status, tuple[str, str]] = {
    "active": ("Active", ""),
    "inactive": ("InActive", ""),
    "review": ("Pending QC", ""),
    "banned": ("Suspended", "Lock"),
    "deleted": ("Deleted", ""),
}
_COLOURS = frozenset({"màu", "màu sắc", "color", "colour"})
_SIZES = frozenset({"size", "kích cỡ"})
_HOURS = {"VN": 7, "TH": 7, "ID": 7, "SG": 8, "MY": 8, "PH": 8}
#: One item in so many is of the older kind: options as plain keys of the SKU, pictures as a JSON text.
_OLD_EVERY = 4
_SALE_DAYS = 30


def seller_sku(row: Row, number: int) -> str:
    """The seller's SKU, unique per seller: the platform fills in missing ones and tells doubles apart."""
    sku = row.product.variants[number].sku
    if sku is None:
        return f"{row.id}-{row.created}-{number}"
    return f"{sku}-{row.index}" if row.product.shared_sku else sku


def sku_key(row: Row, number: int) -> int:
    """The id of a SKU."""
    return row.id * 100 + number


def occupied(row: Row, number: int) -> int:
    """Pieces of a SKU that buyers have; they lie at the first warehouse."""
    return sku_key(row, number) % 3


def zone_of(country: str) -> timezone:
    """The country's own time."""
    return timezone(timedelta(hours=_HOURS[country]))


def rendered(seller: Seller, row: Row) -> dict[str, object]:
    """One entry of `data.products`."""
    product = row.product
    status, sub_status = _STATUS[product.status]
    old = row.index % _OLD_EVERY == 0
    return {
        "item_id": row.id,
        "primary_category": _category(product.category),
        "created_time": str(row.created * 1000),
        "updated_time": str(row.updated * 1000),
        "status": status,
        "subStatus": sub_status,
        "images": _pictures(product.images, old),
        "marketImages": _pictures((), old),
        "attributes": _attributes(product),
        "variation": _variations(product),
        "skus": [_sku(seller, row, number, old) for number in range(len(product.variants))],
        "suspendedSkus": [],
        "rejectReason": [{"violationDetail": "Locked by the platform"}] if product.status == "banned" else [],
        "trialProduct": False,
    }


@lru_cache(maxsize=1024)
def _category(name: str) -> int:
    return Dice("lazada", "category", name).between(10_000_000, 10_099_999)


def _pictures(urls: tuple[str, ...], as_text: bool) -> list[str] | str:
    return msgspec.json.encode(urls).decode() if as_text else list(urls)


def _attributes(product: CatalogueProduct) -> dict[str, str]:
    return {
        "name": product.title,
        "description": product.description,
        "short_description": "",
        "brand": product.brand or "No Brand",
        "warranty_type": "No Warranty",
    }


def _property(name: str) -> str:
    if name.lower() in _COLOURS:
        return "color_family"
    return "size" if name.lower() in _SIZES else name.lower().replace(" ", "_")


def _variations(product: CatalogueProduct) -> dict[str, object]:
    shown: dict[str, object] = {}
    for number, name in enumerate(product.option_names):
        options = list(dict.fromkeys([variant.options[number] for variant in product.variants]))
        shown[f"Variation{number + 1}"] = {
            "name": _property(name),
            "label": name,
            "options": options,
            "has_image": number == 0 and any(variant.image for variant in product.variants),
            "customize": True,
        }
    return shown


def _sku(seller: Seller, row: Row, number: int, old: bool) -> dict[str, object]:
    product = row.product
    variant = product.variants[number]
    sku_id, held = sku_key(row, number), occupied(row, number)
    options = dict(zip(map(_property, product.option_names), variant.options, strict=True))
    shown: dict[str, object] = {
        "SkuId": sku_id,
        "SellerSku": seller_sku(row, number),
        "ShopSku": f"{row.id}_{seller.country}AMZ-{sku_id}",
        "Status": {"active": "active", "deleted": "deleted"}.get(product.status, "inactive"),
        "quantity": variant.stock + held,
        "Available": variant.stock,
        **_prices(seller, row, variant),
        "multiWarehouseInventories": _stock(seller, variant, held),
        "channelInventories": [],
        "package_weight": f"{product.weight:.2f}",
        "package_length": "30.00",
        "package_width": "20.00",
        "package_height": "3.00",
        "package_content": "",
        "Images": [variant.image] if variant.image else [],
        "Url": f"https://www.lazada.{seller.country.lower()}/-i{row.id}-s{sku_id}.html",
    }
    return {**shown, **options} if old else {**shown, "saleProp": options}


def sale_end(row: Row, variant: CatalogueVariant) -> int:
    """When the special price of a variant ends; one that nobody has dated ends some weeks after the last change."""
    return variant.sale_to or row.updated + _SALE_DAYS * 86_400


def _prices(seller: Seller, row: Row, variant: CatalogueVariant) -> dict[str, object]:
    def amount(value: Decimal) -> float:
        return float(in_currency(value, row.product.currency, seller.currency))

    if variant.sale_price is None:
        return {"price": amount(variant.price), "special_price": 0.0}
    zone = zone_of(seller.country)
    ends = sale_end(row, variant)
    start = datetime.fromtimestamp(variant.sale_from or row.created, UTC).astimezone(zone)
    end = datetime.fromtimestamp(ends, UTC).astimezone(zone)
    return {
        "price": amount(variant.price),
        "special_price": amount(variant.sale_price),
        "special_from_time": start.strftime("%Y-%m-%d %H:%M"),
        "special_to_time": end.strftime("%Y-%m-%d %H:%M"),
        "special_from_date": start.strftime("%Y-%m-%d"),
        "special_to_date": end.strftime("%Y-%m-%d"),
    }


def _stock(seller: Seller, variant: CatalogueVariant, held: int) -> list[dict[str, object]]:
    """Stock by warehouse; empty warehouses are left out."""
    found: list[dict[str, object]] = []
    for number, (place, free) in enumerate(zip(seller.warehouses, variant.spread(len(seller.warehouses)), strict=True)):
        busy = held if number == 0 else 0
        if free + busy == 0:
            continue
        found.append(
            {
                "warehouseCode": place.id,
                "totalQuantity": free + busy,
                "sellableQuantity": free,
                "occupyQuantity": busy // 2,
                "withholdQuantity": busy - busy // 2,
                "quantity": free + busy,
            }
        )
    return found
