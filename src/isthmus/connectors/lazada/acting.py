"""Acts on orders at Lazada, unit by unit: pack, ready to ship, cancel, answer a buyer (marketplaces.md 3.6).

`success: true` says nothing about a unit; its own `item_err_code` does (9.4).
"""

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from isthmus.client import CallerMistake
from isthmus.connect import judging, reading
from isthmus.connect.acting import Action, ActionKind, WrongDetail, units
from isthmus.connect.reading import Loose
from isthmus.connect.shapes import Order, OrderLine, OrderStatus, Shipment
from isthmus.connect.spi import Session
from isthmus.connect.writing import Outcome, Result

_TO_PACK: Final = frozenset({"pending", "topack", "repacked"})
_PACKED: Final = frozenset({"packed", "repacked"})
_READY: Final = frozenset({"ready_to_ship_pending", "ready_to_ship", "toship"})
_GONE: Final = frozenset({"canceled"})
_CANCELLABLE: Final = _TO_PACK | _PACKED | frozenset({"ready_to_ship"})
_FROM: Final = {
    ActionKind.PACK: (_TO_PACK, "waits to be packed"),
    ActionKind.READY_TO_SHIP: (_PACKED, "is packed"),
    ActionKind.CANCEL: (_CANCELLABLE, "can be cancelled any more"),
}
_ANSWERS: Final = {ActionKind.ACCEPT_CANCELLATION: "true", ActionKind.REJECT_CANCELLATION: "false"}
_DONE: Final = "0"


class _Item(msgspec.Struct):
    order_item_id: Loose = None
    package_id: Loose = None
    item_err_code: Loose = None
    msg: Loose = None
    retry: Loose = None


class _Packed(msgspec.Struct):
    order_item_list: list[_Item] | None = None


class _Carrier(msgspec.Struct):
    name: Loose = None
    provider_code: Loose = None


class _Data(msgspec.Struct):
    shipping_allocate_type: Loose = None
    platform_default: list[_Carrier] | _Carrier | None = None
    shipment_providers: list[_Carrier] | None = None
    pack_order_list: list[_Packed] | None = None
    packages: list[_Item] | None = None


class _Result(msgspec.Struct):
    data: _Data | None = None


class _Reply(msgspec.Struct):
    result: _Result


class _Option(msgspec.Struct):
    reason_id: Loose = None
    reason_name: Loose = None


class _Options(msgspec.Struct):
    reason_options: list[_Option] | None = None


class _OptionsReply(msgspec.Struct):
    data: _Options


class _Unit(msgspec.Struct):
    reverse_order_id: Loose = None


class _UnitsReply(msgspec.Struct):
    data: list[_Unit]


_REPLY = reading.decoder(_Reply)
_OPTIONS = reading.decoder(_OptionsReply)
_UNITS = reading.decoder(_UnitsReply)


def check(action: Action) -> str:
    """Why not, by the states of the units. Raises WrongDetail."""
    if action.kind in _ANSWERS:
        asked = action.order.status is OrderStatus.CANCEL_REQUESTED
        return "" if asked else "The buyer has not asked to cancel."
    if action.order.fulfilment_type == "platform":
        return "The platform sends this order itself."
    states, words = _FROM[action.kind]
    able = _able(action)
    if not able:
        return f"No unit of it {words}; it is {action.order.platform_status}."
    if action.kind is ActionKind.READY_TO_SHIP and not _packages(action):
        return "The order shows no package; read it anew."
    if action.lines and len(able) < len(units(action)):
        raise WrongDetail("lines", f"Only units in one of the states {', '.join(sorted(states))} can be named.")
    places = {line.location_external_id for line in able.values()}
    if action.kind is ActionKind.PACK and len(places) > 1:
        raise WrongDetail("lines", "Units of one pack must be in one warehouse: name the lines of one.")
    return ""


def _able(action: Action) -> dict[str, OrderLine]:
    states, _ = _FROM[action.kind]
    return {unit: line for unit, line in units(action).items() if line.platform_status in states}


def _packages(action: Action) -> list[Shipment]:
    lines = {line.external_id for line in _able(action).values()}
    return [
        one for one in action.order.shipments if one.platform_status in _PACKED and not lines.isdisjoint(one.quantities)
    ]


async def act(session: Session, root: str, action: Action) -> Sequence[Outcome]:
    """One writing call; what it needs to know is read before. Raises client errors."""
    if action.kind in _ANSWERS:
        form = {"reverse_order_id": await _request_of(session, root, action), "agree_cancel": _ANSWERS[action.kind]}
        await session.client.post(f"{root}/order/reverse/cancel/seller/decide", form=form, idempotent=False)
        return [Outcome(action.key)]
    if action.kind is ActionKind.CANCEL:
        return await _cancel(session, root, action)
    if action.kind is ActionKind.PACK:
        return await _pack(session, root, action)
    return await _ready(session, root, action)


async def _pack(session: Session, root: str, action: Action) -> Sequence[Outcome]:
    order_id, ids = action.order.external_id, [int(unit) for unit in _able(action)]
    asked = {"orders": [{"order_id": order_id, "order_item_ids": ids}]}
    form = {"getShipmentProvidersReq": _json(asked)}
    answer = await session.client.post(f"{root}/order/shipment/providers/get", form=form, idempotent=True)
    data = judging.decoded(answer, _REPLY).result.data or _Data()
    request: dict[str, object] = {
        "pack_order_list": [{"order_id": order_id, "order_item_list": ids}],
        "delivery_type": "dropship",
        "shipping_allocate_type": reading.line(data.shipping_allocate_type),
    }
    if request["shipping_allocate_type"] != "TFS":
        request["shipment_provider_code"] = _carrier(
            data, action.details.get("carrier"), session.account.settings.get("carrier")
        )
    answer = await session.client.post(f"{root}/order/fulfill/pack", form={"packReq": _json(request)}, idempotent=False)
    packed = (judging.decoded(answer, _REPLY).result.data or _Data()).pack_order_list or []
    return [_outcome(_id(one.order_item_id), one) for row in packed for one in row.order_item_list or ()]


def _carrier(data: _Data, wanted: str | None, preferred: str | None) -> str:
    """The carrier that is wished for by code or name, else the preferred one, else the platform's own choice."""
    offered = data.shipment_providers or []
    default = data.platform_default
    usual = default if isinstance(default, list) else [default] if default else []
    found = [one for one in offered if (wanted or preferred) in {_id(one.provider_code), reading.line(one.name)}]
    chosen = found if wanted else [*found, *usual, *offered]
    if not chosen:
        names = ", ".join(reading.line(one.name) for one in offered)
        raise CallerMistake(f"The platform offers these carriers: {names}.", code="carrier_unknown")
    return _id(chosen[0].provider_code)


async def _ready(session: Session, root: str, action: Action) -> Sequence[Outcome]:
    packages = _packages(action)
    request = {"packages": [{"package_id": one.external_id} for one in packages]}
    form = {"readyToShipReq": _json(request)}
    answer = await session.client.post(f"{root}/order/package/rts", form=form, idempotent=False)
    rows = (judging.decoded(answer, _REPLY).result.data or _Data()).packages or []
    told = {_id(row.package_id): row for row in rows}
    outcomes: dict[str, Outcome] = {}
    for one in packages:
        for line in one.quantities:
            outcome = _outcome(line, told.get(one.external_id, _Item()))
            if outcomes.get(line, outcome).result is Result.DONE:
                outcomes[line] = outcome
    return list(outcomes.values())


def _outcome(key: str, row: _Item) -> Outcome:
    """A unit without a code of its own went through with the call."""
    code = _DONE if reading.absent(row.item_err_code) else str(row.item_err_code)
    if code == _DONE:
        return Outcome(key)
    return Outcome(key, Result.LOCKED if reading.truth(row.retry) else Result.REFUSED, code, reading.line(row.msg))


async def _cancel(session: Session, root: str, action: Action) -> Sequence[Outcome]:
    units_ = f"[{','.join(_able(action))}]"
    named = {"order_id": action.order.external_id, "order_item_id_list": units_}
    answer = await session.client.get(f"{root}/order/reverse/cancel/validate", query=named)
    options = judging.decoded(answer, _OPTIONS).data.reason_options or []
    reason = next((one for one in options if action.reason in _names(one)), None)
    if reason is None:
        known = "; ".join(f"{one.reason_id}: {reading.line(one.reason_name)}" for one in options)
        raise CallerMistake(f"The platform takes one of these reasons: {known}.", code="reason_unknown")
    form = {**named, "reason_id": str(reason.reason_id)}
    await session.client.post(f"{root}/order/reverse/cancel/create", form=form, idempotent=False)
    return [Outcome(action.key)]


def _names(option: _Option) -> tuple[str, str]:
    return str(option.reason_id), reading.line(option.reason_name)


async def _request_of(session: Session, root: str, action: Action) -> str:
    """The id of the buyer's request, which stands on the units."""
    answer = await session.client.get(f"{root}/order/items/get", query={"order_id": action.order.external_id})
    for unit in judging.decoded(answer, _UNITS).data:
        if not reading.absent(unit.reverse_order_id):
            return str(unit.reverse_order_id)
    raise CallerMistake("The order shows no request of the buyer.", code="no_request")


def _id(value: Loose) -> str:
    """An id, which the platform sends as a number or a text."""
    return "" if reading.absent(value) else str(value)


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def shows(action: Action, order: Order) -> bool | None:
    """Whether the units show the effect; None where some do and some do not, or nobody knows their state."""
    if any(line.status is OrderStatus.UNKNOWN for line in order.lines):
        return None
    if action.kind is ActionKind.REJECT_CANCELLATION:
        return order.status not in {OrderStatus.CANCEL_REQUESTED, OrderStatus.CANCELLED}
    now = {unit: line.platform_status for unit, line in units(action, order).items()}
    if action.kind is ActionKind.ACCEPT_CANCELLATION:
        return _all(word in _GONE for word in now.values())
    before = _able(action) or units(action)
    words = [now[unit] for unit in before if unit in now]
    if action.kind is ActionKind.CANCEL:
        return _all(word in _GONE for word in words)
    still = _TO_PACK if action.kind is ActionKind.PACK else _TO_PACK | _PACKED
    return _all(word not in still for word in words if word not in _GONE)


def _all(found: Iterable[bool]) -> bool | None:
    told = set(found)
    return told.pop() if len(told) == 1 else None
