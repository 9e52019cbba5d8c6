"""Tiki's orders: read by pages of changes, and one order as a canonical one (marketplaces.md 4.5, 9.3, 10.2)."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from urllib.parse import quote

import msgspec

from isthmus.client import Missing
from isthmus.connect import judging, reading, walk
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
    Shipment,
    Totals,
)
from isthmus.connect.spi import RawRecord, Session, Window
from isthmus.connectors.tiki.mapping import CURRENCY, ZONE

RULES = walk.Rules(page=50, most=1_000)
_PENDING = {"queueing", "waiting_payment", "payment_review"}
_STATUS = {
    **dict.fromkeys(_PENDING, OrderStatus.PENDING_PAYMENT),
    "holded": OrderStatus.ON_HOLD,
    **dict.fromkeys(("paid", "processing"), OrderStatus.READY_TO_FULFIL),
    **dict.fromkeys(("picking", "packaging", "finished_packing"), OrderStatus.PROCESSING),
    **dict.fromkeys(("ready_to_ship", "handover_to_partner"), OrderStatus.READY_TO_SHIP),
    "shipping": OrderStatus.SHIPPED,
    **dict.fromkeys(("delivered", "successful_delivery"), OrderStatus.DELIVERED),
    **dict.fromkeys(("complete", "closed"), OrderStatus.COMPLETED),
    "canceled": OrderStatus.CANCELLED,
    "returned": OrderStatus.RETURNED,
}
_FULFILMENT = {
    OrderStatus.SHIPPED: FulfilmentStatus.FULFILLED,
    OrderStatus.DELIVERED: FulfilmentStatus.DELIVERED,
    OrderStatus.COMPLETED: FulfilmentStatus.DELIVERED,
    OrderStatus.RETURNED: FulfilmentStatus.RETURNED,
    OrderStatus.UNKNOWN: FulfilmentStatus.UNKNOWN,
}
_KINDS = {"tiki_delivery": "platform", "seller_delivery": "self_delivery", "instant_delivery": "platform"}
_RELATED = ("relation_code", "original_code", "parent_code", "linked_code")


class _Product(msgspec.Struct, gc=False):
    id: Loose = None
    super_id: Loose = None
    name: Loose = None
    thumbnail: Loose = None
    seller_product_code: Loose = None


class _LineInvoice(msgspec.Struct, gc=False):
    quantity: Loose = None
    row_total: Loose = None
    subtotal: Loose = None


class _Confirmation(msgspec.Struct, gc=False):
    status: Loose = None
    pickup_confirm_sla: Loose = None


class _Item(msgspec.Struct, gc=False):
    id: Loose = None
    product: _Product | None = None
    confirmation: _Confirmation | list[Loose] | None = None
    price: Loose = None
    qty: Loose = None
    invoice: _LineInvoice | list[Loose] | None = None
    seller_inventory_id: Loose = None


class _Invoice(msgspec.Struct, gc=False):
    subtotal: Loose = None
    grand_total: Loose = None
    collectible_amount: Loose = None
    discount_amount: Loose = None
    discount_tikixu: Loose = None
    discount_coupon: Loose = None
    shipping_amount_after_discount: Loose = None
    shipping_discount_amount: Loose = None
    handling_fee: Loose = None
    other_fee: Loose = None
    total_seller_income: Loose = None
    purchased_at: Loose = None


class _Address(msgspec.Struct, gc=False):
    full_name: Loose = None
    street: Loose = None
    ward: Loose = None
    district: Loose = None
    region: Loose = None
    country_id: Loose = None
    email: Loose = None
    phone: Loose = None
    ward_tiki_code: Loose = None
    district_tiki_code: Loose = None
    region_tiki_code: Loose = None


class _Shipping(msgspec.Struct, gc=False):
    partner_id: Loose = None
    partner_name: Loose = None
    tracking_code: Loose = None
    status: Loose = None
    address: _Address | list[Loose] | None = None


class _Payment(msgspec.Struct, gc=False):
    method: Loose = None
    is_prepaid: Loose = None
    status: Loose = None


class _Person(msgspec.Struct, gc=False):
    id: Loose = None
    full_name: Loose = None


class _Cancelled(msgspec.Struct, gc=False):
    reason_code: Loose = None
    reason_text: Loose = None
    canceled_at: Loose = None


class _Order(msgspec.Struct, gc=False):
    code: Loose = None
    fulfillment_type: Loose = None
    status: Loose = None
    created_at: Loose = None
    updated_at: Loose = None
    relation_code: Loose = None
    original_code: Loose = None
    parent_code: Loose = None
    linked_code: Loose = None
    invoice: _Invoice | None = None
    items: list[_Item] | None = None
    shipping: _Shipping | list[Loose] | None = None
    payment: _Payment | list[Loose] | None = None
    customer: _Person | list[Loose] | None = None
    cancel_info: _Cancelled | list[Loose] | None = None


class _Paging(msgspec.Struct):
    total: int
    current_page: int = 1
    last_page: int = 1


class _Page(msgspec.Struct):
    data: list[msgspec.Raw]
    paging: _Paging


class _Key(msgspec.Struct):
    code: Loose = None


_ORDER = reading.decoder(_Order)
_PAGE = reading.decoder(_Page)
_KEY = reading.decoder(_Key)


class Read(msgspec.Struct, frozen=True):
    """One page of the list and what follows it."""

    records: list[RawRecord]
    cursor: str | None
    total: int | None


async def pull(session: Session, root: str, window: Window, cursor: str | None) -> Read:
    """One page of orders changed in the window, oldest change first; pages are read as for products."""
    at = walk.begin(window, cursor, RULES)
    while True:
        page = await _page(session, root, at)
        keys = reading.keys(page.data, _KEY, lambda key: key.code)
        last = page.paging.current_page >= page.paging.last_page
        step = walk.after(at, RULES, keys, total=page.paging.total, last=last)
        if step.keep or step.walk is None:
            records = [RawRecord(key, bytes(raw)) for key, raw in zip(keys, page.data, strict=True)]
            return Read(records, step.cursor, at.total if at.total is not None else page.paging.total)
        at = step.walk


async def _page(session: Session, root: str, at: walk.Walk) -> _Page:
    query: dict[str, str | int | None] = {
        "page": at.offset // RULES.page + 1,
        "limit": RULES.page,
        "include": "status_histories,items.fees",
        "updated_from_date": _local(at.start) if at.bounded(RULES) else _local(int(RULES.floor.timestamp())),
        "updated_to_date": _local(at.stop),
    }
    return judging.decoded(await session.client.get(f"{root}/orders", query=query), _PAGE)


def _local(moment: int) -> str:
    return reading.in_zone(moment, ZONE).strftime("%Y-%m-%d %H:%M:%S")


async def fetch(session: Session, root: str, code: str) -> RawRecord | None:
    """One order by its code."""
    try:
        answer = await session.client.get(f"{root}/orders/{quote(code, safe='')}")
    except Missing:
        return None
    return RawRecord(code, answer.content)


def order(record: RawRecord) -> Order:
    """The order with its lines and its one shipment. Raises Unmappable."""
    raw = reading.record(record.payload, _ORDER)
    code = reading.ident(raw.code, "order code")
    invoice = raw.invoice or _Invoice()
    payment = raw.payment if isinstance(raw.payment, _Payment) else _Payment()
    cod = reading.line(payment.method).lower() == "cod"
    paid = reading.line(payment.status).lower() == "success"
    status = _status(reading.line(raw.status), ready=cod or paid)
    lines = tuple(_line(item, status, reading.line(raw.status)) for item in raw.items or ())
    cancelled = raw.cancel_info if isinstance(raw.cancel_info, _Cancelled) else None
    address = _address(raw.shipping)
    return Order(
        external_id=code,
        number=code,
        status=status,
        platform_status=reading.line(raw.status),
        currency=CURRENCY,
        totals=_totals(invoice),
        lines=lines,
        payment_status=_payment(status, cod=cod, paid=paid),
        fulfilment_status=_FULFILMENT.get(status, FulfilmentStatus.UNFULFILLED),
        placed_at=reading.local(raw.created_at, "creation time", ZONE),
        paid_at=reading.local(invoice.purchased_at, "payment time", ZONE) if paid else None,
        ship_by=_ship_by(raw.items or ()),
        cancelled_at=reading.local(cancelled.canceled_at, "time of cancellation", ZONE) if cancelled else None,
        platform_updated_at=reading.local(raw.updated_at, "update time", ZONE),
        payment_method=reading.optional_line(payment.method),
        is_cod=cod,
        fulfilment_type=_KINDS.get(
            reading.line(raw.fulfillment_type), reading.line(raw.fulfillment_type) or "platform"
        ),
        country=(address.country if address else None) or "VN",
        customer=_customer(raw.customer),
        shipping_address=address,
        cancellation=_cancellation(cancelled),
        related=_related({name: getattr(raw, name) for name in _RELATED}),
        shipments=_shipments(raw.shipping, code, lines),
        returns=_returns(status, code, lines),
    )


def _returns(status: OrderStatus, code: str, lines: tuple[OrderLine, ...]) -> tuple[Return, ...]:
    """An order that came back did so as a whole; how much money went back no call says (marketplaces.md 4.5)."""
    if status is not OrderStatus.RETURNED:
        return ()
    return (Return(code, "return", ReturnStatus.RECEIVED, "returned", lines=tuple(line.external_id for line in lines)),)


def _status(word: str, *, ready: bool) -> OrderStatus:
    """`queueing` with a confirmed payment or cash on delivery waits for the seller (marketplaces.md 10.2)."""
    if word == "queueing" and ready:
        return OrderStatus.READY_TO_FULFIL
    return _STATUS.get(word, OrderStatus.UNKNOWN)


def _payment(status: OrderStatus, *, cod: bool, paid: bool) -> PaymentStatus:
    done = status in {OrderStatus.DELIVERED, OrderStatus.COMPLETED}
    if paid or (cod and done):
        return PaymentStatus.PAID
    return PaymentStatus.COD_PENDING if cod else PaymentStatus.PENDING


def _totals(invoice: _Invoice) -> Totals:
    other = [reading.optional_decimal(fee, "fee") for fee in (invoice.handling_fee, invoice.other_fee)]
    fees = [fee for fee in other if fee is not None]
    return Totals(
        items=reading.decimal(invoice.subtotal, "subtotal"),
        grand_total=reading.decimal(invoice.grand_total, "grand total"),
        discount_platform=reading.optional_decimal(invoice.discount_amount, "discount"),
        shipping=reading.optional_decimal(invoice.shipping_amount_after_discount, "shipping fee"),
        shipping_discount=reading.optional_decimal(invoice.shipping_discount_amount, "shipping discount"),
        other_fees=sum(fees[1:], fees[0]) if fees else None,
        cod_amount=reading.optional_decimal(invoice.collectible_amount, "amount to collect") or None,
        seller_income=reading.optional_signed(invoice.total_seller_income, "seller income"),
    )


def _line(item: _Item, status: OrderStatus, word: str) -> OrderLine:
    product, invoice = item.product or _Product(), item.invoice
    quantity = reading.quantity(item.qty, "quantity")
    total = reading.optional_decimal(invoice.row_total, "row total") if isinstance(invoice, _LineInvoice) else None
    listed = reading.optional_decimal(item.price, "price")
    unit = total / quantity if total is not None and quantity else reading.decimal(item.price, "price")
    super_id = product.super_id
    alone = reading.absent(super_id) or str(super_id) == "0"
    return OrderLine(
        external_id=reading.ident(item.id, "item id"),
        title=reading.line(product.name),
        quantity=quantity,
        unit_price=unit,
        line_total=total if total is not None else unit * quantity,
        product_external_id=reading.optional_ident(product.id if alone else super_id, "product id"),
        variant_external_id=reading.optional_ident(product.id, "product id"),
        sku=reading.optional_line(product.seller_product_code),
        image_url=reading.optional_line(product.thumbnail),
        unit_list_price=listed,
        status=status,
        platform_status=word if status is OrderStatus.UNKNOWN else _confirmation(item) or word,
        returned_quantity=quantity if status is OrderStatus.RETURNED else 0,
        location_external_id=reading.optional_ident(item.seller_inventory_id, "seller inventory id"),
    )


def _confirmation(item: _Item) -> str:
    """What the seller has said of a line; it goes its own way beside the order's state."""
    return reading.line(item.confirmation.status) if isinstance(item.confirmation, _Confirmation) else ""


def _ship_by(items: Sequence[_Item]) -> datetime | None:
    """The first moment by which a line must have been picked."""
    found = [one.confirmation for one in items if isinstance(one.confirmation, _Confirmation)]
    times = [reading.local(one.pickup_confirm_sla, "deadline", ZONE) for one in found]
    return min((moment for moment in times if moment is not None), default=None)


def _customer(person: _Person | list[Loose] | None) -> Customer | None:
    if not isinstance(person, _Person):
        return None
    name = reading.optional_line(person.full_name)
    return Customer(reading.optional_ident(person.id, "customer id"), name, is_masked=reading.masked(name))


def _address(shipping: _Shipping | list[Loose] | None) -> Address | None:
    found = shipping.address if isinstance(shipping, _Shipping) else None
    if not isinstance(found, _Address):
        return None
    names = ("ward_tiki_code", "district_tiki_code", "region_tiki_code")
    codes = {name.removesuffix("_tiki_code"): reading.line(getattr(found, name)) for name in names}
    return reading.address(
        name=found.full_name,
        phone=found.phone,
        email=found.email,
        line1=found.street,
        ward=found.ward,
        district=found.district,
        state=found.region,
        country=found.country_id,
        codes=codes,
    )


def _cancellation(cancelled: _Cancelled | None) -> Cancellation | None:
    if cancelled is None:
        return None
    return Cancellation(
        reason_code=reading.optional_line(cancelled.reason_code), reason=reading.optional_line(cancelled.reason_text)
    )


def _related(codes: Mapping[str, Loose]) -> tuple[Related, ...]:
    found = ((name, reading.optional_ident(code, "related order code")) for name, code in codes.items())
    return tuple(Related(name.removesuffix("_code"), code) for name, code in found if code)


def _shipments(
    shipping: _Shipping | list[Loose] | None, code: str, lines: tuple[OrderLine, ...]
) -> tuple[Shipment, ...]:
    """An order is one parcel, which has no number of its own; there is none before a carrier took it."""
    if not isinstance(shipping, _Shipping):
        return ()
    tracking, carrier = reading.optional_line(shipping.tracking_code), reading.optional_line(shipping.partner_name)
    if tracking is None and carrier is None:
        return ()
    word = reading.line(shipping.status)
    status = {"delivered": FulfilmentStatus.DELIVERED, "shipping": FulfilmentStatus.FULFILLED}
    return (
        Shipment(
            code,
            status.get(word, FulfilmentStatus.UNKNOWN),
            word,
            carrier,
            reading.optional_line(shipping.partner_id),
            tracking,
            quantities={line.external_id: line.quantity for line in lines},
        ),
    )
