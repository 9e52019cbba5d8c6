"""REST's writes and what must be read for them (reference 6.5, 6.6): the same shop as by GraphQL, one thing a call."""

from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from isthmus.connectors.shopify.sandbox import mutations, nodes, orders, products, sending
from isthmus.connectors.shopify.sandbox.graph import Ask, Node, Wrong
from isthmus.connectors.shopify.sandbox.mutations import Book
from isthmus.connectors.shopify.sandbox.orders import Parcels
from isthmus.connectors.shopify.sandbox.queries import product_row
from isthmus.connectors.shopify.sandbox.rules import paged, place, refuse
from isthmus.sandbox import Placed, Reply, json_reply

_ITEMS = 50
_NAMES = {"price": "price", "compare_at_price": "compareAtPrice"}
_TEXTS = {"title": "title", "body_html": "descriptionHtml", "status": "status"}
_GONE = frozenset({"PRODUCT_DOES_NOT_EXIST", "PRODUCT_VARIANT_DOES_NOT_EXIST"})


def variant(ask: Ask) -> Reply:
    """GET /variants/{id}.json."""
    return json_reply({"variant": _variant(ask)})


def put_variant(ask: Ask, book: Book) -> Reply:
    """PUT /variants/{id}.json: prices."""
    number = _variant(ask)["id"]
    given = _body(ask, "variant")
    wanted = {ours: given[theirs] for theirs, ours in _NAMES.items() if theirs in given}
    row = {"id": nodes.gid("ProductVariant", number), **wanted}
    parent = nodes.gid("Product", (nodes.variant_place(number) or (0, 0))[0])
    _taken(mutations.variants_update(ask, {"productId": parent, "variants": [row]}, book))
    return variant(ask)


def put_product(ask: Ask, book: Book) -> Reply:
    """PUT /products/{id}.json: texts and state."""
    products.one(ask.shop, ask.call, ask.seller)
    given = _body(ask, "product")
    wanted = {ours: given[theirs] for theirs, ours in _TEXTS.items() if theirs in given}
    if "status" in wanted:
        wanted["status"] = str(wanted["status"]).upper()
    row = {"id": nodes.gid("Product", ask.call.params["id"]), **wanted}
    _taken(_tried(lambda: mutations.product_update(ask, {"product": row}, book)))
    return products.one(ask.shop, ask.call, ask.seller)


def locations(ask: Ask) -> Reply:
    """GET /locations.json."""
    rows = [{"id": int(one.id), "name": one.name, "active": True} for one in ask.seller.warehouses]
    return json_reply({"locations": rows})


def levels(ask: Ask) -> Reply:
    """GET /inventory_levels.json: up to 50 items, at every place."""
    at = place(ask.shop, ask.call)
    wanted = [one for one in at.filters.get("inventory_item_ids", "").split(",") if one]
    if not 1 <= len(wanted) <= _ITEMS or not all(one.isascii() and one.isdecimal() for one in wanted):
        raise refuse(422, "inventory_item_ids", {"inventory_item_ids": f"must hold 1 to {_ITEMS} ids"})
    rows = [row for item in wanted for row in _levels(ask, int(item))]
    shown, headers = paged(ask.shop, ask.call, at, rows, lambda one: one[0])
    return json_reply({"inventory_levels": [row for _, row in shown]}, headers=headers)


def _levels(ask: Ask, item: int) -> list[tuple[int, dict[str, object]]]:
    found = nodes.variant_place(products.variant_of_item(item))
    row = product_row(ask, found[0]) if found is not None else None
    if found is None or row is None or found[1] >= len(row.product.variants):
        return []
    free = row.product.variants[found[1]].spread(len(ask.seller.warehouses))
    pairs = zip(ask.seller.warehouses, free, strict=True)
    return [
        (item * 10 + number, {"inventory_item_id": item, "location_id": int(where.id), "available": count})
        for number, (where, count) in enumerate(pairs)
    ]


def set_level(ask: Ask, book: Book) -> Reply:
    """POST /inventory_levels/set.json: one item at one place, whatever lies there."""
    given = ask.call.json()
    row = {
        "inventoryItemId": nodes.gid("InventoryItem", given.get("inventory_item_id")),
        "locationId": nodes.gid("Location", given.get("location_id")),
        "quantity": given.get("available"),
        "changeFromQuantity": None,
    }
    _refused(mutations.put_stock(ask, [row], book))
    return json_reply({"inventory_level": given})


def parts(ask: Ask, parcels: Parcels) -> Reply:
    """GET /orders/{id}/fulfillment_orders.json: one for the shop's only place, closed once nothing is left."""
    order = _order(ask)
    over = order.state == "cancelled"
    left = {line: 0 if over else count for line, count in orders.left(order, parcels).items()}
    rows = [
        {"id": line, "line_item_id": line, "quantity": count, "fulfillable_quantity": count}
        for line, count in left.items()
    ]
    status = "cancelled" if over else "open" if any(left.values()) else "closed"
    part = {"id": int(order.key), "order_id": int(order.key), "status": status, "line_items": rows}
    return json_reply({"fulfillment_orders": [part]})


def fulfil(ask: Ask, parcels: Parcels) -> Reply:
    """POST /fulfillments.json: a parcel of one fulfilment order."""
    given = _body(ask, "fulfillment")
    [part] = given.get("line_items_by_fulfillment_order") or [{}]
    lines = part.get("fulfillment_order_line_items")
    wanted: dict[str, object] = {
        "fulfillmentOrderId": nodes.gid("FulfillmentOrder", part.get("fulfillment_order_id")),
        "fulfillmentOrderLineItems": None
        if lines is None
        else [{**one, "id": nodes.gid("FulfillmentOrderLineItem", one.get("id"))} for one in lines],
    }
    parcel = {"lineItemsByFulfillmentOrder": [wanted], "trackingInfo": given.get("tracking_info")}
    made = _tried(lambda: sending.fulfil(ask, {"fulfillment": parcel}, parcels))
    _taken(made)
    return json_reply({"fulfillment": made["fulfillment"]}, 201)


def cancel(ask: Ask, parcels: Parcels) -> Reply:
    """POST /orders/{id}/cancel.json: with an amount, that much is paid back."""
    given, order = ask.call.json(), _order(ask)
    amount = _amount(given.get("amount"))
    if amount is None or amount > order.total:
        raise refuse(422, "amount", {"amount": ["is more than was paid"]})
    wanted = {
        "orderId": nodes.gid("Order", order.key),
        "reason": str(given.get("reason", "other")).upper(),
        "restock": given.get("restock", False),
    }
    _taken(_tried(lambda: sending.cancel(ask, wanted, parcels)))
    return orders.one(ask.shop, ask.call, ask.seller, parcels)


def _amount(value: object) -> Decimal | None:
    try:
        return Decimal(str(value or 0))
    except InvalidOperation:
        return None


def _variant(ask: Ask) -> dict[str, Any]:
    text = ask.call.params["id"]
    found = nodes.variant_place(int(text)) if text.isascii() and text.isdecimal() and len(text) < 18 else None
    row = product_row(ask, found[0]) if found is not None else None
    if found is None or row is None or found[1] >= len(row.product.variants):
        raise refuse(404, "variant", "Not Found")
    shown: dict[str, Any] = dict(products.product(ask.seller, row))
    one: dict[str, Any] = shown["variants"][found[1]]
    return one


def _order(ask: Ask) -> Placed:
    order = ask.shop.book(ask.seller.id).order(ask.call.params["id"])
    if order is None:
        raise refuse(404, "order", "Not Found")
    return order


def _body(ask: Ask, name: str) -> Mapping[str, Any]:
    given = ask.call.json().get(name)
    if not isinstance(given, dict):
        raise refuse(400, "body", {name: "Required parameter missing or invalid"})
    return given


def _tried(act: Callable[[], Node]) -> Node:
    try:
        return act()
    except Wrong as wrong:
        raise refuse(422, wrong.code, {"base": [str(wrong)]}) from wrong


def _taken(answer: Node) -> None:
    """Raises what REST says of the complaints of a mutation."""
    found = answer.get("userErrors", answer.get("orderCancelUserErrors"))
    _refused(found if isinstance(found, list) else [])


def _refused(errors: list[Node]) -> None:
    if any(one["code"] in _GONE for one in errors):
        raise refuse(404, "variant", "Not Found")
    if errors:
        told: dict[str, list[object]] = {}
        for one in errors:
            field = one["field"]
            told.setdefault(str(field[-1]) if isinstance(field, list) and field else "base", []).append(one["message"])
        raise refuse(422, "invalid", told)
