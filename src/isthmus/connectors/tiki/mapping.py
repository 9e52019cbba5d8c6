"""One product of the Tiki Open API as a canonical listing (marketplaces.md 4.4, 9.2, 10.4); pure."""

from collections.abc import Iterable
from decimal import Decimal

import msgspec

from isthmus.connect import reading
from isthmus.connect.reading import Loose
from isthmus.connect.shapes import Image, Inventory, Listing, ListingStatus, Option, OptionValue, Price, Variant
from isthmus.connect.spi import RawRecord, Unmappable
from isthmus.kit import text

CURRENCY = "VND"
#: All local times of the platform are Vietnam's (marketplaces.md 4.7).
ZONE = reading.zone(7)

_REQUEST_STATES = {
    "queuing": ListingStatus.PENDING,
    "processing": ListingStatus.PENDING,
    "awaiting_approve": ListingStatus.PENDING,
    "bot_awaiting_approve": ListingStatus.PENDING,
    "md_awaiting_approve": ListingStatus.PENDING,
    "drafted": ListingStatus.DRAFT,
    "rejected": ListingStatus.REJECTED,
    "deleted": ListingStatus.DELETED,
}
#: Attributes that have a place of their own in a listing.
_PLACED = frozenset(
    {
        "description",
        "brand",
        "option1",
        "option2",
        "option1_label",
        "option2_label",
        "seller_warehouse",
        "product_weight_kg",
    }
)


class _Image(msgspec.Struct, gc=False):
    url: Loose = None
    id: Loose = None
    position: Loose = None


class _Category(msgspec.Struct, gc=False):
    id: Loose = None
    name: Loose = None
    is_primary: Loose = None


class _Stock(msgspec.Struct, gc=False):
    warehouse_id: Loose = None
    quantity: Loose = None
    quantity_available: Loose = None
    quantity_reserved: Loose = None
    quantity_sellable: Loose = None


class _Inventory(_Stock, gc=False):
    warehouse_stocks: list[_Stock] | None = None


class _Product(msgspec.Struct, gc=False):
    """PHP on the other side writes an empty object as `[]`: wherever an object is expected, a list is accepted."""

    product_id: Loose = None
    id: Loose = None
    sku: Loose = None
    original_sku: Loose = None
    min_code: Loose = None
    name: Loose = None
    super_id: Loose = None
    price: Loose = None
    market_price: Loose = None
    active: Loose = None
    is_hidden: Loose = None
    state: Loose = None
    created_at: Loose = None
    updated_at: Loose = None
    thumbnail: Loose = None
    images: list[_Image] | None = None
    categories: list[_Category] | None = None
    attributes: dict[str, Loose] | list[Loose] | None = None
    inventory: _Inventory | list[Loose] | None = None


class Key(msgspec.Struct, gc=False):
    """What a page needs to know of a record."""

    product_id: Loose = None
    id: Loose = None
    entity_type: Loose = None


_PRODUCT = reading.decoder(_Product)


def listing(record: RawRecord) -> Listing:
    """The product, or one sibling of a configurable product as a fragment of it. Raises Unmappable."""
    raw = reading.record(record.payload, _PRODUCT)
    product_id = reading.ident(raw.product_id if raw.product_id is not None else raw.id, "product id")
    attributes = raw.attributes if isinstance(raw.attributes, dict) else {}
    values = _option_values(attributes)
    group = _group(raw.super_id)
    status, platform_status = _status(raw)
    category = _primary(raw.categories or ())
    markup = reading.markup(attributes.get("description"))
    name = reading.required_line(raw.name, "name")
    whole = group is None
    return Listing(
        external_id=product_id if group is None else group,
        title=name if whole else _common_title(name, values),
        status=status,
        platform_status=platform_status,
        variants=(_variant(raw, product_id, values, status),),
        description_html=markup,
        description_text=text.from_html(markup),
        brand=reading.optional_line(attributes.get("brand")),
        category_external_id=reading.optional_ident(category.id, "category id") if category else None,
        category_path=(reading.line(category.name),) if category and category.name else (),
        options=tuple(Option(value.name, (value.value,)) for value in values),
        images=_images(raw),
        attributes=_others(attributes),
        weight_kg=_weight(attributes),
        platform_created_at=reading.local(raw.created_at, "creation time", ZONE),
        platform_updated_at=reading.local(raw.updated_at, "update time", ZONE),
        variants_complete=whole,
    )


def _group(super_id: Loose) -> str | None:
    stands_alone = reading.absent(super_id) or str(super_id) == "0"
    return None if stands_alone else reading.ident(super_id, "super id")


def _variant(raw: _Product, product_id: str, values: tuple[OptionValue, ...], status: ListingStatus) -> Variant:
    return Variant(
        external_id=product_id,
        sku=reading.optional_line(raw.original_sku),
        platform_sku=reading.optional_ident(raw.sku, "platform SKU"),
        barcode=reading.optional_ident(raw.min_code, "barcode"),
        title=" / ".join(value.value for value in values) or None,
        option_values=values,
        image_url=reading.optional_line(raw.thumbnail),
        status=status,
        price=_price(raw),
        inventory=_inventory(raw.inventory),
    )


def _status(raw: _Product) -> tuple[ListingStatus, str]:
    if isinstance(raw.state, str) and raw.state:
        return _REQUEST_STATES.get(raw.state, ListingStatus.UNKNOWN), reading.line(raw.state)
    shown = f"active={_plain(raw.active)}" + (" hidden" if reading.truth(raw.is_hidden) else "")
    if str(raw.active) in {"1", "True"}:
        return (ListingStatus.INACTIVE if reading.truth(raw.is_hidden) else ListingStatus.ACTIVE), shown
    return (ListingStatus.INACTIVE if str(raw.active) in {"0", "False"} else ListingStatus.UNKNOWN), shown


def _plain(value: Loose) -> str:
    return str(int(value)) if isinstance(value, bool) else str(value)[:40]


def _price(raw: _Product) -> Price | None:
    """`market_price` is the struck-through price, `price` what a buyer pays; a lower one is a sale."""
    current = reading.optional_decimal(raw.price, "price")
    if current is None:
        return None
    regular = reading.optional_decimal(raw.market_price, "market price")
    if not regular or regular < current:
        regular = current
    return Price(CURRENCY, regular, current, sale_price=current if current < regular else None)


def _inventory(raw: _Inventory | list[Loose] | None) -> tuple[Inventory, ...]:
    if not isinstance(raw, _Inventory):
        return ()
    if raw.warehouse_stocks:
        return tuple(_place(stock) for stock in raw.warehouse_stocks)
    return () if _sellable(raw) is None else (_place(raw),)


def _sellable(stock: _Stock) -> Loose:
    for count in (stock.quantity_sellable, stock.quantity_available, stock.quantity):
        if not reading.absent(count):
            return count
    return None


def _place(stock: _Stock) -> Inventory:
    return Inventory(
        available=reading.quantity(_sellable(stock), "stock"),
        on_hand=reading.optional_quantity(stock.quantity, "stock on hand"),
        reserved=reading.optional_quantity(stock.quantity_reserved, "reserved stock"),
        location_external_id=reading.optional_ident(stock.warehouse_id, "warehouse id"),
    )


def _option_values(attributes: dict[str, Loose]) -> tuple[OptionValue, ...]:
    """At most two options, named by their labels (marketplaces.md 4.4, Variants)."""
    found: list[OptionValue] = []
    for key in ("option1", "option2"):
        value = reading.line(attributes.get(key))
        if value:
            found.append(OptionValue(reading.line(attributes.get(f"{key}_label")) or key, value))
    return tuple(found)


def _common_title(name: str, values: tuple[OptionValue, ...]) -> str:
    """A sibling is named `Title - option - option`; what all siblings share is their listing's title."""
    for value in reversed(values):
        name = name.removesuffix(f" - {value.value}")
    return name


def _primary(categories: Iterable[_Category]) -> _Category | None:
    ordered = sorted(categories, key=lambda one: not reading.truth(one.is_primary))
    return ordered[0] if ordered else None


def _images(raw: _Product) -> tuple[Image, ...]:
    images = [one for one in raw.images or () if isinstance(one.url, str) and one.url]
    if not images and isinstance(raw.thumbnail, str) and raw.thumbnail:
        return (Image(raw.thumbnail),)
    return tuple(
        Image(reading.line(one.url), reading.optional_ident(one.id, "image id"), place)
        for place, one in enumerate(images)
    )


def _others(attributes: dict[str, Loose]) -> dict[str, str]:
    return {
        reading.line(name): reading.line(str(value))
        for name, value in attributes.items()
        if name not in _PLACED and isinstance(value, str | int | Decimal) and value != ""
    }


def _weight(attributes: dict[str, Loose]) -> Decimal | None:
    if not reading.absent(attributes.get("product_weight_kg")):
        return reading.decimal(attributes["product_weight_kg"], "weight")
    try:
        return reading.optional_decimal(attributes.get("weight"), "weight")
    except Unmappable:
        return None  # `weight` is a free attribute of some categories: "0.5 kg" is a text like any other
