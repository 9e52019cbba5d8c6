"""What sellers do with orders at Lazada (reference 3.6): carriers, pack, ready to ship, cancel, answer a buyer.

Each unit goes its own way, and `success: true` says nothing about it: `item_err_code` does. A test makes a unit refuse
by leaving the fact `refuse:<its place>` on the order.
"""

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from isthmus.connectors.lazada.sandbox.orders import FIRST_UNIT, reverse_id, unit_status
from isthmus.connectors.lazada.sandbox.products import Given
from isthmus.connectors.lazada.sandbox.rules import missing, refuse, success
from isthmus.sandbox import Call, Placed, Reply, Seller, Shop, json_reply
from isthmus.sandbox.orders import State

_MOST = 20
_PACKABLE = frozenset({"pending", "topack", "repacked"})
_CANCELLABLE = frozenset({"pending", "topack", "packed", "repacked", "ready_to_ship"})
_CARRIER = {"name": "LEX VN", "provider_code": "FM49"}
_REASONS = ({"reason_id": 10_001, "reason_name": "Out of stock"}, {"reason_id": 10_002, "reason_name": "Wrong price"})
_PACKED, _READY = "packed", "ready_to_ship"
#: What an order is when all its units that live are in one state.
_WHOLE: Mapping[frozenset[str], State] = {
    frozenset(): "cancelled",
    frozenset({_PACKED}): "packed",
    frozenset({_READY}): "ready",
}
Row = Mapping[str, object]


def providers(shop: Shop, _: Call, seller: Seller, given: Given) -> Reply:
    """/order/shipment/providers/get: who can carry these units, and whether the seller may choose."""
    rows = _rows(shop, given, "getShipmentProvidersReq", "orders")
    order = _order(shop, seller, rows[0].get("order_id"))
    data = {
        "platform_default": [_CARRIER],
        "shipping_allocate_type": _allocation(order),
        "shipment_providers": [_CARRIER, {"name": "J&T", "provider_code": "FM50"}],
    }
    return _result(shop, data)


def _allocation(order: Placed) -> str:
    return "NTFS" if order.serial % 2 else "TFS"


def pack(shop: Shop, call: Call, seller: Seller, given: Given) -> Reply:
    """/order/fulfill/pack: unit by unit; only pending and repacked ones."""
    rows = _rows(shop, given, "packReq", "pack_order_list")
    request = _request(given, "packReq")
    if request.get("delivery_type") != "dropship":
        raise refuse(shop, "700001", "delivery_type must be dropship")
    shown = []
    for row in rows:
        order = _order(shop, seller, row.get("order_id"))
        if request.get("shipping_allocate_type") != _allocation(order):
            raise refuse(shop, "700002", "shipping_allocate_type does not fit the order")
        if _allocation(order) == "NTFS" and not request.get("shipment_provider_code"):
            raise refuse(shop, "700003", "shipment_provider_code is required")
        shown.append({"order_id": int(order.key), "order_item_list": _pack_all(shop, call, seller, order, row)})
    return _result(shop, {"pack_order_list": shown})


def _pack_all(shop: Shop, call: Call, seller: Seller, order: Placed, row: Row) -> list[dict[str, object]]:
    places = _places(shop, order, row.get("order_item_list"))
    taken = [place for place in places if unit_status(order, place) in _PACKABLE and not _stuck(order, place)]
    package = f"FP{order.serial:06d}{shop.effects.last:04d}"
    if taken:
        _put(shop, seller, order, taken, _PACKED, package=package)
    for place in taken:
        shop.effects.add(call, str(_unit(order, place)), "pack", package)
    done: dict[str, object] = {
        "item_err_code": "0",
        "msg": "success",
        "package_id": package,
        "shipment_provider": "LEX VN",
    }
    done |= {"tracking_number": f"LZD{order.serial:09d}", "retry": False}
    failed = {"item_err_code": "700026", "msg": "FO_ITEM_NOT_ALLOW_TO_PACK", "retry": False}
    return [{"order_item_id": _unit(order, place), **(done if place in taken else failed)} for place in places]


def _stuck(order: Placed, place: int) -> bool:
    return bool(order.facts.get(f"refuse:{place}"))


def ready(shop: Shop, call: Call, seller: Seller, given: Given) -> Reply:
    """/order/package/rts: package by package; only packed ones."""
    rows = _rows(shop, given, "readyToShipReq", "packages")
    shown = []
    for row in rows:
        package = str(row.get("package_id") or "")
        order, places = _packed(shop, seller, package)
        if order is None or any(unit_status(order, place) not in {"packed", "repacked"} for place in places):
            shown.append({"package_id": package, "item_err_code": "700029", "msg": "PACKAGE_STATUS", "retry": False})
            continue
        _put(shop, seller, order, places, _READY)
        shop.effects.add(call, package, "ready_to_ship", True)
        shown.append({"package_id": package, "item_err_code": "0", "msg": "success", "retry": False})
    return _result(shop, {"packages": shown})


def validate(shop: Shop, _: Call, seller: Seller, given: Given) -> Reply:
    """/order/reverse/cancel/validate: the reasons that these units can be cancelled for."""
    order = _order(shop, seller, given.get("order_id"))
    _cancellable(shop, order, given)
    return success(shop, {"reason_options": list(_REASONS), "tip_content": "", "tip_type": ""})


def cancel(shop: Shop, call: Call, seller: Seller, given: Given) -> Reply:
    """/order/reverse/cancel/create: with the other units of their packages."""
    order = _order(shop, seller, given.get("order_id"))
    places = _cancellable(shop, order, given)
    if given.get("reason_id") not in {str(one["reason_id"]) for one in _REASONS}:
        raise refuse(shop, "INVALID_REASON", "The reason is not one of the options")
    packages = {package_of(order, place) for place in places} - {""}
    whole = sorted({*places, *[place for place in _all(order) if package_of(order, place) in packages]})
    _put(shop, seller, order, whole, "canceled")
    for place in whole:
        shop.effects.add(call, str(_unit(order, place)), "cancel", given["reason_id"])
    return success(shop, {"success": True})


def decide(shop: Shop, call: Call, seller: Seller, given: Given) -> Reply:
    """/order/reverse/cancel/seller/decide: the answer to a buyer who wants to cancel."""
    asked = given.get("reverse_order_id", "")
    orders = shop.book(seller.id).all()
    order = next((one for one in orders if one.state == "cancel_asked" and str(reverse_id(one)) == asked), None)
    if order is None:
        raise refuse(shop, "REVERSE_ORDER_NOT_FOUND", "There is no such request")
    if given.get("agree_cancel") not in {"true", "false"}:
        raise missing(shop, "agree_cancel")
    agreed = given["agree_cancel"] == "true"
    state: State = "cancelled" if agreed else order.history[-2][0]
    shop.book(seller.id).act(order.key, shop.clock.unix(), state)
    shop.effects.add(call, order.key, "accept_cancellation" if agreed else "reject_cancellation", True)
    return success(shop, {"success": True})


def package_of(order: Placed, place: int) -> str:
    """The package that a unit was packed into by a call."""
    return order.facts.get(f"package:{place}", "")


def _put(shop: Shop, seller: Seller, order: Placed, places: Iterable[int], word: str, *, package: str = "") -> None:
    """Bring units into a state; the order follows when all that live are in it."""
    facts = {f"unit:{place}": word for place in places}
    if package:
        facts |= {f"package:{place}": package for place in places}
    words = {facts.get(f"unit:{place}", unit_status(order, place)) for place in _all(order)} - {"canceled"}
    state = _WHOLE.get(frozenset(words), order.state)
    shop.book(seller.id).act(order.key, shop.clock.unix(), state, **facts)


def _cancellable(shop: Shop, order: Placed, given: Given) -> list[int]:
    ids: list[int] = []
    with contextlib.suppress(msgspec.DecodeError):
        ids = msgspec.json.decode(given.get("order_item_id_list", ""), type=list[int])
    places = _places(shop, order, ids)
    if any(unit_status(order, place) not in _CANCELLABLE for place in places):
        raise refuse(shop, "CANCEL_NOT_ALLOWED", "An item can not be cancelled in its status")
    return places


def _all(order: Placed) -> range:
    return range(sum(line.quantity for line in order.lines))


def _unit(order: Placed, place: int) -> int:
    return FIRST_UNIT + order.serial * 10_000 + place


def _places(shop: Shop, order: Placed, ids: object) -> list[int]:
    known = {_unit(order, place): place for place in _all(order)}
    wanted = ids if isinstance(ids, list) else []
    if not wanted or any(one not in known for one in wanted):
        raise refuse(shop, "39", "E039: No order items were found")
    return [known[one] for one in wanted]


def _packed(shop: Shop, seller: Seller, package: str) -> tuple[Placed | None, list[int]]:
    for order in shop.book(seller.id).all():
        places = [place for place in _all(order) if package and shown_package(order, place) == package]
        if places:
            return order, places
    return None, []


def shown_package(order: Placed, place: int) -> str:
    """The package of a unit as the unit's row shows it."""
    sent = unit_status(order, place) not in {"unpaid", "pending", "topack", "canceled"}
    return package_of(order, place) or (f"FP{order.serial:010d}" if sent else "")


def _order(shop: Shop, seller: Seller, given: object) -> Placed:
    order = shop.book(seller.id).order(str(given or ""))
    if order is None:
        raise refuse(shop, "16", f'E016: "{str(given)[:40]}" Invalid Order ID')
    return order


def _request(given: Given, name: str) -> Row:
    with contextlib.suppress(msgspec.DecodeError):
        found = msgspec.json.decode(given.get(name, ""))
        if isinstance(found, dict):
            return found
    return {}


def _rows(shop: Shop, given: Given, name: str, field: str) -> Sequence[Row]:
    if not given.get(name):
        raise missing(shop, name)
    rows = _request(given, name).get(field)
    if not isinstance(rows, list) or not 1 <= len(rows) <= _MOST or not all(isinstance(one, dict) for one in rows):
        raise refuse(shop, "700000", f"{field} must hold 1 to {_MOST} rows")
    return rows


def _result(shop: Shop, data: object) -> Reply:
    inner = {"success": True, "error_code": "", "error_msg": "", "data": data}
    return json_reply({"code": "0", "result": inner, "request_id": shop.request_id()})


#: Path to what answers it.
CALLS: Mapping[str, Callable[[Shop, Call, Seller, Given], Reply]] = {
    "order/shipment/providers/get": providers,
    "order/fulfill/pack": pack,
    "order/package/rts": ready,
    "order/reverse/cancel/validate": validate,
    "order/reverse/cancel/create": cancel,
    "order/reverse/cancel/seller/decide": decide,
}
