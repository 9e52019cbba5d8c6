"""One order of Shopify (REST) as a canonical order (marketplaces.md 6.6, 9.3, 10.2, 10.4); pure."""

from collections.abc import Sequence
from datetime import UTC
from decimal import Decimal

import msgspec

from isthmus.connect import reading
from isthmus.connect.reading import Loose
from isthmus.connect.shapes import (
    Address,
    Cancellation,
    Customer,
    FulfilmentStatus,
    Order,
    OrderLine,
    OrderStatus,
    PaymentStatus,
    Shipment,
    Totals,
)
from isthmus.connect.spi import RawRecord

_PAYMENT = {
    "pending": PaymentStatus.PENDING,
    "authorized": PaymentStatus.PENDING,
    "expired": PaymentStatus.PENDING,
    "partially_paid": PaymentStatus.PARTIALLY_PAID,
    "paid": PaymentStatus.PAID,
    "partially_refunded": PaymentStatus.PARTIALLY_REFUNDED,
    "refunded": PaymentStatus.REFUNDED,
    "voided": PaymentStatus.VOIDED,
}
#: Of an order of which nothing has been sent.
_UNSENT = {
    "pending": OrderStatus.PENDING_PAYMENT,
    "authorized": OrderStatus.PENDING_PAYMENT,
    "expired": OrderStatus.PENDING_PAYMENT,
    "paid": OrderStatus.READY_TO_FULFIL,
    "partially_paid": OrderStatus.READY_TO_FULFIL,
    "partially_refunded": OrderStatus.READY_TO_FULFIL,
    "refunded": OrderStatus.CANCELLED,
    "voided": OrderStatus.CANCELLED,
}
_FULFILMENT = {
    "": FulfilmentStatus.UNFULFILLED,
    "unfulfilled": FulfilmentStatus.UNFULFILLED,
    "partial": FulfilmentStatus.PARTIAL,
    "fulfilled": FulfilmentStatus.FULFILLED,
    "restocked": FulfilmentStatus.RETURNED,
}
_SENT = {"delivered": FulfilmentStatus.DELIVERED, "": FulfilmentStatus.FULFILLED}
_COD = "cash on delivery"
#: A parcel that was called off is none.
_CALLED_OFF = frozenset({"cancelled", "error", "failure"})


class _Line(msgspec.Struct, gc=False):
    id: Loose = None
    product_id: Loose = None
    variant_id: Loose = None
    sku: Loose = None
    title: Loose = None
    variant_title: Loose = None
    quantity: Loose = None
    price: Loose = None
    total_discount: Loose = None


class _Money(msgspec.Struct, gc=False):
    amount: Loose = None


class _MoneySet(msgspec.Struct, gc=False):
    shop_money: _Money | None = None


class _Place(msgspec.Struct, gc=False):
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


class _Person(msgspec.Struct, gc=False):
    id: Loose = None
    first_name: Loose = None
    last_name: Loose = None
    email: Loose = None
    phone: Loose = None


class _Parcel(msgspec.Struct, gc=False):
    id: Loose = None
    status: Loose = None
    shipment_status: Loose = None
    tracking_company: Loose = None
    tracking_number: Loose = None
    tracking_url: Loose = None
    created_at: Loose = None
    line_items: list[_Line] | None = None


class _Order(msgspec.Struct, gc=False):
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
    total_shipping_price_set: _MoneySet | None = None
    financial_status: Loose = None
    fulfillment_status: Loose = None
    payment_gateway_names: list[Loose] | None = None
    note: Loose = None
    customer: _Person | None = None
    shipping_address: _Place | None = None
    billing_address: _Place | None = None
    line_items: list[_Line] | None = None
    fulfillments: list[_Parcel] | None = None


_ORDER = reading.decoder(_Order)


def order(record: RawRecord) -> Order:
    """The order with its lines and parcels. Raises Unmappable."""
    raw = reading.record(record.payload, _ORDER)
    external_id = reading.ident(raw.id, "order id")
    parcels = tuple(
        map(_shipment, (one for one in raw.fulfillments or () if reading.line(one.status) not in _CALLED_OFF))
    )
    status = _status(raw, parcels)
    word = _word(raw)
    lines = tuple(_line(one, status, word) for one in raw.line_items or ())
    gateways = tuple(filter(None, map(reading.line, raw.payment_gateway_names or ())))
    is_cod = any(_COD in one.lower() for one in gateways)
    shipping, billing = _address(raw.shipping_address), _address(raw.billing_address)
    to = shipping or billing
    placed = raw.processed_at if not reading.absent(raw.processed_at) else raw.created_at
    closed = reading.local(raw.closed_at, "closing time", UTC)
    return Order(
        external_id=external_id,
        number=reading.line(raw.name) or external_id,
        status=status,
        platform_status=word,
        currency=reading.currency(raw.currency),
        totals=_totals(raw, lines, is_cod=is_cod),
        lines=lines,
        payment_status=_payment(raw, is_cod=is_cod),
        fulfilment_status=_fulfilment(raw, parcels),
        placed_at=reading.local(placed, "creation time", UTC),
        completed_at=closed if status is OrderStatus.COMPLETED else None,
        cancelled_at=reading.local(raw.cancelled_at, "time of cancellation", UTC),
        platform_updated_at=reading.local(raw.updated_at, "update time", UTC),
        payment_method=", ".join(gateways) or None,
        is_cod=is_cod,
        country=to.country if to else None,
        customer=_customer(raw),
        shipping_address=shipping,
        billing_address=billing,
        buyer_note=reading.optional_line(raw.note),
        cancellation=_cancellation(raw),
        shipments=parcels,
    )


def _status(raw: _Order, parcels: Sequence[Shipment]) -> OrderStatus:
    """The table of marketplaces.md 10.2, its first match."""
    financial, sent = reading.line(raw.financial_status), reading.line(raw.fulfillment_status)
    if not reading.absent(raw.cancelled_at):
        return OrderStatus.CANCELLED
    if sent == "partial":
        return OrderStatus.PROCESSING
    if sent == "fulfilled":
        if financial == "refunded":
            return OrderStatus.RETURNED
        if not reading.absent(raw.closed_at):
            return OrderStatus.COMPLETED
        return OrderStatus.DELIVERED if _delivered(parcels) else OrderStatus.SHIPPED
    return _UNSENT.get(financial, OrderStatus.UNKNOWN) if sent in _FULFILMENT else OrderStatus.UNKNOWN


def _delivered(parcels: Sequence[Shipment]) -> bool:
    return bool(parcels) and all(one.status is FulfilmentStatus.DELIVERED for one in parcels)


def _word(raw: _Order) -> str:
    """Both states as Shopify writes them, and what overrules them."""
    parts = [reading.line(raw.financial_status) or "none", reading.line(raw.fulfillment_status) or "unfulfilled"]
    if not reading.absent(raw.cancelled_at):
        parts.append("cancelled")
    return " / ".join(parts)


def _payment(raw: _Order, *, is_cod: bool) -> PaymentStatus:
    found = _PAYMENT.get(reading.line(raw.financial_status), PaymentStatus.UNKNOWN)
    return PaymentStatus.COD_PENDING if is_cod and found is PaymentStatus.PENDING else found


def _fulfilment(raw: _Order, parcels: Sequence[Shipment]) -> FulfilmentStatus:
    found = _FULFILMENT.get(reading.line(raw.fulfillment_status), FulfilmentStatus.UNKNOWN)
    return FulfilmentStatus.DELIVERED if found is FulfilmentStatus.FULFILLED and _delivered(parcels) else found


def _totals(raw: _Order, lines: Sequence[OrderLine], *, is_cod: bool) -> Totals:
    """Lines before discounts; tax comes on top only where prices do not hold it already."""
    money = raw.total_shipping_price_set.shop_money if raw.total_shipping_price_set else None
    return Totals(
        items=sum((line.line_total for line in lines), Decimal(0)),
        grand_total=reading.decimal(raw.total_price, "total price"),
        discount_seller=reading.optional_decimal(raw.total_discounts, "discounts"),
        shipping=reading.optional_decimal(money.amount, "shipping fee") if money else None,
        tax=None if reading.truth(raw.taxes_included) else reading.optional_decimal(raw.total_tax, "tax"),
        cod_amount=reading.optional_decimal(raw.total_outstanding, "amount outstanding") if is_cod else None,
    )


def _line(raw: _Line, status: OrderStatus, word: str) -> OrderLine:
    quantity = reading.quantity(raw.quantity, "quantity")
    price = reading.decimal(raw.price, "price")
    return OrderLine(
        external_id=reading.ident(raw.id, "line id"),
        title=reading.line(raw.title),
        quantity=quantity,
        unit_price=price,
        line_total=price * quantity,
        product_external_id=reading.optional_ident(raw.product_id, "product id"),
        variant_external_id=reading.optional_ident(raw.variant_id, "variant id"),
        sku=reading.optional_line(raw.sku),
        variant_title=reading.optional_line(raw.variant_title),
        unit_list_price=price,
        discount_seller=reading.optional_decimal(raw.total_discount, "line discount") or None,
        status=status,
        platform_status=word,
    )


def _shipment(raw: _Parcel) -> Shipment:
    word = reading.line(raw.shipment_status)
    known = [one for one in raw.line_items or () if not reading.absent(one.id)]
    return Shipment(
        reading.ident(raw.id, "fulfilment id"),
        _SENT.get(word, FulfilmentStatus.FULFILLED),
        word or reading.line(raw.status),
        reading.optional_line(raw.tracking_company),
        tracking_number=reading.optional_line(raw.tracking_number),
        tracking_url=reading.optional_line(raw.tracking_url),
        quantities={reading.ident(one.id, "line id"): reading.quantity(one.quantity, "quantity") for one in known},
        shipped_at=reading.local(raw.created_at, "time of shipping", UTC),
    )


def _cancellation(raw: _Order) -> Cancellation | None:
    if reading.absent(raw.cancelled_at):
        return None
    reason = reading.optional_line(raw.cancel_reason)
    return Cancellation(by=reason if reason in {"customer", "staff"} else None, reason_code=reason)


def _address(raw: _Place | None) -> Address | None:
    if raw is None:
        return None
    return reading.address(
        name=reading.line(raw.name) or _joined(raw.first_name, raw.last_name),
        phone=raw.phone,
        line1=raw.address1,
        line2=raw.address2,
        city=raw.city,
        state=raw.province,
        postcode=raw.zip,
        country=raw.country_code,
    )


def _joined(*parts: Loose) -> str:
    return " ".join(filter(None, map(reading.line, parts)))


def _customer(raw: _Order) -> Customer | None:
    """Name, e-mail and telephone are null where the app has no approval for protected data (marketplaces.md 6.6)."""
    person = raw.customer or _Person()
    found = Customer(
        reading.optional_ident(person.id, "customer id"),
        _joined(person.first_name, person.last_name) or None,
        reading.optional_line(person.email) or reading.optional_line(raw.email),
        phone=reading.optional_line(person.phone) or reading.optional_line(raw.phone),
    )
    return found if found != Customer() else None
