"""One product of Shopify as a canonical listing (marketplaces.md 6.5, 9.2, 10.4); pure."""

from collections.abc import Sequence
from datetime import UTC
from decimal import Decimal

import msgspec

from isthmus.connect import reading
from isthmus.connect.shapes import Image, Inventory, Listing, ListingStatus, Option, OptionValue, Price, Variant
from isthmus.connect.spi import Account, RawRecord, Unmappable
from isthmus.connectors.shopify import nodes, rows
from isthmus.kit import text

_STATUS = {"active": ListingStatus.ACTIVE, "archived": ListingStatus.INACTIVE, "draft": ListingStatus.DRAFT}
_IN_KG = {"kg": Decimal(1), "g": Decimal("0.001"), "lb": Decimal("0.45359237"), "oz": Decimal("0.028349523125")}
#: What a product without options is given as its only option and value.
_NO_OPTION = ("Title", "Default Title")


class _Record(rows.Product, gc=False):
    """A product by REST, or `node`: one by GraphQL with what lay beyond the first page of its variants and images."""

    node: nodes.Product | None = None
    more_variants: list[nodes.Variant] | None = None
    more_images: list[nodes.Image] | None = None


_PRODUCT = reading.decoder(_Record)


def listing(record: RawRecord, account: Account) -> Listing:
    """The product with all its variants; its prices are in the shop's currency. Raises Unmappable."""
    raw = _row(reading.record(record.payload, _PRODUCT))
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


def _row(found: _Record) -> rows.Product:
    """REST's row; what lies at several places is put to the variants it is of."""
    if found.node is not None:
        return nodes.product(found.node, found.more_variants or (), found.more_images or ())
    levels: dict[str, list[rows.Level]] = {}
    for one in found.inventory_levels or ():
        levels.setdefault(str(one.inventory_item_id), []).append(one)
    for sold in found.variants or ():
        sold.levels = levels.get(str(sold.inventory_item_id))
    return found


class _Priced(msgspec.Struct, frozen=True, gc=False):
    """What a variant has from its product: currency, place, and the pictures by id."""

    currency: str
    position: int
    pictures: dict[str, str]


def _names(options: Sequence[rows.Option]) -> tuple[str, ...]:
    """The option's names in their order; none for a product that has no options."""
    names = tuple(reading.line(one.name) for one in options)
    alone = len(options) == 1 and (names[0], _texts(options[0])) == (_NO_OPTION[0], (_NO_OPTION[1],))
    return () if alone else names


def _texts(option: rows.Option) -> tuple[str, ...]:
    return tuple(found for found in map(reading.line, option.values or ()) if found)


def _variant(raw: rows.Variant, names: tuple[str, ...], status: ListingStatus, shared: _Priced) -> Variant:
    chosen = zip(names, map(reading.line, (raw.option1, raw.option2, raw.option3)), strict=False)
    values = tuple(OptionValue(name, value) for name, value in chosen if name and value)
    return Variant(
        external_id=reading.ident(raw.id, "variant id"),
        sku=reading.optional_line(raw.sku),
        barcode=reading.optional_line(raw.barcode),
        title=" / ".join(value.value for value in values) or None,
        option_values=values,
        image_url=reading.optional_line(raw.image_src) or shared.pictures.get(str(raw.image_id)),
        position=shared.position,
        status=status,
        weight_kg=_weight(raw),
        price=_price(raw, shared.currency),
        inventory=_inventory(raw),
    )


def _price(raw: rows.Variant, currency: str) -> Price | None:
    """`compare_at_price` is the struck-through price; one at or below the price is none."""
    current = reading.optional_decimal(raw.price, "price")
    if current is None:
        return None
    before = reading.optional_decimal(raw.compare_at_price, "price to compare at")
    if before is None or before <= current:
        return Price(currency, current, current)
    return Price(currency, before, current, sale_price=current)


def _inventory(raw: rows.Variant) -> tuple[Inventory, ...]:
    """What can be sold, place by place where a shop has several; a variant that nobody counts has no management."""
    if reading.absent(raw.inventory_management):
        return ()
    if raw.levels:
        return tuple(map(_level, raw.levels))
    stock = reading.optional_quantity(raw.inventory_quantity, "stock")
    return () if stock is None else (Inventory(stock),)


def _level(raw: rows.Level) -> Inventory:
    """What lies at one place; what is there and cannot be sold is reserved (marketplaces.md 9.2)."""
    available = reading.quantity(raw.available, "stock")
    on_hand = reading.optional_quantity(raw.on_hand, "stock on hand")
    return Inventory(
        available,
        on_hand,
        None if on_hand is None else max(on_hand - available, 0),
        location_external_id=reading.ident(raw.location_id, "location id"),
    )


def _weight(raw: rows.Variant) -> Decimal | None:
    unit = _IN_KG.get(reading.line(raw.weight_unit))
    if unit is None:
        return None
    weight = reading.optional_decimal(raw.weight, "weight")
    return None if weight is None else reading.decimal(str(weight * unit), "weight")


def _images(raw: Sequence[rows.Image]) -> tuple[Image, ...]:
    shown = [one for one in raw if reading.line(one.src)]
    return tuple(
        Image(reading.line(one.src), reading.optional_ident(one.id, "image id"), place)
        for place, one in enumerate(shown)
    )
