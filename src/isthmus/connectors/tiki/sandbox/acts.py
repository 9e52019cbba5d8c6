"""What sellers do with orders at Tiki (reference 4.5): confirm, call off, deliver themselves, tell a number.

What these calls answer is not in the reference; here it is the order. How an order is delivered is drawn as
`tiki_delivery`; the fact `fulfillment_type` makes it another one.
"""

from collections.abc import Callable, Mapping

from isthmus.connectors.tiki.sandbox.orders import item_id, kind, one, status, waits
from isthmus.connectors.tiki.sandbox.rules import refuse
from isthmus.sandbox import Call, Placed, Reply, Seller, Shop, json_reply
from isthmus.sandbox.orders import State

_ON_ITS_WAY = frozenset({"packed", "ready", "shipped"})
_NOT_YET_SENT = frozenset({"paid", "packed", "ready"})


def inventories(_shop: Shop, _call: Call, seller: Seller) -> Reply:
    """GET /seller-inventories: the seller's own warehouses."""
    return json_reply({"data": [{"id": int(place.id), "name": place.name} for place in seller.warehouses]})


def confirm(shop: Shop, call: Call, seller: Seller) -> Reply:
    """POST confirm-available: the named items are there; the others are not."""
    order = _order(shop, call, seller, "tiki_delivery")
    given = call.json()
    _check_waiting(order)
    _check_place(seller, given)
    known = [item_id(order, place) for place in range(len(order.lines))]
    named = given.get("available_item_ids")
    wanted = named if isinstance(named, list) else []
    if any(one_id not in known for one_id in wanted):
        raise refuse(422, "items", "available_item_ids holds an unknown item")
    facts = {f"item:{one_id}": "seller_confirmed" if one_id in wanted else "seller_canceled" for one_id in known}
    state: State | None = None if wanted else "cancelled"
    shop.book(seller.id).act(order.key, shop.clock.unix(), state, **facts)
    for one_id in wanted:
        shop.effects.add(call, str(one_id), "confirm", True)
    return one(shop, call, seller)


def confirm_dropship(shop: Shop, call: Call, seller: Seller) -> Reply:
    """POST dropship/confirm-available: the whole order, or nothing of it."""
    order = _order(shop, call, seller, "dropship")
    given = call.json()
    _check_waiting(order)
    word = given.get("confirmation_status")
    if word not in {"seller_confirmed", "seller_canceled"}:
        raise refuse(422, "confirmation_status", "confirmation_status must be seller_confirmed or seller_canceled")
    if word == "seller_confirmed":
        _check_place(seller, given)
    facts = {f"item:{item_id(order, place)}": str(word) for place in range(len(order.lines))}
    state: State | None = "cancelled" if word == "seller_canceled" else None
    shop.book(seller.id).act(order.key, shop.clock.unix(), state, **facts)
    shop.effects.add(call, order.key, "confirm" if state is None else "cancel", True)
    return one(shop, call, seller)


def delivered(shop: Shop, call: Call, seller: Seller) -> Reply:
    """POST seller-delivery/update-delivery: how the seller's own delivery ended."""
    order = _order(shop, call, seller, "seller_delivery")
    given = call.json()
    word = given.get("status")
    if word not in {"successful_delivery", "failed_delivery"}:
        raise refuse(422, "status", "status must be successful_delivery or failed_delivery")
    if word == "failed_delivery" and not given.get("failure_cause"):
        raise refuse(422, "failure_cause", "failure_cause is required")
    if order.state not in _ON_ITS_WAY:
        raise refuse(400, "state", f"Order is {status(order)}")
    state: State | None = "delivered" if word == "successful_delivery" else None
    shop.book(seller.id).act(order.key, shop.clock.unix(), state, delivery=str(word))
    shop.effects.add(call, order.key, "delivered", str(word))
    return one(shop, call, seller)


def shipment(shop: Shop, call: Call, seller: Seller) -> Reply:
    """POST cross-border/update-shipment: the carrier's number; an order has one."""
    order = _order(shop, call, seller, "cross_border")
    given = call.json()
    number = given.get("tracking_code")
    if not isinstance(number, str) or not number:
        raise refuse(422, "tracking_code", "tracking_code is required")
    if order.state not in _NOT_YET_SENT:
        raise refuse(400, "state", f"Order is {status(order)}")
    before = order.facts.get("tracking_code")
    facts = {"tracking_code": number, "partner_name": str(given.get("partner_name") or "")}
    shop.book(seller.id).act(order.key, shop.clock.unix(), None, **facts)
    shop.effects.add(call, order.key, "track", number, before=before)
    return one(shop, call, seller)


def _order(shop: Shop, call: Call, seller: Seller, wanted: str) -> Placed:
    order = shop.book(seller.id).order(call.params["code"])
    if order is None:
        raise refuse(404, "order", f"Order not found code: {call.params['code'][:40]}")
    if kind(order) != wanted:
        raise refuse(400, "kind", f"Order is delivered as {kind(order)}")
    return order


def _check_waiting(order: Placed) -> None:
    if not waits(order):
        raise refuse(400, "state", f"Order is {status(order)} and waits for no confirmation")


def _check_place(seller: Seller, given: Mapping[str, object]) -> None:
    if str(given.get("seller_inventory_id")) not in {place.id for place in seller.warehouses}:
        raise refuse(422, "seller_inventory_id", "seller_inventory_id is unknown")


#: Method, path behind the API's root, and what answers it.
CALLS: tuple[tuple[str, str, Callable[[Shop, Call, Seller], Reply]], ...] = (
    ("GET", "seller-inventories", inventories),
    ("POST", "orders/{code}/confirm-available", confirm),
    ("POST", "orders/{code}/dropship/confirm-available", confirm_dropship),
    ("POST", "orders/{code}/seller-delivery/update-delivery", delivered),
    ("POST", "orders/{code}/cross-border/update-shipment", shipment),
)
