"""Acts on orders: arranges their shipping, cancels them, answers buyers who want to cancel (marketplaces.md 2.6).

Shopee has no step between "will send it" and "waits for its carrier": `ship_order` is both.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from isthmus.client import CallerMistake
from isthmus.connect import judging, reading
from isthmus.connect.acting import Action, ActionKind, WrongDetail, units
from isthmus.connect.reading import Loose
from isthmus.connect.shapes import Order, OrderStatus, Shipment
from isthmus.connect.spi import Session
from isthmus.connect.writing import Outcome
from isthmus.connectors.shopee.connector.items import API

_READY, _RETRY = "READY_TO_SHIP", "RETRY_SHIP"
_ARRANGED: Final = frozenset({"PROCESSED", "SHIPPED", "TO_CONFIRM_RECEIVE", "COMPLETED", "TO_RETURN"})
#: States of a package: nobody comes for it yet, or somebody does (marketplaces.md 10.4).
_IDLE: Final = frozenset({"LOGISTICS_READY", "LOGISTICS_NOT_START"})
_MOVING: Final = frozenset({"LOGISTICS_REQUEST_CREATED", "LOGISTICS_PICKUP_DONE", "LOGISTICS_DELIVERY_DONE"})
_CANCELLABLE: Final = frozenset(
    {OrderStatus.PENDING_PAYMENT, OrderStatus.ON_HOLD, OrderStatus.READY_TO_FULFIL, OrderStatus.READY_TO_SHIP}
)
_OUT_OF_STOCK, _AREA = "OUT_OF_STOCK", "UNDELIVERABLE_AREA"
_AREAS: Final = frozenset({"TW", "MY"})
_ANSWERS: Final = {ActionKind.ACCEPT_CANCELLATION: "ACCEPT", ActionKind.REJECT_CANCELLATION: "REJECT"}
_WAYS: Final = ("pickup", "dropoff")


class _Slot(msgspec.Struct):
    pickup_time_id: Loose = None


class _Address(msgspec.Struct):
    address_id: Loose = None
    time_slot_list: list[_Slot] | None = None


class _Pickup(msgspec.Struct):
    address_list: list[_Address] | None = None


class _Branch(msgspec.Struct):
    branch_id: Loose = None


class _Dropoff(msgspec.Struct):
    branch_list: list[_Branch] | None = None


class _Parameter(msgspec.Struct):
    info_needed: dict[str, Loose] | None = None
    pickup: _Pickup | None = None
    dropoff: _Dropoff | None = None


class _ParameterReply(msgspec.Struct):
    response: _Parameter


_PARAMETER = reading.decoder(_ParameterReply)
Body = dict[str, object]


def check(action: Action) -> str:
    """Why not, by the order's state; then whether the action says what it needs. Raises WrongDetail."""
    order, kind = action.order, action.kind
    if kind in _ANSWERS:
        return "" if order.status is OrderStatus.CANCEL_REQUESTED else "The buyer has not asked to cancel."
    if kind is ActionKind.CANCEL:
        return _check_cancel(action)
    if order.fulfilment_type == "platform":
        return "The platform sends this order itself."
    if order.platform_status not in {_READY, _RETRY}:
        return f"Only orders that are ready to ship can be shipped; this one is {order.platform_status}."
    if action.lines:
        raise WrongDetail("lines", "Shopee ships a whole package.")
    if kind is ActionKind.TRACK and not action.details.get("trackingNumber"):
        raise WrongDetail("details.trackingNumber", "Name the carrier's number.")
    if action.details.get("method", "pickup") not in _WAYS:
        raise WrongDetail("details.method", "Either pickup or dropoff.")
    if _package(action) is None and len(order.shipments) > 1:
        raise WrongDetail("details.package", "The order has several packages: name one of them.")
    if "package" in action.details and _package(action) is None:
        raise WrongDetail("details.package", "The order has no such package.")
    return ""


def _check_cancel(action: Action) -> str:
    order = action.order
    if order.status not in _CANCELLABLE:
        return f"An order that is {order.platform_status} cannot be cancelled by the seller."
    if action.lines and action.reason != _OUT_OF_STOCK:
        raise WrongDetail("lines", "Lines are named only with the reason OUT_OF_STOCK; the whole order is cancelled.")
    if action.reason == _AREA and order.country not in _AREAS:
        raise WrongDetail("reason", "This reason exists in Taiwan and Malaysia only.")
    return ""


async def act(session: Session, action: Action) -> Sequence[Outcome]:
    """One writing call. Raises client errors."""
    path, body = await _call(session, action)
    await session.client.post(f"{session.app_hosts['api']}{API}/{path}", body, idempotent=False)
    return [Outcome(action.key)]


async def _call(session: Session, action: Action) -> tuple[str, Body]:
    body: Body = {"order_sn": action.order.external_id}
    if action.kind in _ANSWERS:
        return "order/handle_buyer_cancellation", body | {"operation": _ANSWERS[action.kind]}
    if action.kind is ActionKind.CANCEL:
        return "order/cancel_order", body | _cancelling(action)
    package = _package(action)
    if package is not None:
        body["package_number"] = package.external_id
    if action.kind is ActionKind.TRACK:
        return "logistics/ship_order", body | {"non_integrated": {"tracking_number": action.details["trackingNumber"]}}
    return "logistics/ship_order", body | await _handing_over(session, body, action.details)


def _cancelling(action: Action) -> Body:
    if action.reason != _OUT_OF_STOCK:
        return {"cancel_reason": action.reason}
    lines = {line.external_id: line for line in units(action).values()}.values()
    rows = [
        {"item_id": int(one.product_external_id or 0), "model_id": _model(one.variant_external_id)} for one in lines
    ]
    return {"cancel_reason": action.reason, "item_list": rows}


def _model(variant: str | None) -> int:
    """An item without models has the model 0, which stands behind the item's id in ours."""
    return int((variant or "0").rpartition(":")[2])


async def _handing_over(session: Session, named: Body, details: Mapping[str, str]) -> Body:
    """Exactly one way to hand the parcel over: the one that is wished for, the usual one, or the first of the offer."""
    query = {name: str(value) for name, value in named.items()}
    url = f"{session.app_hosts['api']}{API}/logistics/get_shipping_parameter"
    found = judging.decoded(await session.client.get(url, query=query), _PARAMETER).response
    offered = [way for way in _WAYS if way in (found.info_needed or {})]
    usual = session.account.settings.get("hand_over")
    way = details.get("method") or (usual if usual in offered else "") or (offered[0] if offered else "")
    if way not in offered:
        raise CallerMistake("The platform does not offer this way for the order.", code="way_not_offered")
    given = _pickup(found, details) if way == "pickup" else _dropoff(found, details)
    return {way: given}


def _pickup(found: _Parameter, details: Mapping[str, str]) -> Body:
    addresses = (found.pickup.address_list if found.pickup else None) or [_Address()]
    wanted = details.get("warehouse")
    address = next((one for one in addresses if wanted in (None, str(one.address_id))), _Address(wanted))
    slots = address.time_slot_list or [_Slot()]
    time = details.get("pickupTime") or slots[0].pickup_time_id
    return {"address_id": _number(address.address_id), "pickup_time_id": str(time or "")}


def _dropoff(found: _Parameter, details: Mapping[str, str]) -> Body:
    branches = (found.dropoff.branch_list if found.dropoff else None) or []
    branch = details.get("branch") or (branches[0].branch_id if branches else None)
    named = {"sender_real_name": details.get("sender"), "tracking_number": details.get("trackingNumber")}
    body: Body = {name: value for name, value in named.items() if value}
    return body if branch is None else {"branch_id": _number(branch), **body}


def _number(value: Loose) -> object:
    text = str(value)
    return int(text) if text.isdecimal() else text


def _package(action: Action) -> Shipment | None:
    return next((one for one in action.order.shipments if one.external_id == action.details.get("package")), None)


def shows(action: Action, order: Order) -> bool | None:
    """Whether the order shows the effect; None where it cannot be told."""
    status = order.status
    if status is OrderStatus.UNKNOWN:
        return None
    if action.kind in {ActionKind.CANCEL, ActionKind.ACCEPT_CANCELLATION}:
        return status is OrderStatus.CANCELLED
    if action.kind is ActionKind.REJECT_CANCELLATION:
        return status not in {OrderStatus.CANCEL_REQUESTED, OrderStatus.CANCELLED}
    named = _package(action)
    if named is not None:
        word = next((one.platform_status for one in order.shipments if one.external_id == named.external_id), "")
        return True if word in _MOVING else False if word in _IDLE else None
    if order.platform_status in _ARRANGED:
        return True
    untouched = order.platform_status == _READY or action.order.platform_status == order.platform_status == _RETRY
    return False if untouched else None
