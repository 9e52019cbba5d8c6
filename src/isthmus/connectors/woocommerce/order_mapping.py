"""One order of WooCommerce as a canonical order (marketplaces.md 7.4, 9.3, 10.2, 10.4); pure."""

from collections.abc import Iterable
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
    Related,
    Return,
    ReturnStatus,
    Totals,
)
from isthmus.connect.spi import RawRecord

_STATUS = {
    "pending": OrderStatus.PENDING_PAYMENT,
    "checkout-draft": OrderStatus.PENDING_PAYMENT,
    "on-hold": OrderStatus.ON_HOLD,
    "processing": OrderStatus.READY_TO_FULFIL,
    "completed": OrderStatus.COMPLETED,
    "cancelled": OrderStatus.CANCELLED,
    "trash": OrderStatus.CANCELLED,
    "refunded": OrderStatus.RETURNED,
    "failed": OrderStatus.FAILED,
}
_FULFILMENT = {
    OrderStatus.COMPLETED: FulfilmentStatus.FULFILLED,
    OrderStatus.RETURNED: FulfilmentStatus.RETURNED,
    OrderStatus.UNKNOWN: FulfilmentStatus.UNKNOWN,
}
_COD = "cod"


class _Item(msgspec.Struct, gc=False):
    id: Loose = None
    name: Loose = None
    product_id: Loose = None
    variation_id: Loose = None
    quantity: Loose = None
    subtotal: Loose = None
    total: Loose = None
    total_tax: Loose = None
    sku: Loose = None


class _Sum(msgspec.Struct, gc=False):
    total: Loose = None


class _Refund(msgspec.Struct, gc=False):
    id: Loose = None
    reason: Loose = None
    total: Loose = None


class _Place(msgspec.Struct, gc=False):
    first_name: Loose = None
    last_name: Loose = None
    company: Loose = None
    address_1: Loose = None
    address_2: Loose = None
    city: Loose = None
    state: Loose = None
    postcode: Loose = None
    country: Loose = None
    email: Loose = None
    phone: Loose = None


class _Order(msgspec.Struct, gc=False):
    id: Loose = None
    parent_id: Loose = None
    number: Loose = None
    status: Loose = None
    currency: Loose = None
    date_created_gmt: Loose = None
    date_modified_gmt: Loose = None
    date_paid_gmt: Loose = None
    date_completed_gmt: Loose = None
    discount_total: Loose = None
    shipping_total: Loose = None
    total: Loose = None
    total_tax: Loose = None
    customer_id: Loose = None
    customer_note: Loose = None
    billing: _Place | list[Loose] | None = None
    shipping: _Place | list[Loose] | None = None
    payment_method: Loose = None
    payment_method_title: Loose = None
    line_items: list[_Item] | None = None
    fee_lines: list[_Sum] | None = None
    refunds: list[_Refund] | None = None


_ORDER = reading.decoder(_Order)


def order(record: RawRecord) -> Order:
    """The order with its lines; core knows no shipments, plugins keep those. Raises Unmappable."""
    raw = reading.record(record.payload, _ORDER)
    word = reading.line(raw.status)
    status = _STATUS.get(word, OrderStatus.UNKNOWN)
    lines = tuple(_line(item, status, word) for item in raw.line_items or ())
    totals = _totals(raw, lines)
    changed = reading.local(raw.date_modified_gmt, "update time", UTC)
    billing, shipping = _address(raw.billing), _address(raw.shipping)
    external_id = reading.ident(raw.id, "order id")
    to = shipping or billing
    return Order(
        external_id=external_id,
        number=reading.optional_ident(raw.number, "order number") or external_id,
        status=status,
        platform_status=word,
        currency=reading.currency(raw.currency),
        totals=totals,
        lines=lines,
        payment_status=_payment(raw, status, totals.grand_total),
        fulfilment_status=_FULFILMENT.get(status, FulfilmentStatus.UNFULFILLED),
        placed_at=reading.local(raw.date_created_gmt, "creation time", UTC),
        paid_at=reading.local(raw.date_paid_gmt, "payment time", UTC),
        completed_at=reading.local(raw.date_completed_gmt, "time of completion", UTC),
        cancelled_at=changed if status is OrderStatus.CANCELLED else None,
        platform_updated_at=changed,
        payment_method=reading.optional_line(raw.payment_method_title) or reading.optional_line(raw.payment_method),
        is_cod=_is_cod(raw),
        country=to.country if to else None,
        customer=_customer(raw),
        shipping_address=shipping,
        billing_address=billing,
        buyer_note=reading.optional_line(raw.customer_note),
        cancellation=Cancellation() if status is OrderStatus.CANCELLED else None,
        related=_related(raw.parent_id),
        returns=tuple(_refund(one) for one in raw.refunds or () if not reading.absent(one.id)),
    )


def _refund(one: _Refund) -> Return:
    """Money that went back, told as an amount below zero; of goods that came back core says nothing."""
    amount = reading.optional_signed(one.total, "refund")
    return Return(
        external_id=reading.ident(one.id, "refund id"),
        kind="refund_only",
        status=ReturnStatus.CLOSED,
        platform_status="refunded",
        reason=reading.optional_line(one.reason),
        amount=None if amount is None else abs(amount),
    )


def _given_back(raw: _Order) -> Decimal | None:
    told = _sum(raw.refunds or (), "refund")
    return None if told is None else abs(told)


def _totals(raw: _Order, lines: tuple[OrderLine, ...]) -> Totals:
    """Lines are told without tax whatever the shop's prices hold, so tax always comes on top (marketplaces.md 7.4)."""
    total = reading.decimal(raw.total, "total")
    return Totals(
        items=sum((line.line_total for line in lines), Decimal(0)),
        grand_total=total,
        discount_seller=reading.optional_decimal(raw.discount_total, "discount"),
        shipping=reading.optional_decimal(raw.shipping_total, "shipping fee"),
        tax=reading.optional_decimal(raw.total_tax, "tax"),
        other_fees=_sum(raw.fee_lines or (), "fee"),
        cod_amount=total if _is_cod(raw) else None,
        refunded=_given_back(raw),
    )


def _sum(rows: Iterable[_Sum | _Refund], what: str) -> Decimal | None:
    found = [reading.optional_signed(row.total, what) for row in rows]
    told = [amount for amount in found if amount is not None]
    return sum(told[1:], told[0]) if told else None


def _is_cod(raw: _Order) -> bool:
    return reading.line(raw.payment_method) == _COD


def _payment(raw: _Order, status: OrderStatus, total: Decimal) -> PaymentStatus:
    """All that was paid may have gone back, or some of it (marketplaces.md 10.4)."""
    given_back = _given_back(raw) or Decimal(0)
    if status is OrderStatus.RETURNED or (given_back and given_back >= total):
        return PaymentStatus.REFUNDED
    if given_back:
        return PaymentStatus.PARTIALLY_REFUNDED
    if _is_cod(raw):
        return PaymentStatus.PAID if status is OrderStatus.COMPLETED else PaymentStatus.COD_PENDING
    return PaymentStatus.PENDING if reading.absent(raw.date_paid_gmt) else PaymentStatus.PAID


def _line(item: _Item, status: OrderStatus, word: str) -> OrderLine:
    """Before coupons: what these took off a line is its discount, and part of the order's."""
    quantity = reading.quantity(item.quantity, "quantity")
    before = reading.decimal(item.subtotal, "line subtotal")
    after = reading.optional_decimal(item.total, "line total")
    unit = before / quantity if quantity else before
    product = _other_than_zero(item.product_id, "product id")
    return OrderLine(
        external_id=reading.ident(item.id, "line id"),
        title=reading.line(item.name),
        quantity=quantity,
        unit_price=unit,
        line_total=before,
        product_external_id=product,
        variant_external_id=_other_than_zero(item.variation_id, "variation id") or product,
        sku=reading.optional_line(item.sku),
        unit_list_price=unit,
        discount_seller=before - after if after is not None and after < before else None,
        tax=reading.optional_decimal(item.total_tax, "line tax"),
        status=status,
        platform_status=word,
    )


def _other_than_zero(value: Loose, what: str) -> str | None:
    """0 stands for none: a deleted product, a line without variation, a guest."""
    found = reading.optional_ident(value, what)
    return None if found == "0" else found


def _address(raw: _Place | list[Loose] | None) -> Address | None:
    if not isinstance(raw, _Place):
        return None
    return reading.address(
        name=_name(raw),
        phone=raw.phone,
        email=raw.email,
        line1=raw.address_1,
        line2=raw.address_2,
        city=raw.city,
        state=raw.state,
        postcode=raw.postcode,
        country=raw.country,
    )


def _name(raw: _Place) -> str:
    parts = (reading.line(raw.first_name), reading.line(raw.last_name))
    return " ".join(part for part in parts if part) or reading.line(raw.company)


def _customer(raw: _Order) -> Customer | None:
    number = _other_than_zero(raw.customer_id, "customer id")
    if not isinstance(raw.billing, _Place):
        return Customer(number) if number else None
    email, phone = reading.optional_line(raw.billing.email), reading.optional_line(raw.billing.phone)
    return Customer(number, _name(raw.billing) or None, email, phone=phone)


def _related(parent: Loose) -> tuple[Related, ...]:
    found = _other_than_zero(parent, "parent order id")
    return (Related("parent", found),) if found else ()
