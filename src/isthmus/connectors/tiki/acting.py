"""Acts on orders at Tiki, each by who delivers it: confirm, call off, deliver, tell a number (marketplaces.md 4.5)."""

from collections.abc import Iterable, Sequence
from typing import Final
from urllib.parse import quote

import msgspec

from isthmus.client import CallerMistake, MalformedBody
from isthmus.connect import judging, reading
from isthmus.connect.acting import Action, ActionKind, WrongDetail, units
from isthmus.connect.reading import Loose
from isthmus.connect.shapes import Order, OrderLine, OrderStatus
from isthmus.connect.spi import Session
from isthmus.connect.writing import Outcome

_WAITING: Final = "waiting"
_CONFIRMED: Final = frozenset({"seller_confirmed", "confirmed", "ready_to_pick"})
_DROPSHIP, _OWN, _ABROAD, _PLATFORM = "dropship", "self_delivery", "cross_border", "platform"
_ON_ITS_WAY: Final = frozenset({OrderStatus.PROCESSING, OrderStatus.READY_TO_SHIP, OrderStatus.SHIPPED})
_NOT_YET_SENT: Final = frozenset({OrderStatus.READY_TO_FULFIL, OrderStatus.PROCESSING, OrderStatus.READY_TO_SHIP})
_ARRIVED: Final = frozenset({OrderStatus.DELIVERED, OrderStatus.COMPLETED})
_OVER: Final = frozenset({OrderStatus.CANCELLED, OrderStatus.RETURNED, OrderStatus.UNKNOWN})
_RESULTS: Final = {"delivered": "successful_delivery", "failed": "failed_delivery"}


class _Inventory(msgspec.Struct):
    id: Loose = None
    name: Loose = None


class _Inventories(msgspec.Struct):
    data: list[_Inventory] | None = None


class _Order(msgspec.Struct):
    code: Loose = None


_INVENTORIES = reading.decoder(_Inventories)
_ORDER = reading.decoder(_Order)
Body = dict[str, object]


def check(action: Action) -> str:
    """Why not, by who delivers the order and how far it is. Raises WrongDetail."""
    order, kind = action.order, action.kind
    delivered_by = order.fulfilment_type
    if kind is ActionKind.CONFIRM:
        return _check_confirm(action)
    if kind is ActionKind.CANCEL:
        if delivered_by != _DROPSHIP:
            return "Only dropship orders can be called off by a call; others in Seller Center."
        return "" if _waiting(action) else "It has been answered already."
    if kind is ActionKind.DELIVERED:
        if delivered_by != _OWN or order.status not in _ON_ITS_WAY:
            return "Only an order that the seller delivers, and that is on its way, can be told as delivered."
        return _check_result(action)
    if delivered_by != _ABROAD or order.status not in _NOT_YET_SENT:
        return "Only a cross-border order that was not sent yet takes a number."
    if not action.details.get("trackingNumber"):
        raise WrongDetail("details.trackingNumber", "Name the carrier's number.")
    return ""


def _check_confirm(action: Action) -> str:
    delivered_by = action.order.fulfilment_type
    if delivered_by not in {_PLATFORM, _DROPSHIP}:
        return f"An order of kind {delivered_by} needs no confirmation."
    if not _waiting(action):
        return f"No line of it waits for a confirmation; the order is {action.order.platform_status}."
    if action.lines and delivered_by == _DROPSHIP:
        raise WrongDetail("lines", "A dropship order is confirmed as a whole.")
    if "pickupTime" in action.details and delivered_by != _DROPSHIP:
        raise WrongDetail("details.pickupTime", "Only dropship orders name a time.")
    return ""


def _check_result(action: Action) -> str:
    result = action.details.get("result", "delivered")
    if result not in _RESULTS:
        raise WrongDetail("details.result", "Either delivered or failed.")
    if result == "failed" and not action.details.get("failureCause"):
        raise WrongDetail("details.failureCause", "Say why the delivery failed.")
    return ""


def _waiting(action: Action) -> dict[str, OrderLine]:
    return {unit: line for unit, line in units(action).items() if line.platform_status == _WAITING}


async def act(session: Session, root: str, action: Action) -> Sequence[Outcome]:
    """One writing call. Raises client errors."""
    path, body = await _call(session, root, action)
    code = quote(action.order.external_id, safe="")
    answer = await session.client.post(f"{root}/orders/{code}/{path}", body, idempotent=False)
    # what cannot be looked for has to be believed
    if action.kind is not ActionKind.DELIVERED and judging.decoded(answer, _ORDER).code is None:
        raise MalformedBody("the answer is no order", reason="shape")
    return [Outcome(action.key)]


async def _call(session: Session, root: str, action: Action) -> tuple[str, Body]:
    details = action.details
    if action.kind is ActionKind.CANCEL:
        return "dropship/confirm-available", {"confirmation_status": "seller_canceled"}
    if action.kind is ActionKind.DELIVERED:
        names = {"failure_cause": "failureCause", "appointment_date": "appointmentDate", "note": "note"}
        told = {ours: details[name] for ours, name in names.items() if name in details}
        return "seller-delivery/update-delivery", {"status": _RESULTS[details.get("result", "delivered")], **told}
    if action.kind is ActionKind.TRACK:
        carrier = {"partner_name": details["carrier"]} if "carrier" in details else {}
        return "cross-border/update-shipment", {"tracking_code": details["trackingNumber"], **carrier}
    place = await _place(session, root, action)
    if action.order.fulfilment_type == _DROPSHIP:
        time = {"expected_pickup_time": details["pickupTime"]} if "pickupTime" in details else {}
        body: Body = {"confirmation_status": "seller_confirmed", "seller_inventory_id": place, **time}
        return "dropship/confirm-available", body
    return "confirm-available", {
        "available_item_ids": [int(unit) for unit in _waiting(action)],
        "seller_inventory_id": place,
    }


async def _place(session: Session, root: str, action: Action) -> int:
    """The warehouse that was named, the one that the lines name, the usual one, or the only one there is."""
    named = {action.details.get("warehouse")} - {None}
    found = named or {line.location_external_id for line in _waiting(action).values()} - {None}
    found = found or {session.account.settings.get("warehouse")} - {None}
    if not found:
        answer = await session.client.get(f"{root}/seller-inventories")
        rows = judging.decoded(answer, _INVENTORIES).data or []
        found = {str(one.id) for one in rows}
        if len(found) > 1:
            known = ", ".join(f"{one.id} ({reading.line(one.name)})" for one in rows)
            raise CallerMistake(f"Name one of the warehouses: {known}.", code="warehouse_needed")
    place = str(next(iter(found), ""))
    if not place.isdecimal():
        raise CallerMistake("There is no such warehouse.", code="warehouse_needed")
    return int(place)


def shows(action: Action, order: Order) -> bool | None:
    """Whether the order shows the effect; None where it cannot be told."""
    if order.status is OrderStatus.UNKNOWN:
        return None
    if action.kind is ActionKind.CANCEL:
        return order.status is OrderStatus.CANCELLED
    if action.kind is ActionKind.TRACK:
        wanted = action.details.get("trackingNumber")
        return any(one.tracking_number == wanted for one in order.shipments)
    if action.kind is ActionKind.DELIVERED:
        return _shows_result(action, order)
    if order.status in _OVER:
        return None
    before = _waiting(action) or units(action)
    now = {unit: line.platform_status for unit, line in units(action, order).items()}
    return _all(now[unit] for unit in before if unit in now)


def _shows_result(action: Action, order: Order) -> bool | None:
    """A delivery that failed leaves nothing on the order that could be looked for."""
    if action.details.get("result", "delivered") == "failed":
        return None
    return None if order.status in _OVER else order.status in _ARRIVED


def _all(words: Iterable[str]) -> bool | None:
    told = {True if word in _CONFIRMED else False if word == _WAITING else None for word in words}
    return told.pop() if len(told) == 1 else None
