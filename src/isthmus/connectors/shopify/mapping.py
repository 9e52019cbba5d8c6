"""One product of Shopify (REST) as a canonical listing (marketplaces.md 6.5, 9.2, 10.4); pure."""

from collections.abc import Sequence
from datetime import UTC
from decimal import Decimal

import msgspec

from isthmus.connect import reading
from isthmus.connect.reading import Loose
from isthmus.connect.shapes import Image, Inventory, Listing, ListingStatus, Option, OptionValue, Price, Variant
from isthmus.connect.spi import Account, RawRecord, Unmappable
from isthmus.kit import text

_STATUS = {"active": ListingStatus.ACTIVE, "archived": ListingStatus.INACTIVE, "draft": ListingStatus.DRAFT}
_IN_KG = {"kg": Decimal(1), "g": Decimal("0.001"), "lb": Decimal("0.45359237"), "oz": Decimal("0.028349523125")}
#: What a product without options is given as its only option and value.
_NO_OPTION = ("Title", "Default Title")


class _Image(msgspec.Struct, gc=False):
    id: Loose = None
    src: Loose = None
    position: Loose = None


class _Option(msgspec.Struct, gc=False):
    name: Loose = None
    values: list[Loose] | None = None


class _Variant(msgspec.Struct, gc=False):
    id: Loose = None
    sku: Loose = None
    barcode: Loose = None
    price: Loose = None
    compare_at_price: Loose = None
    inventory_quantity: Loose = None
    inventory_management: Loose = None
    weight: Loose = None
    weight_unit: Loose = None
    option1: Loose = None
    option2: Loose = None
    option3: Loose = None
    image_id: Loose = None


class _Product(msgspec.Struct, gc=False):
    id: Loose = None
    title: Loose = None
    body_html: Loose = None
    vendor: Loose = None
    product_type: Loose = None
    handle: Loose = None
    status: Loose = None
    tags: Loose = None
    options: list[_Option] | None = None
    images: list[_Image] | None = None
    variants: list[_Variant] | None = None
    created_at: Loose = None
    updated_at: Loose = None


_PRODUCT = reading.decoder(_Product)


def listing(record: RawRecord, account: Account) -> Listing:
    """The product with all its variants; its prices are in the shop's currency. Raises Unmappable."""
    raw = reading.record(record.payload, _PRODUCT)
    currency = reading.currency(account.extra.get("currency"))
    word = reading.line(raw.status)
    status = _STATUS.get(word, ListingStatus.UNKNOWN)
    markup = reading.markup(raw.body_html)
    names = _names(raw.options or ())
    pictures = {str(one.id): reading.line(one.src) for one in raw.images or () if reading.line(one.src)}
    variants = tuple(
        _variant(one, names, status, _Priced(currency, place, pictures)) for place, one in enumerate(raw.variants or ())
    )
    if not variants:
        raise Unmappable("The product has no variant.")
    return Listing(
        external_id=reading.ident(raw.id, "product id"),
        title=reading.required_line(raw.title, "title"),
        status=status,
        platform_status=word,
        variants=variants,
        description_html=markup,
        description_text=text.from_html(markup),
        brand=reading.optional_line(raw.vendor),
        category_path=tuple(filter(None, [reading.line(raw.product_type)])),
        options=tuple(Option(name, _texts(one)) for name, one in zip(names, raw.options or (), strict=False)),
        images=_images(raw.images or ()),
        tags=tuple(filter(None, (part.strip() for part in reading.line(raw.tags).split(",")))),
        weight_kg=variants[0].weight_kg,
        platform_created_at=reading.local(raw.created_at, "creation time", UTC),
        platform_updated_at=reading.local(raw.updated_at, "update time", UTC),
    )


class _Priced(msgspec.Struct, frozen=True, gc=False):
    """What a variant has from its product: currency, place, and the pictures by id."""

    currency: str
    position: int
    pictures: dict[str, str]


def _names(options: Sequence[_Option]) -> tuple[str, ...]:
    """The option's names in their order; none for a product that has no options."""
    names = tuple(reading.line(one.name) for one in options)
    alone = len(options) == 1 and (names[0], _texts(options[0])) == (_NO_OPTION[0], (_NO_OPTION[1],))
    return () if alone else names


def _texts(option: _Option) -> tuple[str, ...]:
    return tuple(found for found in map(reading.line, option.values or ()) if found)


def _variant(raw: _Variant, names: tuple[str, ...], status: ListingStatus, shared: _Priced) -> Variant:
    chosen = zip(names, map(reading.line, (raw.option1, raw.option2, raw.option3)), strict=False)
    values = tuple(OptionValue(name, value) for name, value in chosen if name and value)
    return Variant(
        external_id=reading.ident(raw.id, "variant id"),
        sku=reading.optional_line(raw.sku),
        barcode=reading.optional_line(raw.barcode),
        title=" / ".join(value.value for value in values) or None,
        option_values=values,
        image_url=shared.pictures.get(str(raw.image_id)),
        position=shared.position,
        status=status,
        weight_kg=_weight(raw),
        price=_price(raw, shared.currency),
        inventory=_inventory(raw),
    )


def _price(raw: _Variant, currency: str) -> Price | None:
    """`compare_at_price` is the struck-through price; one at or below the price is none."""
    current = reading.optional_decimal(raw.price, "price")
    if current is None:
        return None
    before = reading.optional_decimal(raw.compare_at_price, "price to compare at")
    if before is None or before <= current:
        return Price(currency, current, current)
    return Price(currency, before, current, sale_price=current)


def _inventory(raw: _Variant) -> tuple[Inventory, ...]:
    """What can be sold over all places; a variant that nobody counts has no management."""
    if reading.absent(raw.inventory_management):
        return ()
    stock = reading.optional_quantity(raw.inventory_quantity, "stock")
    return () if stock is None else (Inventory(stock),)


def _weight(raw: _Variant) -> Decimal | None:
    unit = _IN_KG.get(reading.line(raw.weight_unit))
    if unit is None:
        return None
    weight = reading.optional_decimal(raw.weight, "weight")
    return None if weight is None else reading.decimal(str(weight * unit), "weight")


def _images(raw: Sequence[_Image]) -> tuple[Image, ...]:
    shown = [one for one in raw if reading.line(one.src)]
    return tuple(
        Image(reading.line(one.src), reading.optional_ident(one.id, "image id"), place)
        for place, one in enumerate(shown)
    )
