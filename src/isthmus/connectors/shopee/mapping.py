"""One item of the Shopee Open Platform as a canonical listing (marketplaces.md 2.5, 9.2, 10.4); pure.

A record joins what three calls say: `{"listed": ..., "item": ..., "models": ...}`, each part as the platform sent it.
"""

from collections.abc import Sequence
from html import escape

import msgspec

from isthmus.connect import reading
from isthmus.connect.reading import Loose
from isthmus.connect.shapes import Image, Inventory, Listing, ListingStatus, Option, OptionValue, Price, Variant
from isthmus.connect.spi import Account, RawRecord, Unmappable
from isthmus.kit import text

_STATUS = {
    "NORMAL": ListingStatus.ACTIVE,
    "UNLIST": ListingStatus.INACTIVE,
    "REVIEWING": ListingStatus.PENDING,
    "BANNED": ListingStatus.BANNED,
    "SELLER_DELETE": ListingStatus.DELETED,
    "SHOPEE_DELETE": ListingStatus.DELETED,
}
#: The filter of the list takes every state by name; without one it refuses.
EVERY_STATUS = tuple(_STATUS)
_MODEL_STATUS = {"MODEL_NORMAL": ListingStatus.ACTIVE, "MODEL_UNAVAILABLE": ListingStatus.INACTIVE}
_PROMOTION = "in a running promotion"


class _Price(msgspec.Struct, gc=False):
    currency: Loose = None
    original_price: Loose = None
    current_price: Loose = None


class _Summary(msgspec.Struct, gc=False):
    total_reserved_stock: Loose = None
    total_available_stock: Loose = None


class _Place(msgspec.Struct, gc=False):
    location_id: Loose = None
    stock: Loose = None
    if_saleable: Loose = None


class _Stock(msgspec.Struct, gc=False):
    summary_info: _Summary | None = None
    seller_stock: list[_Place] | None = None
    shopee_stock: list[_Place] | None = None


class _Sold(msgspec.Struct, gc=False):
    """What an item without models and a model have in common."""

    price_info: list[_Price] | None = None
    stock_info_v2: _Stock | None = None
    gtin_code: Loose = None
    weight: Loose = None
    has_promotion: Loose = None


class _Picture(msgspec.Struct, gc=False):
    image_id: Loose = None
    image_url: Loose = None


class _Pictures(msgspec.Struct, gc=False):
    image_id_list: list[Loose] | None = None
    image_url_list: list[Loose] | None = None


class _Dimension(msgspec.Struct, gc=False):
    package_length: Loose = None
    package_width: Loose = None
    package_height: Loose = None


class _Field(msgspec.Struct, gc=False):
    field_type: Loose = None
    text: Loose = None
    image_info: _Picture | None = None


class _Extended(msgspec.Struct, gc=False):
    field_list: list[_Field] | None = None


class _Description(msgspec.Struct, gc=False):
    extended_description: _Extended | None = None


class _Brand(msgspec.Struct, gc=False):
    brand_id: Loose = None
    original_brand_name: Loose = None


class _Value(msgspec.Struct, gc=False):
    original_value_name: Loose = None
    value_unit: Loose = None


class _Attribute(msgspec.Struct, gc=False):
    original_attribute_name: Loose = None
    attribute_value_list: list[_Value] | None = None


class _Item(_Sold, gc=False):
    item_id: Loose = None
    category_id: Loose = None
    item_name: Loose = None
    item_sku: Loose = None
    item_status: Loose = None
    condition: Loose = None
    description: Loose = None
    description_type: Loose = None
    description_info: _Description | None = None
    create_time: Loose = None
    update_time: Loose = None
    image: _Pictures | None = None
    dimension: _Dimension | None = None
    attribute_list: list[_Attribute] | None = None
    brand: _Brand | None = None
    has_model: Loose = None


class _Option(msgspec.Struct, gc=False):
    option: Loose = None
    image: _Picture | None = None


class _Tier(msgspec.Struct, gc=False):
    name: Loose = None
    option_list: list[_Option] | None = None


class _Model(_Sold, gc=False):
    model_id: Loose = None
    model_sku: Loose = None
    model_status: Loose = None
    tier_index: list[Loose] | None = None


class _Models(msgspec.Struct, gc=False):
    tier_variation: list[_Tier] | None = None
    model: list[_Model] | None = None


class Listed(msgspec.Struct, gc=False):
    """What the list says of an item."""

    item_id: Loose = None
    item_status: Loose = None
    update_time: Loose = None


class _Record(msgspec.Struct, gc=False):
    listed: Listed | None = None
    item: _Item | None = None
    models: _Models | None = None


_RECORD = reading.decoder(_Record)


def listing(record: RawRecord, account: Account) -> Listing:  # noqa: ARG001 - prices name their currency themselves
    """The item with its models. Raises Unmappable."""
    raw = reading.record(record.payload, _RECORD)
    item = raw.item
    if item is None:
        raise Unmappable("The platform lists the item but does not show it.")
    item_id = reading.ident(item.item_id, "item id")
    tiers = (raw.models.tier_variation or []) if raw.models else []
    html, plain = _description(item)
    size = item.dimension or _Dimension()
    status = reading.line(item.item_status)
    return Listing(
        external_id=item_id,
        title=reading.required_line(item.item_name, "name"),
        status=_STATUS.get(status, ListingStatus.UNKNOWN),
        platform_status=status,
        variants=_variants(item, item_id, raw.models),
        description_html=html,
        description_text=plain,
        brand=_brand(item.brand),
        category_external_id=reading.optional_ident(item.category_id, "category id"),
        options=tuple(Option(reading.line(tier.name), _names(tier)) for tier in tiers),
        images=_images(item.image),
        attributes=_attributes(item.attribute_list or ()),
        weight_kg=reading.optional_decimal(item.weight, "weight"),
        length_cm=reading.optional_decimal(size.package_length, "package length"),
        width_cm=reading.optional_decimal(size.package_width, "package width"),
        height_cm=reading.optional_decimal(size.package_height, "package height"),
        condition=(reading.optional_line(item.condition) or "").lower() or None,
        platform_created_at=reading.seconds(item.create_time, "creation time"),
        platform_updated_at=reading.seconds(item.update_time, "update time"),
    )


def _variants(item: _Item, item_id: str, models: _Models | None) -> tuple[Variant, ...]:
    found = (models.model or []) if models else []
    deleted = _STATUS.get(reading.line(item.item_status)) is ListingStatus.DELETED
    if not reading.truth(item.has_model) or (deleted and not found):
        return (_alone(item, item_id),)
    if not found:
        raise Unmappable("The item has variants, but the platform names none.")
    tiers = (models.tier_variation or []) if models else []
    return tuple(_variant(item, item_id, model, tiers, place) for place, model in enumerate(found))


def _alone(item: _Item, item_id: str) -> Variant:
    return Variant(
        external_id=f"{item_id}:0",
        sku=reading.optional_line(item.item_sku),
        barcode=_barcode(item.gtin_code),
        barcode_type="gtin" if _barcode(item.gtin_code) else None,
        status=_STATUS.get(reading.line(item.item_status), ListingStatus.UNKNOWN),
        weight_kg=reading.optional_decimal(item.weight, "weight"),
        price=_price(item),
        inventory=_inventory(item.stock_info_v2),
    )


def _variant(item: _Item, item_id: str, model: _Model, tiers: Sequence[_Tier], place: int) -> Variant:
    model_id = reading.ident(model.model_id, "model id")
    chosen = [_option(tiers, at, index) for at, index in enumerate(model.tier_index or ())]
    values = tuple(OptionValue(reading.line(tier.name), reading.line(one.option)) for tier, one in chosen)
    pictures = [one.image.image_url for _, one in chosen if one.image is not None]
    barcode = _barcode(model.gtin_code)
    return Variant(
        external_id=f"{item_id}:0" if model_id == "0" else model_id,
        sku=reading.optional_line(model.model_sku) or reading.optional_line(item.item_sku),
        barcode=barcode,
        barcode_type="gtin" if barcode else None,
        title=" / ".join(value.value for value in values) or None,
        option_values=values,
        image_url=reading.optional_line(pictures[0]) if pictures else None,
        position=place,
        status=_MODEL_STATUS.get(reading.line(model.model_status), ListingStatus.UNKNOWN),
        weight_kg=reading.optional_decimal(model.weight, "weight"),
        price=_price(model),
        inventory=_inventory(model.stock_info_v2),
    )


def _option(tiers: Sequence[_Tier], tier: int, index: Loose) -> tuple[_Tier, _Option]:
    """The option that a model names by its place (marketplaces.md 2.5, get_model_list)."""
    place = reading.quantity(index, "place of an option")
    options = (tiers[tier].option_list or []) if tier < len(tiers) else []
    if not 0 <= place < len(options):
        raise Unmappable("A variant names an option that the item does not have.")
    return tiers[tier], options[place]


def _price(sold: _Sold) -> Price | None:
    """A price in a running promotion cannot be changed."""
    if not sold.price_info:
        return None
    raw = sold.price_info[0]
    currency = reading.currency(raw.currency)
    regular = reading.optional_decimal(raw.original_price, "original price")
    current = reading.optional_decimal(raw.current_price, "current price")
    if regular is None or not current:
        current = regular = current or regular
    if regular is None or current is None:
        return None
    locked = reading.truth(sold.has_promotion)
    return Price(
        currency,
        max(regular, current),
        current,
        sale_price=current if current < regular else None,
        editable=not locked,
        lock_reason=_PROMOTION if locked else None,
    )


def _inventory(stock: _Stock | None) -> tuple[Inventory, ...]:
    """Stock by location. What is reserved is named as a sum only, and is taken off the first locations that have it."""
    if stock is None:
        return ()
    summary = stock.summary_info or _Summary()
    held = reading.optional_quantity(summary.total_reserved_stock, "reserved stock") or 0
    own = [_located(place, "seller") for place in stock.seller_stock or ()]
    found: list[Inventory] = []
    for place in own:
        taken = min(held, max(place.available, 0))
        held -= taken
        found.append(msgspec.structs.replace(place, available=place.available - taken, reserved=taken))
    found += [_located(place, "platform") for place in stock.shopee_stock or ()]
    if found or reading.absent(summary.total_available_stock):
        return tuple(found)
    return (Inventory(available=reading.quantity(summary.total_available_stock, "available stock"), reserved=held),)


def _located(place: _Place, owner: str) -> Inventory:
    there = reading.quantity(place.stock, "stock")
    sold = place.if_saleable is None or reading.truth(place.if_saleable)
    return Inventory(
        available=there if sold else 0,
        on_hand=there,
        location_external_id=reading.optional_ident(place.location_id, "location id"),
        owner=owner,
    )


def _names(tier: _Tier) -> tuple[str, ...]:
    return tuple(reading.line(one.option) for one in tier.option_list or ())


def _barcode(value: Loose) -> str | None:
    """ "00" stands for none."""
    found = reading.optional_ident(value, "barcode")
    return None if found in {"0", "00"} else found


def _description(item: _Item) -> tuple[str, str]:
    """HTML and plain text: of the plain description, or of the texts and pictures of an extended one."""
    extended = item.description_info.extended_description if item.description_info else None
    if reading.line(item.description_type) != "extended" or extended is None:
        plain = reading.markup(item.description)
        return text.to_html(plain), plain.strip()
    parts: list[str] = []
    for one in extended.field_list or ():
        url = reading.line(one.image_info.image_url) if one.image_info else ""
        if reading.line(one.field_type) == "image" and url:
            parts.append(f'<img src="{escape(url)}">')
        elif reading.markup(one.text):
            parts.append(f"<p>{text.to_html(reading.markup(one.text))}</p>")
    texts = [reading.markup(one.text).strip() for one in extended.field_list or ()]
    return "\n".join(parts), "\n".join(filter(None, texts))


def _brand(brand: _Brand | None) -> str | None:
    if brand is None or str(brand.brand_id) == "0":
        return None
    return reading.optional_line(brand.original_brand_name)


def _images(pictures: _Pictures | None) -> tuple[Image, ...]:
    if pictures is None:
        return ()
    ids = pictures.image_id_list or []
    found: list[Image] = []
    for place, url in enumerate(pictures.image_url_list or ()):
        if reading.line(url):
            found.append(
                Image(reading.line(url), reading.optional_line(ids[place]) if place < len(ids) else None, place)
            )
    return tuple(found)


def _attributes(attributes: Sequence[_Attribute]) -> dict[str, str]:
    found: dict[str, str] = {}
    for one in attributes:
        values = [
            reading.line(v.original_value_name) + reading.line(v.value_unit) for v in one.attribute_value_list or ()
        ]
        name = reading.line(one.original_attribute_name)
        if name and any(values):
            found[name] = ", ".join(filter(None, values))
    return found
