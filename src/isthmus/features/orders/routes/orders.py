"""Orders over HTTP: lists without persons, details with them for those who may see them."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

import msgspec
from fastapi import Depends, Query
from starlette.responses import Response, StreamingResponse

from isthmus.connect.shapes import Address, Order, OrderLine, OrderStatus, PaymentStatus, Return, Shipment
from isthmus.features.orders import service
from isthmus.features.orders.model import PERSONAL, READ, OrderFilter, Personal
from isthmus.features.orders.service import OrderDetail
from isthmus.http import Answer, Moment, PageDep, Routes, ScopeDep, attachment, document
from isthmus.kit.errors import Forbidden, NotFound
from isthmus.kit.paging import Page

orders = Routes(prefix="/api/orders", tag="Orders")

#: A decimal that the store has made a text of already.
_Amount = Annotated[str, msgspec.Meta(extra_json_schema={"format": "decimal"})]


class OrderOut(Answer, frozen=True, kw_only=True):
    """An order as lists show it; `moneyGap` says by how much its parts miss the total, null where they do not."""

    id: str
    connection_id: str
    provider: str
    external_id: str
    number: str
    customer_id: str | None
    status: str
    platform_status: str
    payment_status: str
    fulfilment_status: str
    placed_at: datetime
    currency: str
    grand_total: _Amount
    money_gap: _Amount | None
    line_count: int
    country: str | None
    version: int
    updated_at: datetime


class OrderList(Answer, frozen=True, kw_only=True):
    """A page of orders."""

    items: list[OrderOut]
    limit: int
    has_more: bool
    next_cursor: str | None = None


class TotalsOut(Answer, frozen=True, kw_only=True):
    """An order's money; null where the platform does not say."""

    items: Decimal
    discount_seller: Decimal | None
    discount_platform: Decimal | None
    shipping: Decimal | None
    shipping_discount: Decimal | None
    tax: Decimal | None
    other_fees: Decimal | None
    grand_total: Decimal
    cod_amount: Decimal | None
    seller_income: Decimal | None
    refunded: Decimal | None


class LineOut(Answer, frozen=True, kw_only=True):
    """What was bought; `externalIds` are the platform's ids of its units where it lists them one by one."""

    id: str | None
    external_id: str
    external_ids: list[str]
    product_external_id: str | None
    variant_external_id: str | None
    sku: str | None
    title: str
    variant_title: str | None
    image_url: str | None
    quantity: int
    unit_list_price: Decimal | None
    unit_price: Decimal
    discount_seller: Decimal | None
    discount_platform: Decimal | None
    tax: Decimal | None
    line_total: Decimal
    status: str
    platform_status: str
    cancelled_quantity: int
    returned_quantity: int
    location_external_id: str | None
    shipment_ids: list[str]


class ShipmentOut(Answer, frozen=True, kw_only=True):
    """A parcel; `quantities` says how many of which line are in it."""

    id: str | None
    external_id: str
    status: str
    platform_status: str
    carrier: str | None
    carrier_code: str | None
    tracking_number: str | None
    tracking_url: str | None
    method: str | None
    quantities: dict[str, int]
    shipped_at: datetime | None
    delivered_at: datetime | None


class CancellationOut(Answer, frozen=True, kw_only=True):
    """Why an order was, or is to be, cancelled."""

    by: str | None
    reason_code: str | None
    reason: str | None
    requested: bool


class RelatedOut(Answer, frozen=True, kw_only=True):
    """Another order that this one came from or led to."""

    kind: str
    external_id: str


class ReturnOut(Answer, frozen=True, kw_only=True):
    """A buyer's wish to have lines taken back; `lines` are their `externalId`s."""

    external_id: str
    kind: str
    status: str
    platform_status: str
    reason: str | None
    amount: Decimal | None
    lines: list[str]
    due_at: datetime | None
    tracking_number: str | None


class CustomerOut(Answer, frozen=True, kw_only=True):
    """Who bought."""

    external_id: str | None
    name: str | None
    email: str | None
    email_is_relay: bool
    phone: str | None
    is_masked: bool


class PostalAddressOut(Answer, frozen=True, kw_only=True):
    """Where goods or a bill go."""

    name: str | None
    phone: str | None
    email: str | None
    line1: str | None
    line2: str | None
    ward: str | None
    district: str | None
    city: str | None
    state: str | None
    postcode: str | None
    country: str | None
    full_text: str | None
    codes: dict[str, str]
    is_masked: bool


class PersonalOut(Answer, frozen=True, kw_only=True):
    """What of the order names a person."""

    customer: CustomerOut | None
    shipping_address: PostalAddressOut | None
    billing_address: PostalAddressOut | None
    buyer_note: str | None
    seller_note: str | None


class OrderDetailOut(OrderOut, frozen=True, kw_only=True):
    """An order with all that is known of it; `personal` is null for callers who may not see it, and once erased."""

    paid_at: datetime | None
    ship_by: datetime | None
    completed_at: datetime | None
    cancelled_at: datetime | None
    platform_updated_at: datetime | None
    payment_method: str | None
    is_cod: bool
    fulfilment_type: str
    totals: TotalsOut
    lines: list[LineOut]
    shipments: list[ShipmentOut]
    cancellation: CancellationOut | None
    related: list[RelatedOut]
    returns: list[ReturnOut]
    personal: PersonalOut | None
    redacted_at: datetime | None
    raw: Any = None


async def _placed(
    placed_from: Annotated[Moment | None, Query(alias="from")] = None,
    placed_to: Annotated[Moment | None, Query(alias="to")] = None,
    updated_since: Annotated[Moment | None, Query(alias="updatedSince")] = None,
    sku: Annotated[str | None, Query(max_length=200)] = None,
    money_off: Annotated[bool | None, Query(alias="moneyOff", description="Whether the parts miss the total.")] = None,
) -> OrderFilter:
    return OrderFilter(
        placed_from=placed_from, placed_to=placed_to, updated_since=updated_since, sku=sku, off=money_off
    )


async def _wanted(
    placed: Annotated[OrderFilter, Depends(_placed)],
    connection_id: Annotated[str | None, Query(alias="connectionId", max_length=64)] = None,
    provider: Annotated[str | None, Query(max_length=64, description="The marketplace.")] = None,
    status: Annotated[OrderStatus | None, Query()] = None,
    payment_status: Annotated[PaymentStatus | None, Query(alias="paymentStatus")] = None,
    search: Annotated[str | None, Query(max_length=200, description="The order's number.")] = None,
    customer_id: Annotated[str | None, Query(alias="customerId", max_length=64)] = None,
) -> OrderFilter:
    whose = replace(placed, connection_id=connection_id, provider=provider, customer_id=customer_id)
    return replace(whose, status=status, payment_status=payment_status, number=search)


@orders.get("", permission=READ, limit="other", response_model=OrderList, summary="Orders, newest first")
async def list_orders(scope: ScopeDep, paging: PageDep, wanted: Annotated[OrderFilter, Depends(_wanted)]) -> Response:
    """By the day they were placed. No list shows anything personal."""
    page = await service.orders(scope, wanted, paging.ask)
    items = [OrderOut(**row) for row in page.items]
    return paging.listing("items", Page(items, page.next_after, None, page.has_more))


@orders.get(
    "/export",
    permission=READ,
    limit="other",
    response_model=None,
    media_type="text/csv",
    summary="Orders as a file",
    step_up=True,
    deadline=3_600.0,
    heavy="export",
)
async def export_orders(
    scope: ScopeDep,
    wanted: Annotated[OrderFilter, Depends(_wanted)],
    format: Annotated[Literal["csv", "ndjson"], Query()] = "csv",  # noqa: A002 - the parameter's name on the wire
    personal: Annotated[
        bool, Query(description="With names, addresses and notes, for holders of `orders:personal`.")
    ] = False,
) -> Response:
    """In the form that an upload of orders reads back; cells that a spreadsheet would run are guarded."""
    if personal and not scope.principal.may(PERSONAL):
        raise Forbidden
    kind = "text/csv; charset=utf-8" if format == "csv" else "application/x-ndjson"
    headers = attachment(f"orders.{format}")
    return StreamingResponse(
        service.exported(scope, service.Export(format, wanted, personal)), media_type=kind, headers=headers
    )


@orders.get(
    "/{id}", permission=READ, limit="other", response_model=OrderDetailOut, summary="One order", errors=(NotFound,)
)
async def get_order(
    scope: ScopeDep,
    id: str,  # noqa: A002 - the path's own word
    include: Annotated[Literal["raw"] | None, Query(description="`raw`: also what the platform sent.")] = None,
) -> Response:
    """With lines, shipments and money; with persons and the platform's own words for holders of `orders:personal`."""
    may = scope.principal.may(PERSONAL)
    return document(detail_out(await service.order(scope, id, personal=may, raw=include == "raw")))


def detail_out(found: OrderDetail) -> OrderDetailOut:
    """An order as its own address shows it."""
    order, row = found.order, found.row
    shown = {name: row[name] for name in OrderOut.__struct_fields__}
    return OrderDetailOut(
        **shown,
        **_plain(order),
        totals=TotalsOut(**msgspec.structs.asdict(order.totals)),
        lines=[_line(line, found.line_ids) for line in order.lines],
        shipments=[_shipment(one, found.shipment_ids) for one in order.shipments],
        cancellation=CancellationOut(**msgspec.structs.asdict(order.cancellation)) if order.cancellation else None,
        related=[RelatedOut(kind=one.kind, external_id=one.external_id) for one in order.related],
        returns=[_return(one) for one in order.returns],
        personal=_personal(found.personal),
        redacted_at=row["redacted_at"],
        raw=_raw(found.raw),
    )


_PLAIN = ("paid_at", "ship_by", "completed_at", "cancelled_at", "platform_updated_at", "payment_method", "is_cod")


def _plain(order: Order) -> dict[str, Any]:
    return {name: getattr(order, name) for name in (*_PLAIN, "fulfilment_type")}


def _line(line: OrderLine, ids: Mapping[str, str]) -> LineOut:
    fields = msgspec.structs.asdict(line)
    lists = {name: list(fields[name]) for name in ("external_ids", "shipment_ids")}
    return LineOut(id=ids.get(line.external_id), **{**fields, **lists})


def _shipment(one: Shipment, ids: Mapping[str, str]) -> ShipmentOut:
    return ShipmentOut(id=ids.get(one.external_id), **msgspec.structs.asdict(one))


def _return(one: Return) -> ReturnOut:
    return ReturnOut(**{**msgspec.structs.asdict(one), "lines": list(one.lines)})


def _personal(found: Personal | None) -> PersonalOut | None:
    if found is None:
        return None
    return PersonalOut(
        customer=CustomerOut(**msgspec.structs.asdict(found.customer)) if found.customer else None,
        shipping_address=_address(found.shipping_address),
        billing_address=_address(found.billing_address),
        buyer_note=found.buyer_note,
        seller_note=found.seller_note,
    )


def _address(found: Address | None) -> PostalAddressOut | None:
    return PostalAddressOut(**msgspec.structs.asdict(found)) if found else None


def _raw(sent: bytes | None) -> object:
    """JSON where it is JSON, else a readable text."""
    if sent is None:
        return None
    try:
        return msgspec.json.decode(sent)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return sent.decode("utf-8", "replace")
