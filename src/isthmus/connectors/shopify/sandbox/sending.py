"""The mutations that act on orders (reference 6.6): parcels of fulfilment orders, and cancellations with a reason."""

from collections.abc import Mapping
from typing import Any

from isthmus.connectors.shopify.sandbox import nodes, orders
from isthmus.connectors.shopify.sandbox.graph import Arguments, Ask, Node, Wrong, many
from isthmus.connectors.shopify.sandbox.mutations import complaint, given
from isthmus.connectors.shopify.sandbox.orders import Parcel, Parcels
from isthmus.sandbox import Placed

_REASONS = frozenset({"CUSTOMER", "DECLINED", "FRAUD", "INVENTORY", "OTHER", "STAFF"})
_OVER = frozenset({"shipped", "delivered", "completed", "returned", "cancelled"})


def fulfil(ask: Ask, arguments: Arguments, parcels: Parcels) -> Node:
    """A parcel with what is left of a fulfilment order, or with some lines of it."""
    wanted = given(arguments.get("fulfillment"))
    [part] = [given(one) for one in many(wanted.get("lineItemsByFulfillmentOrder"), "lines")] or [{}]
    number = nodes.number_of(part.get("fulfillmentOrderId"), "FulfillmentOrder")
    order = ask.shop.book(ask.seller.id).order(str(number))
    if order is None:
        return _sent(None, [complaint("Fulfillment order does not exist.", "fulfillment")])
    left = orders.left(order, parcels)
    lines = _lines(part, left)
    if not lines or order.state in _OVER or any(count > left.get(line, 0) for line, count in lines.items()):
        return _sent(None, [complaint("Fulfillment order has nothing left to fulfill.", "fulfillment")])
    tracking = given(wanted.get("trackingInfo"))
    return _sent(_send(ask, order, parcels, lines, tracking), [])


def _sent(parcel: Node | None, errors: list[Node]) -> Node:
    return {"__typename": "FulfillmentCreatePayload", "fulfillment": parcel, "userErrors": errors}


def _lines(part: Mapping[str, Any], left: Mapping[int, int]) -> dict[int, int]:
    """Which lines with how many pieces; without any named, all that is left."""
    if part.get("fulfillmentOrderLineItems") is None:
        return {line: count for line, count in left.items() if count}
    found: dict[int, int] = {}
    for one in many(part["fulfillmentOrderLineItems"], "lines"):
        row = given(one)
        number, count = nodes.number_of(row.get("id"), "FulfillmentOrderLineItem"), row.get("quantity")
        if number is None or not isinstance(count, int) or count < 1:
            raise Wrong("INVALID_VARIABLE", "a line has an id and a quantity")
        found[number] = count
    return found


def _send(ask: Ask, order: Placed, parcels: Parcels, lines: Mapping[int, int], tracking: Mapping[str, Any]) -> Node:
    number = str(tracking.get("number") or "")
    before = number if any(one.number == number for one in parcels.of(order)) else None
    made = Parcel(
        255_100_000 + order.serial * 100 + len(parcels.of(order)),
        str(tracking.get("company") or ""),
        number,
        str(tracking.get("url") or "") or None,
        ask.shop.clock.unix(),
        dict(lines),
    )
    parcels.add(order, made)
    ask.shop.effects.add(ask.call, order.key, "track", number, before=before)
    if any(orders.left(order, parcels).values()):
        ask.shop.book(ask.seller.id).edit(order.key, ask.shop.clock.unix(), strange=order.strange, hidden=order.hidden)
    else:
        ask.shop.move_order(order.key, "shipped", seller=ask.seller.id)
    return {"__typename": "Fulfillment", "id": nodes.gid("Fulfillment", made.id), "status": "SUCCESS"}


def cancel(ask: Ask, arguments: Arguments, parcels: Parcels) -> Node:
    """Call an order off; what was sent cannot be."""
    order = ask.shop.book(ask.seller.id).order(str(nodes.number_of(arguments.get("orderId"), "Order")))
    reason = arguments.get("reason")
    if reason not in _REASONS or not isinstance(arguments.get("restock"), bool):
        raise Wrong("INVALID_VARIABLE", "reason and restock are required")
    if order is None:
        return _cancelled([complaint("Order does not exist", "orderId", code="NOT_FOUND")])
    if order.state in _OVER or parcels.of(order):
        return _cancelled([complaint("Cannot cancel an order that was sent or cancelled", "orderId")])
    parcels.reasons[order.key] = str(reason).lower()
    ask.shop.effects.add(ask.call, order.key, "cancel", value=True)
    ask.shop.move_order(order.key, "cancelled", seller=ask.seller.id)
    return _cancelled([], job=True)


def _cancelled(errors: list[Node], *, job: bool = False) -> Node:
    made = {"__typename": "Job", "id": nodes.gid("Job", "1"), "done": False} if job else None
    return {"__typename": "OrderCancelPayload", "job": made, "orderCancelUserErrors": errors}
