"""WooCommerce's writes (reference 7.3, 7.4): batches whose rows fail one by one, states of orders, notes."""

from collections.abc import Callable
from decimal import Decimal, InvalidOperation

import msgspec

from isthmus.connectors.woocommerce.sandbox import orders, products
from isthmus.connectors.woocommerce.sandbox.rules import error, number, refuse
from isthmus.sandbox import Call, EffectValue, Refusal, Reply, Row, Seller, Shop, json_reply
from isthmus.sandbox.catalogue import in_currency
from isthmus.sandbox.orders import State

Shown = dict[str, object]

_ROWS = 100
#: Our name of each field, and what its text stands for.
_NAMES = {
    "name": "title",
    "description": "description",
    "status": "published",
    "regular_price": "price",
    "sale_price": "salePrice",
    "stock_quantity": "stock",
}
_STATES: dict[str, State] = {
    "pending": "unpaid",
    "processing": "paid",
    "on-hold": "cancel_asked",
    "completed": "completed",
    "cancelled": "cancelled",
    "refunded": "returned",
}


class Notes:
    """What is noted at orders, and the objects that a plugin lets nobody write."""

    def __init__(self) -> None:
        self.refusing: set[str] = set()
        self._notes: dict[tuple[str, str], list[Shown]] = {}

    def of(self, seller: Seller, order: str) -> list[Shown]:
        """The notes of an order, oldest first."""
        return self._notes.setdefault((seller.id, order), [])


def put(shop: Shop, call: Call, seller: Seller) -> Reply:
    """PUT /products/{id}: the time of change moves even where every value is what it was."""
    row = products.found(call, seller)
    _apply(shop, call, seller, row, None)
    return json_reply(products.product(seller, products.found(call, seller)))


def batch(shop: Shop, call: Call, seller: Seller, notes: Notes) -> Reply:
    """POST /products/batch: each row fails for itself, while the call is a success."""

    def written(wanted: Shown) -> Shown:
        text = str(wanted.get("id"))
        row = seller.shelf.row(int(text)) if number(text) is not None else None
        if row is None:
            raise refuse(400, "woocommerce_rest_product_invalid_id", "Invalid ID.")
        _unlocked(text, notes)
        _apply(shop, call, seller, row, None, wanted)
        return products.product(seller, _again(seller, row))

    return _rows(call, written)


def variations(shop: Shop, call: Call, seller: Seller, notes: Notes) -> Reply:
    """POST /products/{id}/variations/batch: the variations of one product, and of no other."""
    parent = products.found(call, seller)

    def written(wanted: Shown) -> Shown:
        text = str(wanted.get("id"))
        at = products.place_of(parent, number(text))
        if at is None:
            raise refuse(400, "woocommerce_rest_product_variation_invalid_id", "Invalid ID.")
        _unlocked(text, notes)
        _apply(shop, call, seller, parent, at, wanted)
        return products.variation(seller, _again(seller, parent), at)

    return _rows(call, written)


def _rows(call: Call, written: Callable[[Shown], Shown]) -> Reply:
    body = call.json()
    wanted = {name: body.get(name) or [] for name in ("create", "update", "delete")}
    given = [rows if isinstance(rows, list) else [] for rows in wanted.values()]
    if sum(map(len, given)) > _ROWS:
        text = f"Unable to accept more than {_ROWS} items for this request."
        return error(413, "woocommerce_rest_request_entity_too_large", text)
    if given[0] or given[2]:
        raise refuse(400, "rest_invalid_param", "Invalid parameter(s): create, delete")
    rows = [one for one in given[1] if isinstance(one, dict)]
    call.record.rows = len(rows)
    return json_reply({"update": [_answered(one, written) for one in rows]})


def _answered(wanted: Shown, written: Callable[[Shown], Shown]) -> Shown:
    try:
        return written(wanted)
    except Refusal as refused:
        return {"id": wanted.get("id"), "error": msgspec.json.decode(refused.reply.body)}


def _unlocked(text: str, notes: Notes) -> None:
    if text in notes.refusing:
        raise refuse(400, "woocommerce_rest_cannot_edit", "Sorry, you are not allowed to edit this resource.")


def _again(seller: Seller, row: Row) -> Row:
    return seller.shelf.row(row.id) or row


def _apply(shop: Shop, call: Call, seller: Seller, row: Row, at: int | None, wanted: Shown | None = None) -> None:
    """Set what a body names, move the time of change, and note each field in the ledger."""
    body = call.json() if wanted is None else wanted
    told = {name: _read(name, body[name]) for name in _NAMES if name in body}
    before = {name: _value(seller, row, at, name) for name in told}
    changes: dict[str, object] = {} if at is None else {"variant": at}
    for name, value in told.items():
        changes.update(_change(seller, row, name, value))
    shop.change_product(str(row.id), changes, seller=seller.id)
    target = str(row.id if at is None else products.variation_id(row.id, at))
    for name, value in told.items():
        shop.effects.add(call, target, _NAMES[name], _told(name, value), before=_told(name, before[name]))


def _read(name: str, value: object) -> EffectValue:
    """What a field's value means; an empty price is none."""
    if name in {"regular_price", "sale_price"}:
        return _amount(name, value)
    if name == "stock_quantity":
        if isinstance(value, bool) or not isinstance(value, int):
            raise refuse(400, "rest_invalid_param", "Invalid parameter(s): stock_quantity")
        return value
    if name == "status" and value not in products.STATES:
        raise refuse(400, "rest_invalid_param", "Invalid parameter(s): status")
    return str(value)


def _amount(name: str, value: object) -> Decimal | None:
    """Prices are texts; a number is taken for one."""
    if value in {"", None}:
        return None
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        found = Decimal("NaN")
    if not found.is_finite() or found < 0:
        raise refuse(400, "rest_invalid_param", f"Invalid parameter(s): {name}")
    return found


def _change(seller: Seller, row: Row, name: str, value: EffectValue) -> Shown:
    if isinstance(value, Decimal):
        value = in_currency(value, seller.currency, row.product.currency)
    match name:
        case "name":
            return {"title": value}
        case "status":
            return {"status": products.STATES[str(value)]}
        case "regular_price":
            return {} if value is None else {"price": value}
        case "stock_quantity":
            return {"stock": value}
        case _:
            return {name: value}


def _value(seller: Seller, row: Row, at: int | None, name: str) -> EffectValue:
    """What a field shows before it is set."""
    shown = products.product(seller, row) if at is None else products.variation(seller, row, at)
    found = shown.get(name)
    if name in {"regular_price", "sale_price"}:
        return Decimal(str(found)) if found else None
    return found if isinstance(found, int) else str(found)


def _told(name: str, value: EffectValue) -> EffectValue:
    return value == "publish" if name == "status" else value


def move(shop: Shop, call: Call, seller: Seller) -> Reply:
    """PUT /orders/{id}: another status."""
    order = orders.found(shop, call, seller)
    word = call.json().get("status", orders.status(order))
    if word not in _STATES:
        raise refuse(400, "rest_invalid_param", "Invalid parameter(s): status")
    before = orders.status(order)
    shop.move_order(order.key, _STATES[str(word)], seller=seller.id)
    shop.effects.add(call, order.key, str(word), value=True, before=before == word)
    return json_reply(orders.rendered(seller, orders.found(shop, call, seller)))


def noted(shop: Shop, call: Call, seller: Seller, notes: Notes) -> Reply:
    """GET /orders/{id}/notes, newest first, and POST: core keeps no parcels, so tracking stands in a note."""
    order = orders.found(shop, call, seller)
    known = notes.of(seller, order.key)
    if call.method == "GET":
        return json_reply(known[::-1])
    text = call.json().get("note")
    if not isinstance(text, str) or not text:
        raise refuse(400, "rest_missing_callback_param", "Missing parameter(s): note")
    before = text if any(one["note"] == text for one in known) else None
    made: Shown = {
        "id": len(known) + 1,
        "author": "system",
        "note": text,
        "customer_note": bool(call.json().get("customer_note")),
    }
    known.append(made)
    shop.effects.add(call, order.key, "note", text, before=before)
    return json_reply(made, 201)
