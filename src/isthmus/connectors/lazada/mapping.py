"""One item of the Lazada Open Platform as a canonical listing (marketplaces.md 3.5, 9.2, 10.4); pure.

Samples disagree on types: numbers and booleans come as texts, picture lists as JSON inside a text. Both are read.
"""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

import msgspec

from isthmus.connect import reading
from isthmus.connect.pricing import holds
from isthmus.connect.reading import Loose
from isthmus.connect.shapes import Image, Inventory, Listing, ListingStatus, Option, OptionValue, Price, Variant
from isthmus.connect.spi import Account, RawRecord, Unmappable
from isthmus.kit import text

CURRENCIES = {"VN": "VND", "SG": "SGD", "MY": "MYR", "TH": "THB", "PH": "PHP", "ID": "IDR"}
HOURS = {"VN": 7, "TH": 7, "ID": 7, "SG": 8, "MY": 8, "PH": 8}
_STATUS = {
    "active": ListingStatus.ACTIVE,
    "live": ListingStatus.ACTIVE,
    "inactive": ListingStatus.INACTIVE,
    "pending qc": ListingStatus.PENDING,
    "pending": ListingStatus.PENDING,
    "rejected": ListingStatus.REJECTED,
    "suspended": ListingStatus.BANNED,
    "deleted": ListingStatus.DELETED,
}
#: A sub-status is about the moderation of the item and outweighs its status, but not a deletion.
_SUB_STATUS = {"reject": ListingStatus.REJECTED, "lock": ListingStatus.BANNED}
_PLACED = frozenset({"name", "description", "brand"})


class _Warehouse(msgspec.Struct, gc=False, rename="camel"):
    warehouse_code: Loose = None
    total_quantity: Loose = None
    sellable_quantity: Loose = None
    occupy_quantity: Loose = None
    withhold_quantity: Loose = None
    quantity: Loose = None


_SKU_NAMES = {
    "sku_id": "SkuId",
    "seller_sku": "SellerSku",
    "shop_sku": "ShopSku",
    "status": "Status",
    "available": "Available",
    "warehouses": "multiWarehouseInventories",
    "images": "Images",
    "url": "Url",
    "sale_prop": "saleProp",
}


class _Sku(msgspec.Struct, gc=False, rename=_SKU_NAMES):
    sku_id: Loose = None
    seller_sku: Loose = None
    shop_sku: Loose = None
    status: Loose = None
    price: Loose = None
    special_price: Loose = None
    special_from_time: Loose = None
    special_to_time: Loose = None
    quantity: Loose = None
    available: Loose = None
    warehouses: list[_Warehouse] | None = None
    package_weight: Loose = None
    package_length: Loose = None
    package_width: Loose = None
    package_height: Loose = None
    images: Loose = None
    url: Loose = None
    sale_prop: dict[str, Loose] | None = None


class _Variation(msgspec.Struct, gc=False):
    name: Loose = None
    label: Loose = None
    options: Loose = None


class _Item(msgspec.Struct, gc=False, rename={"sub_status": "subStatus", "reject_reason": "rejectReason"}):
    item_id: Loose = None
    primary_category: Loose = None
    created_time: Loose = None
    updated_time: Loose = None
    status: Loose = None
    sub_status: Loose = None
    images: Loose = None
    attributes: dict[str, Loose] | None = None
    variation: dict[str, _Variation] | str | list[Loose] | None = None
    skus: list[msgspec.Raw] | None = None
    reject_reason: Loose = None


class Key(msgspec.Struct, gc=False):
    """What a page needs to know of a record."""

    item_id: Loose = None


_ITEM = reading.decoder(_Item)
_SKU = reading.decoder(_Sku)
_PLAIN = reading.decoder(dict[str, Loose])


def listing(record: RawRecord, account: Account) -> Listing:
    """The item with all its SKUs; `account.region` gives currency and zone. Raises Unmappable."""
    if account.region not in CURRENCIES:
        raise Unmappable(f"The country {account.region or 'of the shop'} is not one of the platform's.")
    raw = reading.record(record.payload, _ITEM)
    attributes = raw.attributes or {}
    status, platform_status = _status(raw)
    names = _option_names(raw)
    skus = [(_decoded(one), one) for one in raw.skus or ()]
    if not skus:
        raise Unmappable("The item has no SKUs.")
    updated = reading.milliseconds(raw.updated_time, "update time")
    at = record.read_at or updated
    values = [_option_values(sku, one, names) for sku, one in skus]
    variants = tuple(
        _variant(sku, place, chosen, account.region, at)
        for place, ((sku, _), chosen) in enumerate(zip(skus, values, strict=True))
    )
    first = skus[0][0]
    markup = reading.markup(attributes.get("description")) or reading.markup(attributes.get("short_description"))
    return Listing(
        external_id=reading.ident(raw.item_id, "item id"),
        title=reading.required_line(attributes.get("name"), "name"),
        status=status,
        platform_status=platform_status,
        variants=variants,
        description_html=markup,
        description_text=text.from_html(markup),
        brand=_brand(attributes.get("brand")),
        category_external_id=reading.optional_ident(raw.primary_category, "category id"),
        options=_options(values),
        images=tuple(Image(url, position=place) for place, url in enumerate(_urls(raw.images))),
        attributes=_others(attributes),
        weight_kg=reading.optional_decimal(first.package_weight, "package weight"),
        length_cm=reading.optional_decimal(first.package_length, "package length"),
        width_cm=reading.optional_decimal(first.package_width, "package width"),
        height_cm=reading.optional_decimal(first.package_height, "package height"),
        url=reading.optional_line(first.url),
        locked_reasons=_reasons(raw.reject_reason),
        platform_created_at=reading.milliseconds(raw.created_time, "creation time"),
        platform_updated_at=updated,
    )


def _decoded(raw: msgspec.Raw) -> _Sku:
    return reading.record(bytes(raw), _SKU)


def _status(raw: _Item) -> tuple[ListingStatus, str]:
    main, sub = reading.line(raw.status), reading.line(raw.sub_status)
    status = _STATUS.get(main.lower(), ListingStatus.UNKNOWN)
    if status is not ListingStatus.DELETED:
        status = _SUB_STATUS.get(sub.lower(), status)
    return status, f"{main} / {sub}" if sub else main


def _variant(sku: _Sku, place: int, values: tuple[OptionValue, ...], region: str, at: datetime | None) -> Variant:
    pictures = _urls(sku.images)
    return Variant(
        external_id=reading.ident(sku.sku_id, "SKU id"),
        sku=reading.optional_line(sku.seller_sku),
        platform_sku=reading.optional_line(sku.shop_sku),
        title=" / ".join(value.value for value in values) or None,
        option_values=values,
        image_url=pictures[0] if pictures else None,
        position=place,
        status=_STATUS.get(reading.line(sku.status).lower(), ListingStatus.UNKNOWN),
        weight_kg=reading.optional_decimal(sku.package_weight, "package weight"),
        price=_price(sku, region, at),
        inventory=_inventory(sku),
    )


def _price(sku: _Sku, region: str, at: datetime | None) -> Price | None:
    """`special_price` counts inside its dates, which are the country's own time; what holds at `at` is current."""
    regular = reading.optional_decimal(sku.price, "price")
    if regular is None:
        return None
    sale = reading.optional_decimal(sku.special_price, "special price")
    if not sale or sale >= regular:
        return Price(CURRENCIES[region], regular, regular)
    zone = reading.zone(HOURS[region])
    starts = reading.local(sku.special_from_time, "start of the special price", zone)
    ends = reading.local(sku.special_to_time, "end of the special price", zone)
    on_sale = Price(CURRENCIES[region], regular, sale, sale, starts, ends)
    return on_sale if at is None or holds(on_sale, at) else msgspec.structs.replace(on_sale, current_price=regular)


def _inventory(sku: _Sku) -> tuple[Inventory, ...]:
    if sku.warehouses:
        return tuple(_place(one) for one in sku.warehouses)
    free = sku.quantity if reading.absent(sku.available) else sku.available
    if reading.absent(free):
        return ()
    on_hand = reading.optional_quantity(sku.quantity, "quantity")
    return (Inventory(available=reading.quantity(free, "available quantity"), on_hand=on_hand),)


def _place(stock: _Warehouse) -> Inventory:
    occupied = reading.optional_quantity(stock.occupy_quantity, "occupied quantity")
    withheld = reading.optional_quantity(stock.withhold_quantity, "withheld quantity")
    free = stock.quantity if reading.absent(stock.sellable_quantity) else stock.sellable_quantity
    return Inventory(
        available=reading.quantity(free, "sellable quantity"),
        on_hand=reading.optional_quantity(stock.total_quantity, "total quantity"),
        reserved=None if occupied is None and withheld is None else (occupied or 0) + (withheld or 0),
        location_external_id=reading.optional_ident(stock.warehouse_code, "warehouse code"),
    )


def _option_names(raw: _Item) -> dict[str, str]:
    """Key of the SKU -> name for people, in the platform's order."""
    if not isinstance(raw.variation, dict):
        return {}
    ordered = [one for _, one in sorted(raw.variation.items())]
    return {reading.line(one.name): reading.line(one.label) or reading.line(one.name) for one in ordered}


def _option_values(sku: _Sku, raw: msgspec.Raw, names: dict[str, str]) -> tuple[OptionValue, ...]:
    """From `saleProp`; older items carry the options as plain keys of the SKU, named by `variation`."""
    chosen = sku.sale_prop
    if chosen is None:
        chosen = reading.record(bytes(raw), _PLAIN) if names else {}
        chosen = {name: chosen.get(name) for name in names}
    ordered = [*[name for name in names if name in chosen], *[name for name in chosen if name not in names]]
    found = ((names.get(name) or reading.line(name), reading.line(chosen[name])) for name in ordered)
    return tuple(OptionValue(name, value) for name, value in found if name and value)


def _options(values: Iterable[tuple[OptionValue, ...]]) -> tuple[Option, ...]:
    found: dict[str, dict[str, None]] = {}
    for chosen in values:
        for one in chosen:
            found.setdefault(one.name, {})[one.value] = None
    return tuple(Option(name, tuple(options)) for name, options in found.items())


def _urls(value: Loose) -> list[str]:
    """A list of addresses, or the same list as JSON inside a text (marketplaces.md 13, no. 10)."""
    if isinstance(value, str):
        try:
            value = msgspec.json.decode(value) if value.startswith("[") else [value]
        except (msgspec.DecodeError, RecursionError):
            raise Unmappable("The pictures cannot be read.") from None
    return [url for url in map(reading.line, value) if url] if isinstance(value, list) else []


def _brand(value: Loose) -> str | None:
    found = reading.optional_line(value)
    return None if found is not None and found.lower() == "no brand" else found


def _reasons(value: Loose) -> tuple[str, ...]:
    rows = value if isinstance(value, list) else [value]
    found = [
        " ".join(map(reading.line, row.values())).strip() if isinstance(row, dict) else reading.line(row)
        for row in rows
    ]
    return tuple(reason for reason in found if reason)


def _others(attributes: dict[str, Loose]) -> dict[str, str]:
    return {
        reading.line(name): reading.line(str(value))
        for name, value in attributes.items()
        if name not in _PLACED and isinstance(value, str | int | Decimal) and value != ""
    }
