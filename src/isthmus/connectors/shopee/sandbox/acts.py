"""What sellers do with orders at Shopee (reference 2.6): ship, look for the number, cancel, answer a buyer.

The answer of `get_shipping_parameter` is not in the reference: it is emulated after the parameters of `ship_order`.
"""

from collections.abc import Mapping

from isthmus.connectors.shopee.sandbox.orders import status
from isthmus.connectors.shopee.sandbox.rules import refuse, shop_call, success
from isthmus.sandbox import Call, Placed, Reply, Seller, Shop

_REASONS = ("OUT_OF_STOCK", "CUSTOMER_REQUEST", "UNDELIVERABLE_AREA", "COD_NOT_SUPPORTED")
_AREA = frozenset({"TW", "MY"})
_SHIPPABLE = frozenset({"READY_TO_SHIP", "RETRY_SHIP"})
_CANCELLABLE = frozenset({"unpaid", "paid", "packed", "ready"})
_WAYS = ("pickup", "dropoff", "non_integrated")
_ADDRESS, _TIME, _BRANCH = 7_001, "1660200000", 9_001
#: Seconds until a number is known after the shipping was arranged.
_NUMBER_AFTER = 60


def own_carrier(order: Placed) -> bool:
    """Whether the buyer chose a carrier that is not connected to the platform."""
    return order.serial % 5 == 4


def shipping_parameter(shop: Shop, call: Call) -> Reply:
    """/logistics/get_shipping_parameter: how this order can be handed over."""
    seller, _ = shop_call(shop, call)
    order = _order(shop, seller, call.one("order_sn"))
    _check_package(shop, order, call.one("package_number"))
    if status(order) not in _SHIPPABLE:
        raise refuse(shop, "logistics.error_status_limit", "The order is not in a state that can be shipped.")
    if own_carrier(order):
        return success(shop, {"info_needed": {"non_integrated": ["tracking_number"]}, "pickup": None, "dropoff": None})
    slots = [{"date": shop.clock.unix(), "pickup_time_id": _TIME, "time_text": ""}]
    return success(
        shop,
        {
            "info_needed": {"pickup": ["address_id", "pickup_time_id"], "dropoff": ["branch_id"]},
            "pickup": {"address_list": [{"address_id": _ADDRESS, "time_slot_list": slots}]},
            "dropoff": {"branch_list": [{"branch_id": _BRANCH}]},
        },
    )


def ship(shop: Shop, call: Call) -> Reply:
    """/logistics/ship_order: by exactly one way."""
    seller, _ = shop_call(shop, call)
    given = call.json()
    order = _order(shop, seller, given.get("order_sn"))
    _check_package(shop, order, given.get("package_number"))
    ways = [name for name in _WAYS if isinstance(given.get(name), dict)]
    if len(ways) != 1:
        raise refuse(shop, "logistics.error_param", "Exactly one of pickup, dropoff and non_integrated is needed.")
    if status(order) not in _SHIPPABLE:
        raise refuse(shop, "logistics.error_status_limit", "The order is not in a state that can be shipped.")
    if own_carrier(order) != (ways[0] == "non_integrated"):
        raise refuse(shop, "logistics.error_param", f"This channel does not support {ways[0]}.")
    number = _arranged(shop, given[ways[0]], ways[0]) or f"SPXVN{order.serial:09d}"
    shop.book(seller.id).act(order.key, shop.clock.unix(), "packed", way=ways[0], tracking_number=number)
    shop.effects.add(call, order.key, "track" if ways[0] == "non_integrated" else "pack", number)
    return success(shop, {})


def _arranged(shop: Shop, given: object, way: str) -> str:
    """The number that the seller names, where the way has one."""
    values = given if isinstance(given, Mapping) else {}
    if way == "pickup" and (values.get("address_id"), values.get("pickup_time_id")) != (_ADDRESS, _TIME):
        raise refuse(shop, "logistics.error_param", "pickup needs a known address_id and pickup_time_id.")
    if way == "dropoff" and values.get("branch_id") != _BRANCH:
        raise refuse(shop, "logistics.error_param", "dropoff needs a known branch_id.")
    number = str(values.get("tracking_number") or "")
    if way == "non_integrated" and not number:
        raise refuse(shop, "logistics.error_param", "non_integrated needs a tracking_number.")
    return number


def tracking_number(shop: Shop, call: Call) -> Reply:
    """/logistics/get_tracking_number: empty for a while after the shipping was arranged."""
    seller, _ = shop_call(shop, call)
    order = _order(shop, seller, call.one("order_sn"))
    _check_package(shop, order, call.one("package_number"))
    arranged = order.at("packed")
    if arranged is None:
        raise refuse(shop, "logistics.error_status_limit", "The order has not been arranged for shipping.")
    known = shop.clock.unix() >= arranged + _NUMBER_AFTER or order.facts.get("way") == "non_integrated"
    number = order.facts.get("tracking_number", f"SPXVN{order.serial:09d}")
    return success(shop, {"tracking_number": number if known else "", "hint": ""})


def cancel(shop: Shop, call: Call) -> Reply:
    """/order/cancel_order: the whole order; OUT_OF_STOCK names the items."""
    seller, _ = shop_call(shop, call)
    given = call.json()
    order = _order(shop, seller, given.get("order_sn"))
    reason = given.get("cancel_reason")
    if reason not in _REASONS or (reason == "UNDELIVERABLE_AREA" and order.buyer.country not in _AREA):
        raise refuse(shop, "order.error_param", "cancel_reason is invalid.")
    if reason == "OUT_OF_STOCK" and not _names_items(order, given.get("item_list")):
        raise refuse(shop, "order.error_param", "item_list must name items of the order.")
    if order.state not in _CANCELLABLE:
        raise refuse(shop, "order.error_status_limit", "The order can not be cancelled in its status.")
    facts = {"cancel_by": "seller", "cancel_reason": str(reason)}
    moved = shop.book(seller.id).act(order.key, shop.clock.unix(), "cancelled", **facts)
    shop.effects.add(call, order.key, "cancel", str(reason))
    return success(shop, {"update_time": moved.updated})


def _names_items(order: Placed, given: object) -> bool:
    known = {line.row for line in order.lines}
    rows = given if isinstance(given, list) else []
    return bool(rows) and all(isinstance(one, dict) and one.get("item_id") in known for one in rows)


def answer_buyer(shop: Shop, call: Call) -> Reply:
    """/order/handle_buyer_cancellation: accept or reject what a buyer asks for."""
    seller, _ = shop_call(shop, call)
    given = call.json()
    order = _order(shop, seller, given.get("order_sn"))
    operation = given.get("operation")
    if operation not in {"ACCEPT", "REJECT"}:
        raise refuse(shop, "order.error_param", "operation must be ACCEPT or REJECT.")
    if order.state != "cancel_asked":
        raise refuse(shop, "order.error_status_limit", "There is no request of the buyer to cancel.")
    book, now = shop.book(seller.id), shop.clock.unix()
    if operation == "ACCEPT":
        book.act(order.key, now, "cancelled", cancel_by="buyer", cancel_reason="CUSTOMER_REQUEST")
    else:
        book.act(order.key, now, order.history[-2][0])
    shop.effects.add(call, order.key, f"{operation.lower()}_cancellation", True)
    return success(shop, {"update_time": now})


def _order(shop: Shop, seller: Seller, number: object) -> Placed:
    order = shop.book(seller.id).order(str(number or ""))
    if order is None:
        raise refuse(shop, "logistics.order_not_exist", "The order does not exist.")
    return order


def _check_package(shop: Shop, order: Placed, given: object) -> None:
    """It may be left out; an empty one is a mistake."""
    if given is not None and given != f"OFG{order.serial:015d}":
        raise refuse(shop, "logistics.error_param", "package_number is invalid.")
