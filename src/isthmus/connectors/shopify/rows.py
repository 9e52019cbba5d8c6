"""What Shopify's REST shows of a product and of an order, as far as it is read (marketplaces.md 6.5, 6.6)."""

import msgspec

from isthmus.connect.reading import Loose


class Image(msgspec.Struct, gc=False):
    id: Loose = None
    src: Loose = None
    position: Loose = None


class Option(msgspec.Struct, gc=False):
    name: Loose = None
    values: list[Loose] | None = None


class Level(msgspec.Struct, gc=False):
    """What lies of an item at one place: asked for of shops with several. What is on hand GraphQL alone tells."""

    location_id: Loose = None
    available: Loose = None
    on_hand: Loose = None
    inventory_item_id: Loose = None


class Variant(msgspec.Struct, gc=False):
    id: Loose = None
    sku: Loose = None
    barcode: Loose = None
    price: Loose = None
    compare_at_price: Loose = None
    inventory_item_id: Loose = None
    inventory_quantity: Loose = None
    inventory_management: Loose = None
    weight: Loose = None
    weight_unit: Loose = None
    option1: Loose = None
    option2: Loose = None
    option3: Loose = None
    image_id: Loose = None
    #: The picture's own address, where its id need not be looked up: REST has no such field.
    image_src: Loose = None
    #: Its stock place by place, where that was asked for: REST has no such field.
    levels: list[Level] | None = None


class Product(msgspec.Struct, gc=False):
    id: Loose = None
    title: Loose = None
    body_html: Loose = None
    vendor: Loose = None
    product_type: Loose = None
    handle: Loose = None
    status: Loose = None
    tags: Loose = None
    options: list[Option] | None = None
    images: list[Image] | None = None
    variants: list[Variant] | None = None
    created_at: Loose = None
    updated_at: Loose = None
    #: Read beside it, of shops with several places: REST has no such field.
    inventory_levels: list[Level] | None = None


class Line(msgspec.Struct, gc=False):
    id: Loose = None
    product_id: Loose = None
    variant_id: Loose = None
    sku: Loose = None
    title: Loose = None
    variant_title: Loose = None
    quantity: Loose = None
    price: Loose = None
    total_discount: Loose = None


class Money(msgspec.Struct, gc=False):
    amount: Loose = None


class MoneySet(msgspec.Struct, gc=False):
    shop_money: Money | None = None


class Place(msgspec.Struct, gc=False):
    first_name: Loose = None
    last_name: Loose = None
    name: Loose = None
    phone: Loose = None
    address1: Loose = None
    address2: Loose = None
    city: Loose = None
    province: Loose = None
    zip: Loose = None
    country_code: Loose = None


class Person(msgspec.Struct, gc=False):
    id: Loose = None
    first_name: Loose = None
    last_name: Loose = None
    email: Loose = None
    phone: Loose = None


class Parcel(msgspec.Struct, gc=False):
    id: Loose = None
    status: Loose = None
    shipment_status: Loose = None
    tracking_company: Loose = None
    tracking_number: Loose = None
    tracking_url: Loose = None
    created_at: Loose = None
    line_items: list[Line] | None = None


class Transaction(msgspec.Struct, gc=False):
    kind: Loose = None
    status: Loose = None
    amount: Loose = None


class RefundLine(msgspec.Struct, gc=False):
    line_item_id: Loose = None
    quantity: Loose = None
    restock_type: Loose = None


class Refund(msgspec.Struct, gc=False):
    """Money that went back, lines of the order for which it did, or both (shopify.dev, the Refund resource)."""

    id: Loose = None
    note: Loose = None
    created_at: Loose = None
    refund_line_items: list[RefundLine] | None = None
    transactions: list[Transaction] | None = None


class Order(msgspec.Struct, gc=False):
    id: Loose = None
    name: Loose = None
    email: Loose = None
    phone: Loose = None
    created_at: Loose = None
    updated_at: Loose = None
    processed_at: Loose = None
    closed_at: Loose = None
    cancelled_at: Loose = None
    cancel_reason: Loose = None
    currency: Loose = None
    total_price: Loose = None
    total_tax: Loose = None
    taxes_included: Loose = None
    total_discounts: Loose = None
    total_outstanding: Loose = None
    total_shipping_price_set: MoneySet | None = None
    financial_status: Loose = None
    fulfillment_status: Loose = None
    payment_gateway_names: list[Loose] | None = None
    note: Loose = None
    customer: Person | None = None
    shipping_address: Place | None = None
    billing_address: Place | None = None
    line_items: list[Line] | None = None
    fulfillments: list[Parcel] | None = None
    refunds: list[Refund] | None = None
