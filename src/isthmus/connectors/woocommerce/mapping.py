"""One product of WooCommerce with its variations as a canonical listing (marketplaces.md 7.3, 9.2, 10.4); pure."""

from collections.abc import Sequence
from datetime import UTC
from decimal import Decimal

import msgspec

from isthmus.connect import reading
from isthmus.connect.reading import Loose
from isthmus.connect.shapes import Image, Inventory, Listing, ListingStatus, Option, OptionValue, Price, Variant
from isthmus.connect.spi import Account, RawRecord, Unmappable
from isthmus.kit import text

_STATUS = {
    "publish": ListingStatus.ACTIVE,
    "private": ListingStatus.INACTIVE,
    "future": ListingStatus.INACTIVE,
    "draft": ListingStatus.DRAFT,
    "pending": ListingStatus.PENDING,
    "trash": ListingStatus.DELETED,
}
_IN_KG = {"kg": Decimal(1), "g": Decimal("0.001"), "lbs": Decimal("0.45359237"), "oz": Decimal("0.028349523125")}
_BRAND = "brand"


class _Named(msgspec.Struct, gc=False):
    id: Loose = None
    name: Loose = None
    src: Loose = None


class _Attribute(msgspec.Struct, gc=False):
    name: Loose = None
    variation: Loose = None
    options: list[Loose] | None = None
    option: Loose = None


class _Sold(msgspec.Struct, gc=False):
    """What a product and a variation share."""

    id: Loose = None
    status: Loose = None
    sku: Loose = None
    global_unique_id: Loose = None
    price: Loose = None
    regular_price: Loose = None
    sale_price: Loose = None
    date_on_sale_from_gmt: Loose = None
    date_on_sale_to_gmt: Loose = None
    manage_stock: Loose = None
    stock_quantity: Loose = None
    weight: Loose = None
    attributes: list[_Attribute] | None = None


class _Variation(_Sold, gc=False):
    image: _Named | list[Loose] | None = None


class _Product(_Sold, gc=False):
    name: Loose = None
    permalink: Loose = None
    description: Loose = None
    short_description: Loose = None
    categories: list[_Named] | None = None
    brands: list[_Named] | None = None
    tags: list[_Named] | None = None
    images: list[_Named] | None = None
    date_created_gmt: Loose = None
    date_modified_gmt: Loose = None


class _Record(msgspec.Struct, gc=False):
    product: _Product
    variations: list[_Variation] = []


_RECORD = reading.decoder(_Record)


def listing(record: RawRecord, account: Account) -> Listing:
    """The product with all its variations; currency and unit of weight are the shop's. Raises Unmappable."""
    whole = reading.record(record.payload, _RECORD)
    raw = whole.product
    currency = reading.currency(account.extra.get("currency"))
    unit = account.extra.get("weight_unit", "")
    word = reading.line(raw.status)
    markup = reading.markup(raw.description) or reading.markup(raw.short_description)
    variants = tuple(_variant(raw, one, currency, unit, at) for at, one in enumerate(whole.variations or [None]))
    category = next(iter(raw.categories or ()), None)
    return Listing(
        external_id=reading.ident(raw.id, "product id"),
        title=reading.required_line(raw.name, "name"),
        status=_STATUS.get(word, ListingStatus.UNKNOWN),
        platform_status=word,
        variants=variants,
        description_html=markup,
        description_text=text.from_html(markup),
        brand=_brand(raw),
        category_external_id=reading.optional_ident(category.id, "category id") if category else None,
        category_path=tuple(filter(None, [reading.line(category.name)])) if category else (),
        options=_options(raw.attributes or ()),
        images=_images(raw.images or ()),
        attributes=_others(raw.attributes or ()),
        tags=tuple(filter(None, (reading.line(one.name) for one in raw.tags or ()))),
        weight_kg=_weight(raw.weight, unit),
        url=reading.optional_line(raw.permalink),
        platform_created_at=reading.local(raw.date_created_gmt, "creation time", UTC),
        platform_updated_at=reading.local(raw.date_modified_gmt, "update time", UTC),
    )


def _variant(parent: _Product, own: _Variation | None, currency: str, unit: str, position: int) -> Variant:
    """A variation, or the product itself where it has none."""
    raw: _Sold = parent if own is None else own
    values = () if own is None else _values(own.attributes or ())
    picture = own.image if own is not None and isinstance(own.image, _Named) else None
    status = _STATUS.get(reading.line(raw.status), ListingStatus.UNKNOWN)
    return Variant(
        external_id=reading.ident(raw.id, "variation id"),
        sku=reading.optional_line(raw.sku),
        barcode=reading.optional_line(raw.global_unique_id),
        title=" / ".join(value.value for value in values) or None,
        option_values=values,
        image_url=reading.optional_line(picture.src) if picture else None,
        position=position,
        status=status,
        weight_kg=_weight(raw.weight, unit),
        price=_price(raw, currency),
        inventory=_inventory(parent, raw),
    )


def _price(raw: _Sold, currency: str) -> Price | None:
    """`price` is what a buyer pays now; `regular_price` is empty where it was never set."""
    current = reading.optional_decimal(raw.price, "price")
    if current is None:
        return None
    regular = reading.optional_decimal(raw.regular_price, "regular price")
    return Price(
        currency,
        current if regular is None else regular,
        current,
        sale_price=reading.optional_decimal(raw.sale_price, "sale price"),
        sale_starts_at=reading.local(raw.date_on_sale_from_gmt, "start of the sale", UTC),
        sale_ends_at=reading.local(raw.date_on_sale_to_gmt, "end of the sale", UTC),
    )


def _inventory(parent: _Product, raw: _Sold) -> tuple[Inventory, ...]:
    """Stock is counted where `manage_stock` says so; a variation may leave it to its product (marketplaces.md 7.3)."""
    counted = parent if raw.manage_stock == "parent" else raw
    if counted.manage_stock == "parent" or not reading.truth(counted.manage_stock):
        return ()
    stock = reading.optional_quantity(counted.stock_quantity, "stock")
    return () if stock is None else (Inventory(stock),)


def _brand(raw: _Product) -> str | None:
    named = next((reading.line(one.name) for one in raw.brands or ()), "")
    if named:
        return named
    written = (one for one in raw.attributes or () if reading.line(one.name).lower() == _BRAND)
    return next((", ".join(_texts(one)) or None for one in written), None)


def _options(attributes: Sequence[_Attribute]) -> tuple[Option, ...]:
    chosen = [one for one in attributes if reading.truth(one.variation) and reading.line(one.name)]
    return tuple(Option(reading.line(one.name), tuple(_texts(one))) for one in chosen)


def _values(attributes: Sequence[_Attribute]) -> tuple[OptionValue, ...]:
    """A variation for any value of an option names none."""
    found = ((reading.line(one.name), reading.line(one.option)) for one in attributes)
    return tuple(OptionValue(name, value) for name, value in found if name and value)


def _others(attributes: Sequence[_Attribute]) -> dict[str, str]:
    plain = [one for one in attributes if not reading.truth(one.variation)]
    found = {reading.line(one.name): ", ".join(_texts(one)) for one in plain}
    return {name: value for name, value in found.items() if name and value and name.lower() != _BRAND}


def _texts(attribute: _Attribute) -> list[str]:
    return [found for found in map(reading.line, attribute.options or ()) if found]


def _images(raw: Sequence[_Named]) -> tuple[Image, ...]:
    shown = [one for one in raw if reading.line(one.src)]
    return tuple(
        Image(reading.line(one.src), reading.optional_ident(one.id, "image id"), place)
        for place, one in enumerate(shown)
    )


def _weight(value: Loose, unit: str) -> Decimal | None:
    """A weight in the shop's unit; a text that is no number, as old imports left them, is no weight."""
    if unit not in _IN_KG:
        return None
    try:
        found = reading.optional_decimal(value, "weight")
    except Unmappable:
        return None
    return None if found is None else reading.decimal(str(found * _IN_KG[unit]), "weight")
