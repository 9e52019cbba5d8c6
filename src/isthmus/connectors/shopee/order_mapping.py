"""One order of the Shopee Open Platform as a canonical order (marketplaces.md 2.6, 9.3, 10.2); pure."""

from collections.abc import Mapping, Sequence
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
    Return,
    ReturnStatus,
    Shipment,
    Totals,
)
from isthmus.connect.spi import RawRecord, Unmappable

_STATUS = {
    "UNPAID": OrderStatus.PENDING_PAYMENT,
    "PENDING": OrderStatus.ON_HOLD,
    "INVOICE_PENDING": OrderStatus.ON_HOLD,
    "READY_TO_SHIP": OrderStatus.READY_TO_FULFIL,
    "PROCESSED": OrderStatus.READY_TO_SHIP,
    "RETRY_SHIP": OrderStatus.READY_TO_SHIP,
    "SHIPPED": OrderStatus.SHIPPED,
    "TO_CONFIRM_RECEIVE": OrderStatus.DELIVERED,
    "COMPLETED": OrderStatus.COMPLETED,
    "IN_CANCEL": OrderStatus.CANCEL_REQUESTED,
    "CANCELLED": OrderStatus.CANCELLED,
    "TO_RETURN": OrderStatus.RETURN_REQUESTED,
}
_LOGISTICS = {
    "LOGISTICS_READY": FulfilmentStatus.UNFULFILLED,
    "LOGISTICS_NOT_START": FulfilmentStatus.UNFULFILLED,
    "LOGISTICS_REQUEST_CREATED": FulfilmentStatus.UNFULFILLED,
    "LOGISTICS_PICKUP_DONE": FulfilmentStatus.FULFILLED,
    "LOGISTICS_DELIVERY_DONE": FulfilmentStatus.DELIVERED,
}
_KINDS = {
    "fulfilled_by_local_seller": "seller",
    "fulfilled_by_cb_seller": "cross_border",
    "fulfilled_by_shopee": "platform",
}
_RETURNED = {
    "REQUESTED": ReturnStatus.REQUESTED,
    "ACCEPTED": ReturnStatus.ACCEPTED,
    "PROCESSING": ReturnStatus.ACCEPTED,
    "JUDGING": ReturnStatus.DISPUTED,
    "SELLER_DISPUTE": ReturnStatus.DISPUTED,
    "CLOSED": ReturnStatus.CLOSED,
    "CANCELLED": ReturnStatus.CANCELLED,
}
_PAID = frozenset({OrderStatus.DELIVERED, OrderStatus.COMPLETED})


class _Item(msgspec.Struct, gc=False):
    item_id: Loose = None
    item_name: Loose = None
    item_sku: Loose = None
    model_id: Loose = None
    model_name: Loose = None
    model_sku: Loose = None
    model_quantity_purchased: Loose = None
    model_original_price: Loose = None
    model_discounted_price: Loose = None
    order_item_id: Loose = None
    line_item_id: Loose = None
    image_info: "_Image | None" = None
    product_location_id: Loose = None
    cancelled_qty: Loose = None
    returned_qty: Loose = None


class _Image(msgspec.Struct, gc=False):
    image_url: Loose = None


class _Packed(msgspec.Struct, gc=False):
    item_id: Loose = None
    model_id: Loose = None
    model_quantity: Loose = None


class _Package(msgspec.Struct, gc=False):
    package_number: Loose = None
    logistics_status: Loose = None
    logistics_channel_id: Loose = None
    shipping_carrier: Loose = None
    tracking_number: Loose = None
    item_list: list[_Packed] | None = None


class _Address(msgspec.Struct, gc=False):
    name: Loose = None
    phone: Loose = None
    town: Loose = None
    district: Loose = None
    city: Loose = None
    state: Loose = None
    region: Loose = None
    zipcode: Loose = None
    full_address: Loose = None


class _Sent(msgspec.Struct, gc=False):
    item_id: Loose = None
    model_id: Loose = None


class _Return(msgspec.Struct, gc=False):
    return_sn: Loose = None
    status: Loose = None
    reason: Loose = None
    refund_amount: Loose = None
    due_date: Loose = None
    tracking_number: Loose = None
    needs_logistics: Loose = None
    item: list[_Sent] | None = None


class _Order(msgspec.Struct, gc=False):
    order_sn: Loose = None
    region: Loose = None
    currency: Loose = None
    cod: Loose = None
    total_amount: Loose = None
    order_status: Loose = None
    payment_method: Loose = None
    estimated_shipping_fee: Loose = None
    message_to_seller: Loose = None
    note: Loose = None
    create_time: Loose = None
    update_time: Loose = None
    pay_time: Loose = None
    ship_by_date: Loose = None
    pickup_done_time: Loose = None
    buyer_user_id: Loose = None
    buyer_username: Loose = None
    recipient_address: _Address | None = None
    item_list: list[_Item] | None = None
    package_list: list[_Package] | None = None
    cancel_by: Loose = None
    cancel_reason: Loose = None
    buyer_cancel_reason: Loose = None
    fulfillment_flag: Loose = None
    #: Put in front by us: what other calls say of the packages, and of what buyers want taken back.
    tracking_numbers: dict[str, Loose] | None = None
    returns: list[_Return] | None = None


_ORDER = reading.decoder(_Order)


def order(record: RawRecord) -> Order:
    """The order with its lines and packages. Raises Unmappable."""
    raw = reading.record(record.payload, _ORDER)
    if raw.order_sn is None:
        raise Unmappable("The platform lists the order but does not show it.")
    number = reading.ident(raw.order_sn, "order number")
    word = reading.line(raw.order_status)
    status = _STATUS.get(word, OrderStatus.UNKNOWN)
    lines = tuple(_line(item, status, word) for item in raw.item_list or ())
    numbers = raw.tracking_numbers or {}
    packages = [one for one in raw.package_list or () if not reading.absent(one.package_number)]
    shipments = tuple(_shipment(one, lines, numbers) for one in packages)
    cod = reading.truth(raw.cod)
    paid_at = reading.seconds(raw.pay_time, "payment time")
    updated_at = reading.seconds(raw.update_time, "update time")
    return Order(
        external_id=number,
        number=number,
        status=status,
        platform_status=word,
        currency=reading.currency(raw.currency),
        totals=_totals(raw, lines, cod=cod),
        lines=lines,
        payment_status=_payment(status, cod=cod, paid=paid_at is not None),
        fulfilment_status=_fulfilment([one.status for one in shipments]),
        placed_at=reading.seconds(raw.create_time, "creation time"),
        paid_at=paid_at,
        ship_by=reading.seconds(raw.ship_by_date, "deadline"),
        completed_at=updated_at if status is OrderStatus.COMPLETED else None,
        cancelled_at=updated_at if status is OrderStatus.CANCELLED else None,
        platform_updated_at=updated_at,
        payment_method=reading.optional_line(raw.payment_method),
        is_cod=cod,
        fulfilment_type=_KINDS.get(reading.line(raw.fulfillment_flag), "seller"),
        country=reading.optional_line(raw.region),
        customer=_customer(raw),
        shipping_address=_address(raw.recipient_address),
        buyer_note=reading.optional_line(raw.message_to_seller),
        seller_note=reading.optional_line(raw.note),
        cancellation=_cancellation(raw, status),
        shipments=shipments,
        returns=tuple(_return(one, lines) for one in raw.returns or ()),
    )


def _return(raw: _Return, lines: Sequence[OrderLine]) -> Return:
    """What a buyer wants back; nothing is sent where the platform arranges no way for it."""
    word = reading.line(raw.status)
    sent = {(str(one.item_id), str(one.model_id or 0)) for one in raw.item or ()}
    stays = not reading.absent(raw.needs_logistics) and not reading.truth(raw.needs_logistics)
    return Return(
        external_id=reading.ident(raw.return_sn, "return number"),
        kind="refund_only" if stays else "return",
        status=_RETURNED.get(word, ReturnStatus.UNKNOWN),
        platform_status=word,
        reason=reading.optional_line(raw.reason),
        amount=reading.optional_decimal(raw.refund_amount, "refund"),
        lines=tuple(line.external_id for line in lines if (line.product_external_id or "", _model_of(line)) in sent),
        due_at=reading.seconds(raw.due_date, "deadline of a return"),
        tracking_number=reading.optional_line(raw.tracking_number),
    )


def _payment(status: OrderStatus, *, cod: bool, paid: bool) -> PaymentStatus:
    if paid or (cod and status in _PAID):
        return PaymentStatus.PAID
    if cod:
        return PaymentStatus.COD_PENDING
    return PaymentStatus.PENDING if status is OrderStatus.PENDING_PAYMENT else PaymentStatus.UNKNOWN


def _fulfilment(parcels: Sequence[FulfilmentStatus]) -> FulfilmentStatus:
    if not parcels:
        return FulfilmentStatus.UNFULFILLED
    found = set(parcels)
    return found.pop() if len(found) == 1 else FulfilmentStatus.PARTIAL


def _totals(raw: _Order, lines: Sequence[OrderLine], *, cod: bool) -> Totals:
    """Whose a discount was stands in the settlement alone; here it shows as the gap between parts and total."""
    total = reading.decimal(raw.total_amount, "total amount")
    return Totals(
        items=sum((line.line_total for line in lines), Decimal(0)),
        grand_total=total,
        shipping=reading.optional_decimal(raw.estimated_shipping_fee, "shipping fee"),
        cod_amount=total if cod else None,
    )


def _line(item: _Item, status: OrderStatus, word: str) -> OrderLine:
    """A bundle's discounted price is sent as 0: then only the regular one is known (marketplaces.md 2.6)."""
    quantity = reading.quantity(item.model_quantity_purchased, "quantity")
    listed = reading.optional_decimal(item.model_original_price, "original price")
    price = reading.optional_decimal(item.model_discounted_price, "discounted price") or listed
    if price is None:
        raise Unmappable("A line of the order has no price.")
    item_id = reading.ident(item.item_id, "item id")
    model = "0" if reading.absent(item.model_id) else reading.ident(item.model_id, "model id")
    return OrderLine(
        external_id=_line_id(item, model),
        title=reading.line(item.item_name),
        quantity=quantity,
        unit_price=price,
        line_total=price * quantity,
        product_external_id=item_id,
        variant_external_id=f"{item_id}:0" if model == "0" else model,
        sku=reading.optional_line(item.model_sku) or reading.optional_line(item.item_sku),
        variant_title=reading.optional_line(item.model_name),
        image_url=reading.optional_line(item.image_info.image_url) if item.image_info else None,
        unit_list_price=listed,
        status=status,
        platform_status=word,
        cancelled_quantity=reading.optional_quantity(item.cancelled_qty, "cancelled quantity") or 0,
        returned_quantity=reading.optional_quantity(item.returned_qty, "returned quantity") or 0,
        location_external_id=_location(item.product_location_id),
    )


def _line_id(item: _Item, model: str) -> str:
    line = reading.optional_ident(item.line_item_id, "line id")
    return line or f"{reading.ident(item.order_item_id, 'order item id')}:{model}"


def _location(value: Loose) -> str | None:
    """A list of texts in lines, a plain text in packages."""
    found = value[0] if isinstance(value, list) and value else value
    return reading.optional_line(found)


def _shipment(package: _Package, lines: Sequence[OrderLine], numbers: Mapping[str, Loose]) -> Shipment:
    word = reading.line(package.logistics_status)
    packed = {(str(one.item_id), str(one.model_id or 0)): one.model_quantity for one in package.item_list or ()}
    held = {line.external_id: packed.get((line.product_external_id or "", _model_of(line))) for line in lines}
    return Shipment(
        external_id=reading.ident(package.package_number, "package number"),
        status=_LOGISTICS.get(word, FulfilmentStatus.UNKNOWN),
        platform_status=word,
        carrier=reading.optional_line(package.shipping_carrier),
        carrier_code=reading.optional_ident(package.logistics_channel_id, "channel id"),
        tracking_number=reading.optional_line(package.tracking_number)
        or reading.optional_line(numbers.get(str(package.package_number))),
        quantities={name: reading.quantity(count, "quantity") for name, count in held.items() if count is not None},
    )


def _model_of(line: OrderLine) -> str:
    variant = line.variant_external_id or ""
    return "0" if variant.endswith(":0") else variant


def _customer(raw: _Order) -> Customer | None:
    """The account's own name is shown as it is; the person's stands in the address."""
    person = raw.recipient_address
    name = reading.optional_line(person.name) if person else None
    phone = reading.optional_line(person.phone) if person else None
    external_id = reading.optional_ident(raw.buyer_user_id, "buyer id")
    shown = name or reading.optional_line(raw.buyer_username)
    if external_id is None and shown is None:
        return None
    return Customer(external_id, shown, phone=phone, is_masked=reading.masked(shown, phone))


def _address(found: _Address | None) -> Address | None:
    if found is None:
        return None
    return reading.address(
        name=found.name,
        phone=found.phone,
        line1=found.full_address,
        ward=found.town,
        district=found.district,
        city=found.city,
        state=found.state,
        postcode=found.zipcode,
        country=found.region,
    )


def _cancellation(raw: _Order, status: OrderStatus) -> Cancellation | None:
    by, code = reading.optional_line(raw.cancel_by), reading.optional_line(raw.cancel_reason)
    reason = reading.optional_line(raw.buyer_cancel_reason)
    requested = status is OrderStatus.CANCEL_REQUESTED
    if not (by or code or reason or requested):
        return None
    return Cancellation(by, code, reason, requested)
