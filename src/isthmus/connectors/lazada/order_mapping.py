"""One order of the Lazada Open Platform as a canonical order (marketplaces.md 3.6, 9.3, 10.2, 10.3); pure.

A record joins what two calls say: `{"order": ..., "items": [...]}`. There is one row per unit and no state of the
order: units of one variant, price and state become one line, and the order's state is that of its least advanced line.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
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
from isthmus.connect.spi import Account, RawRecord, Unmappable
from isthmus.connectors.lazada import returning
from isthmus.connectors.lazada.mapping import CURRENCIES, HOURS

_STATUS = {
    "unpaid": OrderStatus.PENDING_PAYMENT,
    **dict.fromkeys(("pending", "topack"), OrderStatus.READY_TO_FULFIL),
    **dict.fromkeys(("packed", "repacked"), OrderStatus.PROCESSING),
    **dict.fromkeys(("ready_to_ship_pending", "ready_to_ship", "toship"), OrderStatus.READY_TO_SHIP),
    **dict.fromkeys(("shipped", "shipping"), OrderStatus.SHIPPED),
    "delivered": OrderStatus.DELIVERED,
    "confirmed": OrderStatus.COMPLETED,
    **dict.fromkeys(
        ("failed", "failed_delivery", "lost_by_3pl", "damaged_by_3pl", "package_scrapped", "lost"), OrderStatus.FAILED
    ),
    "canceled": OrderStatus.CANCELLED,
    **dict.fromkeys(("shipped_back", "shipped_back_success", "shipped_back_failed", "returned"), OrderStatus.RETURNED),
}
#: From the least advanced on (marketplaces.md 10.3).
_ORDERED = (
    OrderStatus.PENDING_PAYMENT, OrderStatus.ON_HOLD, OrderStatus.READY_TO_FULFIL, OrderStatus.PROCESSING,
    OrderStatus.READY_TO_SHIP, OrderStatus.SHIPPED, OrderStatus.DELIVERED, OrderStatus.COMPLETED,
)  # fmt: skip
_SENT = {
    OrderStatus.SHIPPED: FulfilmentStatus.FULFILLED,
    OrderStatus.DELIVERED: FulfilmentStatus.DELIVERED,
    OrderStatus.COMPLETED: FulfilmentStatus.DELIVERED,
    OrderStatus.RETURNED: FulfilmentStatus.RETURNED,
}
_COD = "COD"


class _Address(msgspec.Struct, gc=False):
    first_name: Loose = None
    last_name: Loose = None
    phone: Loose = None
    address1: Loose = None
    address2: Loose = None
    address3: Loose = None
    address4: Loose = None
    address5: Loose = None
    city: Loose = None
    post_code: Loose = None
    country: Loose = None
    district: Loose = msgspec.field(default=None, name="addressDsitrict")


class _Head(msgspec.Struct, gc=False):
    order_id: Loose = None
    order_number: Loose = None
    created_at: Loose = None
    updated_at: Loose = None
    price: Loose = None
    shipping_fee: Loose = None
    shipping_fee_original: Loose = None
    voucher: Loose = None
    voucher_seller: Loose = None
    voucher_platform: Loose = None
    payment_method: Loose = None
    customer_first_name: Loose = None
    customer_last_name: Loose = None
    address_shipping: _Address | list[Loose] | None = None
    address_billing: _Address | list[Loose] | None = None
    buyer_note: Loose = None
    remarks: Loose = None
    need_cancel_confirm: Loose = None


class _Unit(msgspec.Struct, gc=False):
    order_item_id: Loose = None
    sku: Loose = None
    sku_id: Loose = None
    product_id: Loose = None
    name: Loose = None
    variation: Loose = None
    product_main_image: Loose = None
    item_price: Loose = None
    paid_price: Loose = None
    tax_amount: Loose = None
    currency: Loose = None
    status: Loose = None
    package_id: Loose = None
    tracking_code: Loose = None
    shipment_provider: Loose = None
    warehouse_code: Loose = None
    is_fbl: Loose = None
    delivery_option_sof: Loose = None
    sla_time_stamp: Loose = None
    payment_time: Loose = None
    reason: Loose = None
    cancel_return_initiator: Loose = None
    return_status: Loose = None
    reverse_order_id: Loose = None
    buyer_id: Loose = None


class _Record(msgspec.Struct, gc=False):
    order: _Head
    items: list[_Unit] | None = None


_RECORD = reading.decoder(_Record)


def order(record: RawRecord, account: Account) -> Order:
    """The order with its units as lines. Raises Unmappable."""
    raw = reading.record(record.payload, _RECORD)
    head, units = raw.order, raw.items
    if not units:
        raise Unmappable("The platform shows the order but not what was bought.")
    zone = reading.zone(HOURS.get(account.region, 8))
    lines, back = _lines(units), [_back(one) for one in units]
    status = order_status([line.status for line in lines])
    cod = reading.line(head.payment_method).upper() == _COD
    paid_at = next((moment for one in units if (moment := _paid_at(one)) is not None), None)
    requested = reading.truth(head.need_cancel_confirm)
    external_id = reading.ident(head.order_id, "order id")
    deadlines = [reading.local(one.sla_time_stamp, "deadline", zone) for one in units]
    return Order(
        external_id=external_id,
        number=reading.optional_ident(head.order_number, "order number") or external_id,
        status=OrderStatus.CANCEL_REQUESTED if requested else status,
        platform_status=", ".join(dict.fromkeys(line.platform_status for line in lines)),
        currency=_currency(units, account),
        totals=_totals(head, cod=cod),
        lines=lines,
        payment_status=_payment(status, returning.payment(back), cod=cod, paid=paid_at is not None),
        fulfilment_status=_fulfilment(lines),
        placed_at=reading.local(head.created_at, "creation time", zone),
        paid_at=paid_at,
        ship_by=min((moment for moment in deadlines if moment is not None), default=None),
        platform_updated_at=reading.local(head.updated_at, "update time", zone),
        payment_method=reading.optional_line(head.payment_method),
        is_cod=cod,
        fulfilment_type=_kind(units),
        country=account.region or None,
        customer=_customer(head, units),
        shipping_address=_address(head.address_shipping),
        billing_address=_address(head.address_billing),
        buyer_note=reading.optional_line(head.buyer_note),
        seller_note=reading.optional_line(head.remarks),
        cancellation=_cancellation(units, requested=requested),
        shipments=_shipments(units, lines),
        returns=returning.of(back, {one: line.external_id for line in lines for one in line.external_ids}),
    )


def order_status(lines: Iterable[OrderStatus]) -> OrderStatus:
    """One state for the order from those of its lines (marketplaces.md 10.3)."""
    found = list(lines)
    active = [one for one in found if one not in {OrderStatus.CANCELLED, OrderStatus.RETURNED}]
    if not active:
        return OrderStatus.CANCELLED if all(one is OrderStatus.CANCELLED for one in found) else OrderStatus.RETURNED
    for status in _ORDERED:
        if status in active:
            return status
    return OrderStatus.FAILED if OrderStatus.FAILED in active else OrderStatus.UNKNOWN


def _lines(units: Sequence[_Unit]) -> tuple[OrderLine, ...]:
    groups: dict[tuple[str, Decimal, Decimal, str], list[_Unit]] = {}
    for unit in units:
        variant = reading.optional_ident(unit.sku_id, "SKU id") or reading.ident(unit.sku, "SKU")
        listed, paid = _prices(unit)
        groups.setdefault((variant, listed, paid, reading.line(unit.status)), []).append(unit)
    return tuple(_line(key, found) for key, found in groups.items())


def _prices(unit: _Unit) -> tuple[Decimal, Decimal]:
    listed = reading.decimal(unit.item_price, "price")
    paid = reading.optional_decimal(unit.paid_price, "paid price")
    return listed, listed if paid is None else paid


def _line(key: tuple[str, Decimal, Decimal, str], units: Sequence[_Unit]) -> OrderLine:
    variant, listed, paid, word = key
    first = units[0]
    ids = tuple(sorted(reading.ident(one.order_item_id, "order item id") for one in units))
    taxes = [tax for one in units if (tax := reading.optional_decimal(one.tax_amount, "tax")) is not None]
    packages = (reading.optional_ident(one.package_id, "package id") for one in units)
    return OrderLine(
        external_id=ids[0],
        external_ids=ids,
        title=reading.line(first.name),
        quantity=len(units),
        unit_price=paid,
        line_total=paid * len(units),
        product_external_id=reading.optional_ident(first.product_id, "product id"),
        variant_external_id=variant,
        sku=reading.optional_line(first.sku),
        variant_title=reading.optional_line(first.variation),
        image_url=reading.optional_line(first.product_main_image),
        unit_list_price=listed,
        tax=sum(taxes, Decimal(0)) if taxes else None,
        status=_STATUS.get(word, OrderStatus.UNKNOWN),
        platform_status=word,
        cancelled_quantity=len(units) if _STATUS.get(word) is OrderStatus.CANCELLED else 0,
        returned_quantity=len(units) if _STATUS.get(word) is OrderStatus.RETURNED else 0,
        location_external_id=reading.optional_line(first.warehouse_code),
        shipment_ids=tuple(dict.fromkeys(one for one in packages if one)),
    )


def _currency(units: Sequence[_Unit], account: Account) -> str:
    """It stands on the units alone; where a sample leaves it out, the country's."""
    found = next((unit.currency for unit in units if not reading.absent(unit.currency)), None)
    return reading.currency(found or CURRENCIES.get(account.region, ""))


def _totals(head: _Head, *, cod: bool) -> Totals:
    """What the buyer paid is price - voucher + shipping_fee (marketplaces.md 3.6); taxes are inside of the prices."""
    price = reading.decimal(head.price, "price")
    shipping = reading.optional_decimal(head.shipping_fee, "shipping fee")
    voucher = reading.optional_decimal(head.voucher, "voucher") or Decimal(0)
    total = price - voucher + (shipping or Decimal(0))
    original = reading.optional_decimal(head.shipping_fee_original, "original shipping fee")
    return Totals(
        items=price,
        grand_total=total,
        discount_seller=reading.optional_decimal(head.voucher_seller, "seller's voucher"),
        discount_platform=reading.optional_decimal(head.voucher_platform, "platform's voucher"),
        shipping=shipping,
        shipping_discount=original - shipping if original is not None and shipping is not None else None,
        cod_amount=total if cod else None,
    )


def _paid_at(unit: _Unit) -> datetime | None:
    return reading.milliseconds(unit.payment_time, "payment time")


def _payment(status: OrderStatus, given_back: PaymentStatus, *, cod: bool, paid: bool) -> PaymentStatus:
    received = paid or given_back is not PaymentStatus.PAID
    if received or (cod and status in {OrderStatus.DELIVERED, OrderStatus.COMPLETED}):
        return given_back
    if cod:
        return PaymentStatus.COD_PENDING
    return PaymentStatus.PENDING if status is OrderStatus.PENDING_PAYMENT else PaymentStatus.UNKNOWN


def _fulfilment(lines: Sequence[OrderLine]) -> FulfilmentStatus:
    active = [line.status for line in lines if line.status is not OrderStatus.CANCELLED]
    found = {_SENT.get(one, FulfilmentStatus.UNFULFILLED) for one in active}
    if not found:
        return FulfilmentStatus.UNFULFILLED
    return found.pop() if len(found) == 1 else FulfilmentStatus.PARTIAL


def _kind(units: Sequence[_Unit]) -> str:
    if any(reading.truth(one.is_fbl) for one in units):
        return "platform"
    return "self_delivery" if any(reading.truth(one.delivery_option_sof) for one in units) else "seller"


def _customer(head: _Head, units: Sequence[_Unit]) -> Customer | None:
    name = _name(head.customer_first_name, head.customer_last_name)
    external_id = reading.optional_ident(units[0].buyer_id, "buyer id")
    if external_id is None and name is None:
        return None
    address = head.address_shipping
    phone = reading.optional_line(address.phone) if isinstance(address, _Address) else None
    return Customer(external_id, name, phone=phone, is_masked=reading.masked(name, phone))


def _name(first: Loose, last: Loose) -> str | None:
    return " ".join(filter(None, (reading.line(first), reading.line(last)))) or None


def _address(found: _Address | list[Loose] | None) -> Address | None:
    """Which field holds what differs by country; Vietnam's order is taken for all (marketplaces.md 9.3)."""
    if not isinstance(found, _Address):
        return None
    return reading.address(
        name=_name(found.first_name, found.last_name),
        phone=found.phone,
        line1=found.address1,
        line2=found.address2,
        ward=found.address5,
        district=found.district or found.address4,
        city=found.city,
        state=found.address3,
        postcode=found.post_code,
        country=found.country,
    )


def _cancellation(units: Sequence[_Unit], *, requested: bool) -> Cancellation | None:
    reason = next((text for one in units if (text := reading.optional_line(one.reason))), None)
    by = next((text for one in units if (text := _initiator(one))), None)
    return Cancellation(by, None, reason, requested) if requested or reason or by else None


def _initiator(unit: _Unit) -> str | None:
    """`buyer-cancel` names who began; `null-null` is nobody."""
    who = reading.line(unit.cancel_return_initiator).partition("-")[0]
    return who if who not in {"", "null"} else None


def _shipments(units: Sequence[_Unit], lines: Sequence[OrderLine]) -> tuple[Shipment, ...]:
    packages: dict[str, list[_Unit]] = {}
    for unit in units:
        package = reading.optional_ident(unit.package_id, "package id")
        if package is not None:
            packages.setdefault(package, []).append(unit)
    line_of = {one: line.external_id for line in lines for one in line.external_ids}
    return tuple(_shipment(package, found, line_of) for package, found in packages.items())


def _shipment(package: str, units: Sequence[_Unit], line_of: dict[str, str]) -> Shipment:
    word = reading.line(units[0].status)
    quantities: dict[str, int] = {}
    for unit in units:
        line = line_of[reading.ident(unit.order_item_id, "order item id")]
        quantities[line] = quantities.get(line, 0) + 1
    status = _STATUS.get(word, OrderStatus.UNKNOWN)
    return Shipment(
        external_id=package,
        status=_SENT.get(status, FulfilmentStatus.UNFULFILLED),
        platform_status=word,
        carrier=reading.optional_line(units[0].shipment_provider),
        tracking_number=reading.optional_line(units[0].tracking_code),
        quantities=quantities,
    )


def _back(unit: _Unit) -> returning.Back:
    return returning.Back(
        reading.ident(unit.order_item_id, "order item id"),
        reading.optional_ident(unit.reverse_order_id, "reverse order id"),
        reading.line(unit.return_status),
        reading.optional_line(unit.reason),
    )
