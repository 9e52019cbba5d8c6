"""Canonical records as connectors hand them over (reference marketplaces.md 9.1, there called Product).

Money is `Decimal`, times are aware UTC, ids of the far side are texts. Empty collections are tuples.
A shape says nothing about tenants, connections or our own ids: the platform adds those.
"""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

import msgspec


class ListingStatus(StrEnum):
    """Canonical states of a listing (marketplaces.md 10.4)."""

    ACTIVE = "active"
    INACTIVE = "inactive"
    PENDING = "pending"
    REJECTED = "rejected"
    BANNED = "banned"
    DELETED = "deleted"
    DRAFT = "draft"
    UNKNOWN = "unknown"


class Option(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One choice a buyer makes, such as size, with its values in the seller's order."""

    name: str
    values: tuple[str, ...] = ()


class OptionValue(msgspec.Struct, frozen=True, gc=False):
    """The value a variant has for one option."""

    name: str
    value: str


class Image(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """An image by its address at the platform."""

    url: str
    external_id: str | None = None
    position: int = 0


class Price(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """`list_price` is the regular price, `current_price` what a buyer pays now."""

    currency: str
    list_price: Decimal
    current_price: Decimal
    sale_price: Decimal | None = None
    sale_starts_at: datetime | None = None
    sale_ends_at: datetime | None = None
    tax_included: bool | None = None
    editable: bool = True
    lock_reason: str | None = None


class Inventory(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """Stock at one location; `available` is what can still be sold."""

    available: int
    on_hand: int | None = None
    reserved: int | None = None
    campaign_locked: int | None = None
    location_external_id: str | None = None
    owner: str = "seller"


class Variant(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What is sold: a listing without variants has exactly one default variant."""

    external_id: str
    sku: str | None = None
    platform_sku: str | None = None
    barcode: str | None = None
    barcode_type: str | None = None
    title: str | None = None
    option_values: tuple[OptionValue, ...] = ()
    image_url: str | None = None
    position: int = 0
    status: ListingStatus = ListingStatus.ACTIVE
    weight_kg: Decimal | None = None
    price: Price | None = None
    inventory: tuple[Inventory, ...] = ()
    #: When it was last changed, of variants that come one by one; others change with their listing.
    changed_at: datetime | None = None

    @property
    def available(self) -> int | None:
        """What can be sold over all locations; None where the platform says nothing."""
        places = self.inventory
        if len(places) == 1:
            return places[0].available
        return sum(place.available for place in places) if places else None


class Listing(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One product as a marketplace shows it.

    `variants_complete` is False where the platform hands over variants one by one (siblings of one
    parent, marketplaces.md 4.4): such a listing is merged, variant by variant, with what is stored.
    """

    external_id: str
    title: str
    status: ListingStatus
    platform_status: str
    variants: tuple[Variant, ...]
    description_html: str = ""
    description_text: str = ""
    brand: str | None = None
    category_external_id: str | None = None
    category_path: tuple[str, ...] = ()
    options: tuple[Option, ...] = ()
    images: tuple[Image, ...] = ()
    attributes: dict[str, str] = {}
    tags: tuple[str, ...] = ()
    weight_kg: Decimal | None = None
    length_cm: Decimal | None = None
    width_cm: Decimal | None = None
    height_cm: Decimal | None = None
    condition: str | None = None
    url: str | None = None
    locked_reasons: tuple[str, ...] = ()
    platform_created_at: datetime | None = None
    platform_updated_at: datetime | None = None
    variants_complete: bool = True


class OrderStatus(StrEnum):
    """Canonical states of an order and of its lines (marketplaces.md 10.1)."""

    PENDING_PAYMENT = "pending_payment"
    ON_HOLD = "on_hold"
    READY_TO_FULFIL = "ready_to_fulfil"
    PROCESSING = "processing"
    READY_TO_SHIP = "ready_to_ship"
    SHIPPED = "shipped"
    DELIVERED = "delivered"
    COMPLETED = "completed"
    CANCEL_REQUESTED = "cancel_requested"
    CANCELLED = "cancelled"
    RETURN_REQUESTED = "return_requested"
    RETURNED = "returned"
    FAILED = "failed"
    UNKNOWN = "unknown"


class PaymentStatus(StrEnum):
    """Whether an order is paid for (marketplaces.md 10.4)."""

    PENDING = "pending"
    COD_PENDING = "cod_pending"
    PAID = "paid"
    PARTIALLY_PAID = "partially_paid"
    PARTIALLY_REFUNDED = "partially_refunded"
    REFUNDED = "refunded"
    VOIDED = "voided"
    UNKNOWN = "unknown"


class FulfilmentStatus(StrEnum):
    """How far an order's goods have got (marketplaces.md 10.4)."""

    UNFULFILLED = "unfulfilled"
    PARTIAL = "partial"
    FULFILLED = "fulfilled"
    DELIVERED = "delivered"
    RETURNED = "returned"
    UNKNOWN = "unknown"


class ReturnStatus(StrEnum):
    """How far the way back is (marketplaces.md 10.4)."""

    REQUESTED = "requested"
    #: The seller agreed, or the goods are on their way back.
    ACCEPTED = "accepted"
    DISPUTED = "disputed"
    RECEIVED = "received"
    REJECTED = "rejected"
    #: Refunded, or closed in another way.
    CLOSED = "closed"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"


class Customer(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who bought: personal data but for the id. `is_masked`: the platform shows stars instead of letters."""

    external_id: str | None = None
    name: str | None = None
    email: str | None = None
    email_is_relay: bool = False
    phone: str | None = None
    is_masked: bool = False


class Address(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where goods or a bill go: personal data. `codes` are the platform's own codes of places."""

    name: str | None = None
    phone: str | None = None
    email: str | None = None
    line1: str | None = None
    line2: str | None = None
    ward: str | None = None
    district: str | None = None
    city: str | None = None
    state: str | None = None
    postcode: str | None = None
    country: str | None = None
    full_text: str | None = None
    codes: dict[str, str] = {}
    is_masked: bool = False


class OrderLine(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was bought; units that a platform lists one by one are one line with all their ids.

    `line_total` is `quantity` times `unit_price`, which is what the buyer pays for one before the order's own
    discounts.
    """

    external_id: str
    title: str
    quantity: int
    unit_price: Decimal
    line_total: Decimal
    external_ids: tuple[str, ...] = ()
    product_external_id: str | None = None
    variant_external_id: str | None = None
    sku: str | None = None
    variant_title: str | None = None
    image_url: str | None = None
    unit_list_price: Decimal | None = None
    discount_seller: Decimal | None = None
    discount_platform: Decimal | None = None
    tax: Decimal | None = None
    status: OrderStatus = OrderStatus.UNKNOWN
    platform_status: str = ""
    cancelled_quantity: int = 0
    returned_quantity: int = 0
    location_external_id: str | None = None
    shipment_ids: tuple[str, ...] = ()


class Shipment(msgspec.Struct, frozen=True, omit_defaults=True):
    """One parcel of an order; `quantities` says how many of which line are in it, by the line's id."""

    external_id: str
    status: FulfilmentStatus = FulfilmentStatus.UNKNOWN
    platform_status: str = ""
    carrier: str | None = None
    carrier_code: str | None = None
    tracking_number: str | None = None
    tracking_url: str | None = None
    method: str | None = None
    quantities: dict[str, int] = {}
    shipped_at: datetime | None = None
    delivered_at: datetime | None = None


class Totals(msgspec.Struct, frozen=True, omit_defaults=True):
    """An order's money. What a platform does not say is None and counts as nothing.

    The parts add up: items - discount_seller - discount_platform + shipping + tax + other_fees = grand_total.
    `shipping` is what the buyer pays for it; `shipping_discount`, `cod_amount`, `seller_income` and `refunded` (what
    has gone back to the buyer) tell more and are no parts.
    """

    items: Decimal
    grand_total: Decimal
    discount_seller: Decimal | None = None
    discount_platform: Decimal | None = None
    shipping: Decimal | None = None
    shipping_discount: Decimal | None = None
    tax: Decimal | None = None
    other_fees: Decimal | None = None
    cod_amount: Decimal | None = None
    seller_income: Decimal | None = None
    refunded: Decimal | None = None


class Cancellation(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why an order was, or is to be, cancelled; `requested` says that the seller has yet to answer."""

    by: str | None = None
    reason_code: str | None = None
    reason: str | None = None
    requested: bool = False


class Related(msgspec.Struct, frozen=True):
    """Another order that this one came from or led to."""

    kind: str
    external_id: str


class Return(msgspec.Struct, frozen=True, omit_defaults=True):
    """A buyer's wish to have an order, or lines of it, taken back; `lines` are external ids of lines.

    `kind` is cancel, return, refund_only or exchange. `amount` is what goes back, where the platform says it.
    """

    external_id: str
    kind: str
    status: ReturnStatus
    platform_status: str
    reason: str | None = None
    amount: Decimal | None = None
    lines: tuple[str, ...] = ()
    due_at: datetime | None = None
    tracking_number: str | None = None


class Order(msgspec.Struct, frozen=True, omit_defaults=True):
    """One order as a marketplace shows it. `customer`, the addresses and `buyer_note` are personal data."""

    external_id: str
    number: str
    status: OrderStatus
    platform_status: str
    currency: str
    totals: Totals
    lines: tuple[OrderLine, ...]
    payment_status: PaymentStatus = PaymentStatus.UNKNOWN
    fulfilment_status: FulfilmentStatus = FulfilmentStatus.UNKNOWN
    placed_at: datetime | None = None
    paid_at: datetime | None = None
    ship_by: datetime | None = None
    completed_at: datetime | None = None
    cancelled_at: datetime | None = None
    platform_updated_at: datetime | None = None
    payment_method: str | None = None
    is_cod: bool = False
    fulfilment_type: str = "seller"
    country: str | None = None
    customer: Customer | None = None
    shipping_address: Address | None = None
    billing_address: Address | None = None
    buyer_note: str | None = None
    seller_note: str | None = None
    cancellation: Cancellation | None = None
    related: tuple[Related, ...] = ()
    shipments: tuple[Shipment, ...] = ()
    returns: tuple[Return, ...] = ()
