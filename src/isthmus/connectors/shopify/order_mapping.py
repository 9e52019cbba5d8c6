"""One order of Shopify as a canonical order (marketplaces.md 6.6, 9.3, 10.2, 10.4); pure."""

from collections.abc import Sequence
from datetime import UTC
from decimal import Decimal

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
    Return,
    Shipment,
    Totals,
)
from isthmus.connect.spi import RawRecord
from isthmus.connectors.shopify import nodes, refunding, rows

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
    # GraphQL alone tells these apart.
    **dict.fromkeys(
        ("in_progress", "on_hold", "scheduled", "pending_fulfillment", "open", "request_declined"),
        FulfilmentStatus.UNFULFILLED,
    ),
    "fulfillment_not_required": FulfilmentStatus.UNFULFILLED,
}
_BEGUN = {
    "partial": OrderStatus.PROCESSING,
    "in_progress": OrderStatus.PROCESSING,
    "on_hold": OrderStatus.ON_HOLD,
    "scheduled": OrderStatus.ON_HOLD,
}
_SENT = {"delivered": FulfilmentStatus.DELIVERED, "": FulfilmentStatus.FULFILLED}
_COD = "cash on delivery"
#: A parcel that was called off is none.
_CALLED_OFF = frozenset({"cancelled", "error", "failure"})


class _Record(rows.Order, gc=False):
    """An order by REST, or `node`: one by GraphQL with what lay beyond the first page of its lines and parcels."""

    node: nodes.Order | None = None
    more_lines: list[nodes.Line] | None = None
    more_parcels: list[nodes.Parcel] | None = None
    more_refunds: list[nodes.Refund] | None = None


_ORDER = reading.decoder(_Record)


def order(record: RawRecord) -> Order:
    """The order with its lines and parcels. Raises Unmappable."""
    raw = _row(reading.record(record.payload, _ORDER))
    external_id = reading.ident(raw.id, "order id")
    parcels = tuple(
        map(_shipment, (one for one in raw.fulfillments or () if reading.line(one.status) not in _CALLED_OFF))
    )
    status = _status(raw, parcels)
    word = _word(raw)
    refunds = tuple(refunding.of(one) for one in raw.refunds or ())
    gone = refunding.pieces(raw.refunds or ())
    lines = tuple(_line(one, status, word, gone) for one in raw.line_items or ())
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
        totals=_totals(raw, lines, refunds, is_cod=is_cod),
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
        returns=refunds,
    )


def _row(found: _Record) -> rows.Order:
    if found.node is None:
        return found
    return nodes.order(found.node, nodes.More(found.more_lines, found.more_parcels, found.more_refunds))


def _status(raw: rows.Order, parcels: Sequence[Shipment]) -> OrderStatus:
    """The table of marketplaces.md 10.2, its first match."""
    financial, sent = reading.line(raw.financial_status), reading.line(raw.fulfillment_status)
    if not reading.absent(raw.cancelled_at):
        return OrderStatus.CANCELLED
    if sent in _BEGUN:
        return _BEGUN[sent]
    if sent == "fulfilled":
        if financial == "refunded":
            return OrderStatus.RETURNED
        if not reading.absent(raw.closed_at):
            return OrderStatus.COMPLETED
        return OrderStatus.DELIVERED if _delivered(parcels) else OrderStatus.SHIPPED
    return _UNSENT.get(financial, OrderStatus.UNKNOWN) if sent in _FULFILMENT else OrderStatus.UNKNOWN


def _delivered(parcels: Sequence[Shipment]) -> bool:
    return bool(parcels) and all(one.status is FulfilmentStatus.DELIVERED for one in parcels)


def _word(raw: rows.Order) -> str:
    """Both states as Shopify writes them, and what overrules them."""
    parts = [reading.line(raw.financial_status) or "none", reading.line(raw.fulfillment_status) or "unfulfilled"]
    if not reading.absent(raw.cancelled_at):
        parts.append("cancelled")
    return " / ".join(parts)


def _payment(raw: rows.Order, *, is_cod: bool) -> PaymentStatus:
    found = _PAYMENT.get(reading.line(raw.financial_status), PaymentStatus.UNKNOWN)
    return PaymentStatus.COD_PENDING if is_cod and found is PaymentStatus.PENDING else found


def _fulfilment(raw: rows.Order, parcels: Sequence[Shipment]) -> FulfilmentStatus:
    found = _FULFILMENT.get(reading.line(raw.fulfillment_status), FulfilmentStatus.UNKNOWN)
    return FulfilmentStatus.DELIVERED if found is FulfilmentStatus.FULFILLED and _delivered(parcels) else found


def _totals(raw: rows.Order, lines: Sequence[OrderLine], refunds: Sequence[Return], *, is_cod: bool) -> Totals:
    """Lines before discounts; tax comes on top only where prices do not hold it already."""
    money = raw.total_shipping_price_set.shop_money if raw.total_shipping_price_set else None
    return Totals(
        items=sum((line.line_total for line in lines), Decimal(0)),
        grand_total=reading.decimal(raw.total_price, "total price"),
        discount_seller=reading.optional_decimal(raw.total_discounts, "discounts"),
        shipping=reading.optional_decimal(money.amount, "shipping fee") if money else None,
        tax=None if reading.truth(raw.taxes_included) else reading.optional_decimal(raw.total_tax, "tax"),
        cod_amount=reading.optional_decimal(raw.total_outstanding, "amount outstanding") if is_cod else None,
        refunded=sum((one.amount or Decimal(0) for one in refunds), Decimal(0)) if refunds else None,
    )


def _line(raw: rows.Line, status: OrderStatus, word: str, gone: refunding.Pieces) -> OrderLine:
    quantity = reading.quantity(raw.quantity, "quantity")
    price = reading.decimal(raw.price, "price")
    line_id = reading.ident(raw.id, "line id")
    return OrderLine(
        external_id=line_id,
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
        cancelled_quantity=min(quantity, gone.cancelled.get(line_id, 0)),
        returned_quantity=min(quantity, gone.returned.get(line_id, 0)),
    )


def _shipment(raw: rows.Parcel) -> Shipment:
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


def _cancellation(raw: rows.Order) -> Cancellation | None:
    if reading.absent(raw.cancelled_at):
        return None
    reason = reading.optional_line(raw.cancel_reason)
    return Cancellation(by=reason if reason in {"customer", "staff"} else None, reason_code=reason)


def _address(raw: rows.Place | None) -> Address | None:
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


def _customer(raw: rows.Order) -> Customer | None:
    """Name, e-mail and telephone are null where the app has no approval for protected data (marketplaces.md 6.6)."""
    person = raw.customer or rows.Person()
    found = Customer(
        reading.optional_ident(person.id, "customer id"),
        _joined(person.first_name, person.last_name) or None,
        reading.optional_line(person.email) or reading.optional_line(raw.email),
        phone=reading.optional_line(person.phone) or reading.optional_line(raw.phone),
    )
    return found if found != Customer() else None
