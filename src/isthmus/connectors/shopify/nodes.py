"""What Shopify's GraphQL answers of a product and of an order, turned into REST's rows: one mapping serves both (pure).

The ids become REST's numbers (`legacyResourceId`, or the end of a global id), states REST's words, so that a record is
the same whichever way it was read (marketplaces.md 6.5, 6.6).
"""

from collections.abc import Mapping, Sequence
from typing import Generic, TypeVar

import msgspec

from isthmus.connect.reading import Loose
from isthmus.connectors.shopify import rows

T = TypeVar("T")

#: REST's words where they are not the same in small letters.
_SENT: Mapping[str, str | None] = {"UNFULFILLED": None, "PARTIALLY_FULFILLED": "partial"}
_UNITS: Mapping[str, str | None] = {"KILOGRAMS": "kg", "GRAMS": "g", "POUNDS": "lb", "OUNCES": "oz"}
#: States that REST writes in small letters.
_KNOWN = frozenset(
    (
        "ACTIVE", "ARCHIVED", "DRAFT", "PENDING", "AUTHORIZED", "EXPIRED", "PARTIALLY_PAID", "PAID",
        "PARTIALLY_REFUNDED", "REFUNDED", "VOIDED", "FULFILLED", "RESTOCKED", "IN_PROGRESS", "ON_HOLD", "SCHEDULED",
        "PENDING_FULFILLMENT", "OPEN", "REQUEST_DECLINED", "FULFILLMENT_NOT_REQUIRED", "CUSTOMER", "FRAUD", "INVENTORY",
        "DECLINED", "STAFF", "OTHER", "SUCCESS", "CANCELLED", "ERROR", "FAILURE", "DELIVERED", "IN_TRANSIT",
        "OUT_FOR_DELIVERY", "ATTEMPTED_DELIVERY", "LABEL_PRINTED", "CONFIRMED", "READY_FOR_PICKUP",
        "RETURN", "CANCEL", "NO_RESTOCK", "LEGACY_RESTOCK",
    )
)  # fmt: skip
#: States of a parcel that say no more than that it was sent.
_PLAIN: Mapping[str, str | None] = dict.fromkeys(("FULFILLED", "MARKED_AS_FULFILLED", "SUBMITTED"))


class _Camel(msgspec.Struct, rename="camel", gc=False):
    """Named as GraphQL names it."""


class Info(_Camel, gc=False):
    has_next_page: bool = False
    end_cursor: Loose = None


class Several(_Camel, Generic[T], gc=False):
    """Some rows of a connection, and whether there are more."""

    nodes: list[T] = []
    page_info: Info | None = None


class Image(_Camel, gc=False):
    id: Loose = None
    url: Loose = None


class Weight(_Camel, gc=False):
    unit: Loose = None
    value: Loose = None


class Measurement(_Camel, gc=False):
    weight: Weight | None = None


class Named(_Camel, gc=False):
    id: Loose = None
    legacy_resource_id: Loose = None
    first_name: Loose = None
    last_name: Loose = None


class Quantity(_Camel, gc=False):
    name: Loose = None
    quantity: Loose = None


class Level(_Camel, gc=False):
    location: Named | None = None
    quantities: list[Quantity] | None = None


class Item(_Camel, gc=False):
    tracked: Loose = None
    measurement: Measurement | None = None
    inventory_levels: Several[Level] | None = None


class Option(_Camel, gc=False):
    name: Loose = None
    value: Loose = None
    values: list[Loose] | None = None


class Variant(_Camel, gc=False):
    legacy_resource_id: Loose = None
    sku: Loose = None
    barcode: Loose = None
    price: Loose = None
    compare_at_price: Loose = None
    inventory_quantity: Loose = None
    selected_options: list[Option] | None = None
    image: Image | None = None
    inventory_item: Item | None = None


class Product(_Camel, gc=False):
    legacy_resource_id: Loose = None
    title: Loose = None
    description_html: Loose = None
    vendor: Loose = None
    product_type: Loose = None
    handle: Loose = None
    status: Loose = None
    tags: list[Loose] | None = None
    options: list[Option] | None = None
    images: Several[Image] | None = None
    variants: Several[Variant] | None = None
    created_at: Loose = None
    updated_at: Loose = None


class Money(_Camel, gc=False):
    amount: Loose = None


class MoneyBag(_Camel, gc=False):
    shop_money: Money | None = None


class Line(_Camel, gc=False):
    id: Loose = None
    title: Loose = None
    variant_title: Loose = None
    sku: Loose = None
    quantity: Loose = None
    original_unit_price_set: MoneyBag | None = None
    total_discount_set: MoneyBag | None = None
    product: Named | None = None
    variant: Named | None = None


class Tracking(_Camel, gc=False):
    company: Loose = None
    number: Loose = None
    url: Loose = None


class Packed(_Camel, gc=False):
    quantity: Loose = None
    line_item: Named | None = None


class Parcel(_Camel, gc=False):
    legacy_resource_id: Loose = None
    status: Loose = None
    display_status: Loose = None
    created_at: Loose = None
    tracking_info: list[Tracking] | None = None
    fulfillment_line_items: Several[Packed] | None = None


class RefundLine(_Camel, gc=False):
    quantity: Loose = None
    restock_type: Loose = None
    line_item: Named | None = None


class Refund(_Camel, gc=False):
    legacy_resource_id: Loose = None
    note: Loose = None
    created_at: Loose = None
    total_refunded_set: MoneyBag | None = None
    refund_line_items: Several[RefundLine] | None = None


class Place(_Camel, gc=False):
    first_name: Loose = None
    last_name: Loose = None
    name: Loose = None
    phone: Loose = None
    address1: Loose = None
    address2: Loose = None
    city: Loose = None
    province: Loose = None
    zip: Loose = None
    country_code_v2: Loose = msgspec.field(default=None, name="countryCodeV2")


class Order(_Camel, gc=False):
    legacy_resource_id: Loose = None
    name: Loose = None
    email: Loose = None
    phone: Loose = None
    created_at: Loose = None
    updated_at: Loose = None
    processed_at: Loose = None
    closed_at: Loose = None
    cancelled_at: Loose = None
    cancel_reason: Loose = None
    currency_code: Loose = None
    taxes_included: Loose = None
    display_financial_status: Loose = None
    display_fulfillment_status: Loose = None
    total_price_set: MoneyBag | None = None
    total_tax_set: MoneyBag | None = None
    total_discounts_set: MoneyBag | None = None
    total_outstanding_set: MoneyBag | None = None
    total_shipping_price_set: MoneyBag | None = None
    payment_gateway_names: list[Loose] | None = None
    note: Loose = None
    customer: Named | None = None
    shipping_address: Place | None = None
    billing_address: Place | None = None
    line_items: Several[Line] | None = None
    fulfillments: list[Parcel] | None = None
    refunds: list[Refund] | None = None


class More(msgspec.Struct, gc=False):
    """What lay beyond the first page of an order's parts: lines behind it, of the others all anew if so many."""

    more_lines: list[Line] | None = None
    more_parcels: list[Parcel] | None = None
    more_refunds: list[Refund] | None = None


def product(node: Product, variants: Sequence[Variant], images: Sequence[Image]) -> rows.Product:
    """As REST would show it; `variants` are those beyond the first page, `images` all of them if so many."""
    shown = images or (node.images.nodes if node.images else ())
    known = [*(node.variants.nodes if node.variants else ()), *variants]
    return rows.Product(
        id=node.legacy_resource_id,
        title=node.title,
        body_html=node.description_html,
        vendor=node.vendor,
        product_type=node.product_type,
        handle=node.handle,
        status=_small(node.status),
        tags=", ".join(one for one in node.tags or () if isinstance(one, str)),
        options=[rows.Option(one.name, one.values) for one in node.options or ()],
        images=[rows.Image(tail(one.id), one.url) for one in shown],
        variants=[_variant(one) for one in known],
        created_at=node.created_at,
        updated_at=node.updated_at,
    )


def _variant(node: Variant) -> rows.Variant:
    item = node.inventory_item or Item()
    weight = (item.measurement or Measurement()).weight or Weight()
    first, second, third = [*(one.value for one in node.selected_options or ()), None, None, None][:3]
    return rows.Variant(
        id=node.legacy_resource_id,
        sku=node.sku,
        barcode=node.barcode,
        price=node.price,
        compare_at_price=node.compare_at_price,
        inventory_quantity=node.inventory_quantity,
        inventory_management="shopify" if item.tracked is True else None,
        weight=weight.value,
        weight_unit=_word(weight.unit, _UNITS),
        option1=first,
        option2=second,
        option3=third,
        image_src=node.image.url if node.image else None,
        levels=_levels(item.inventory_levels),
    )


def _levels(given: Several[Level] | None) -> list[rows.Level] | None:
    """The stock place by place; nothing where there are more places than were asked for, as the sum is known then."""
    if given is None or (given.page_info is not None and given.page_info.has_next_page):
        return None
    return [_level(one) for one in given.nodes if one.location is not None]


def _level(node: Level) -> rows.Level:
    counts = {one.name: one.quantity for one in node.quantities or () if isinstance(one.name, str)}
    place = node.location.legacy_resource_id if node.location is not None else None
    return rows.Level(place, counts.get("available"), counts.get("on_hand"))


def order(node: Order, more: More) -> rows.Order:
    """The order as REST would show it."""
    known = [*(node.line_items.nodes if node.line_items else ()), *(more.more_lines or ())]
    person = node.customer
    return rows.Order(
        id=node.legacy_resource_id,
        name=node.name,
        email=node.email,
        phone=node.phone,
        created_at=node.created_at,
        updated_at=node.updated_at,
        processed_at=node.processed_at,
        closed_at=node.closed_at,
        cancelled_at=node.cancelled_at,
        cancel_reason=_small(node.cancel_reason),
        currency=node.currency_code,
        total_price=_amount(node.total_price_set),
        total_tax=_amount(node.total_tax_set),
        taxes_included=node.taxes_included,
        total_discounts=_amount(node.total_discounts_set),
        total_outstanding=_amount(node.total_outstanding_set),
        total_shipping_price_set=rows.MoneySet(rows.Money(_amount(node.total_shipping_price_set))),
        financial_status=_small(node.display_financial_status),
        fulfillment_status=_word(node.display_fulfillment_status, _SENT),
        payment_gateway_names=node.payment_gateway_names,
        note=node.note,
        customer=rows.Person(person.legacy_resource_id, person.first_name, person.last_name) if person else None,
        shipping_address=_place(node.shipping_address),
        billing_address=_place(node.billing_address),
        line_items=[_line(one) for one in known],
        fulfillments=[_parcel(one) for one in more.more_parcels or node.fulfillments or ()],
        refunds=[_refund(one) for one in more.more_refunds or node.refunds or ()],
    )


def _line(node: Line) -> rows.Line:
    return rows.Line(
        id=tail(node.id),
        product_id=node.product.legacy_resource_id if node.product else None,
        variant_id=node.variant.legacy_resource_id if node.variant else None,
        sku=node.sku,
        title=node.title,
        variant_title=node.variant_title,
        quantity=node.quantity,
        price=_amount(node.original_unit_price_set),
        total_discount=_amount(node.total_discount_set),
    )


def _parcel(node: Parcel) -> rows.Parcel:
    tracking = next(iter(node.tracking_info or ()), Tracking())
    packed = node.fulfillment_line_items.nodes if node.fulfillment_line_items else ()
    return rows.Parcel(
        id=node.legacy_resource_id,
        status=_small(node.status),
        shipment_status=_word(node.display_status, _PLAIN),
        tracking_company=tracking.company,
        tracking_number=tracking.number,
        tracking_url=tracking.url,
        created_at=node.created_at,
        line_items=[rows.Line(tail(one.line_item.id), quantity=one.quantity) for one in packed if one.line_item],
    )


def _refund(node: Refund) -> rows.Refund:
    """GraphQL adds up what went back; what has not gone yet is nothing."""
    lines = node.refund_line_items.nodes if node.refund_line_items else ()
    return rows.Refund(
        id=node.legacy_resource_id,
        note=node.note,
        created_at=node.created_at,
        refund_line_items=[
            rows.RefundLine(tail(one.line_item.id), one.quantity, _small(one.restock_type))
            for one in lines
            if one.line_item
        ],
        transactions=[rows.Transaction("refund", "success", _amount(node.total_refunded_set))],
    )


def _place(node: Place | None) -> rows.Place | None:
    """The same parts in the same order."""
    return None if node is None else rows.Place(*msgspec.structs.astuple(node))


def tail(value: Loose) -> Loose:
    """The number at the end of a global id; anything else as it is."""
    return value.rpartition("/")[2] if isinstance(value, str) else value


def _amount(bag: MoneyBag | None) -> Loose:
    return bag.shop_money.amount if bag is not None and bag.shop_money is not None else None


def _small(value: Loose) -> Loose:
    """REST's word for a state; one that REST has no word for stays as it is."""
    return value.lower() if isinstance(value, str) and value in _KNOWN else value


def _word(value: Loose, words: Mapping[str, str | None]) -> Loose:
    return words[value] if isinstance(value, str) and value in words else _small(value)
