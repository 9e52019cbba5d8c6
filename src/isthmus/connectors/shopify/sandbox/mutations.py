"""The mutations that write products (reference 6.5, 9.4): userErrors beside HTTP 200, compare values, keys."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from isthmus.connectors.shopify.sandbox import nodes, products
from isthmus.connectors.shopify.sandbox.graph import Arguments, Ask, Node, Wrong, many
from isthmus.connectors.shopify.sandbox.queries import product_row
from isthmus.sandbox import Row
from isthmus.sandbox.catalogue import Status, in_currency

_STATES: Mapping[str, Status] = {"ACTIVE": "active", "ARCHIVED": "inactive", "DRAFT": "review"}
_MOST = 1_000_000_000


class Book:
    """The products that an app of the shop guards, and what was asked for under which idempotency key."""

    def __init__(self) -> None:
        self.refusing: set[str] = set()
        self._answers: dict[tuple[str, str], tuple[bytes, Node]] = {}

    def known(self, ask: Ask, arguments: Arguments) -> Node | None:
        """The answer to the same request under the same key. Raises Wrong where the request is another one."""
        if not ask.key:
            raise Wrong("BAD_REQUEST", "The @idempotent directive is required for this mutation")
        found = self._answers.get((ask.seller.id, ask.key))
        if found is None:
            return None
        if found[0] != msgspec.json.encode(arguments, order="sorted"):
            raise Wrong("IDEMPOTENCY_KEY_PARAMETER_MISMATCH", "The key was used with other parameters")
        return found[1]

    def keep(self, ask: Ask, arguments: Arguments, answer: Node) -> Node:
        """Remember what took effect."""
        self._answers[ask.seller.id, ask.key] = msgspec.json.encode(arguments, order="sorted"), answer
        return answer


def complaint(message: str, *field: object, code: str = "INVALID") -> Node:
    """One of the userErrors."""
    return {"__typename": "UserError", "field": [str(one) for one in field], "message": message, "code": code}


def given(value: object) -> dict[str, Any]:
    """An input object."""
    return value if isinstance(value, dict) else {}


def product_update(ask: Ask, arguments: Arguments, book: Book) -> Node:
    """Texts and state of one product."""
    wanted = given(arguments.get("product"))
    row = product_row(ask, nodes.number_of(wanted.get("id"), "Product"))
    errors = _product_errors(row, wanted, book)
    if row is None or errors:
        return {"__typename": "ProductUpdatePayload", "product": None, "userErrors": errors}
    before = nodes.product(ask.seller, row)
    changes: dict[str, object] = {}
    for theirs, ours, name in (
        ("title", "title", "title"),
        ("descriptionHtml", "description", "description"),
        ("status", "status", "published"),
    ):
        if theirs in wanted:
            value, was = wanted[theirs], before[theirs]
            changes[ours] = _STATES[value] if theirs == "status" else value
            told = (value == "ACTIVE", was == "ACTIVE") if theirs == "status" else (value, str(was))
            ask.shop.effects.add(ask.call, str(row.id), name, told[0], before=told[1])
    ask.shop.change_product(str(row.id), changes, seller=ask.seller.id)
    after = product_row(ask, row.id) or row
    return {"__typename": "ProductUpdatePayload", "product": nodes.product(ask.seller, after), "userErrors": []}


def _product_errors(row: Row | None, wanted: Mapping[str, Any], book: Book) -> list[Node]:
    if row is None:
        return [complaint("Product does not exist", "product", "id")]
    if str(row.id) in book.refusing:
        return [complaint("This product is managed by another app", "product")]
    if "title" in wanted and not str(wanted["title"] or "").strip():
        return [complaint("Title can't be blank", "product", "title")]
    if "status" in wanted and wanted["status"] not in _STATES:
        raise Wrong("INVALID_VARIABLE", "status is one of ACTIVE, ARCHIVED, DRAFT")
    return []


def variants_update(ask: Ask, arguments: Arguments, book: Book) -> Node:
    """Prices of variants of one product; all or none, unless partial updates are allowed."""
    wanted = [given(one) for one in many(arguments.get("variants"), "variants")]
    row = product_row(ask, nodes.number_of(arguments.get("productId"), "Product"))
    if row is None:
        return _updated([], [complaint("Product does not exist", "productId", code="PRODUCT_DOES_NOT_EXIST")])
    errors = {at: found for at, one in enumerate(wanted) if (found := _variant_error(row, one, at, book)) is not None}
    if errors and arguments.get("allowPartialUpdates") is not True:
        return _updated([], list(errors.values()))
    done = [one for at, one in enumerate(wanted) if at not in errors]
    for one in done:
        _price(ask, row.id, nodes.number_of(one["id"], "ProductVariant") or 0, one)
    shown = [{"__typename": "ProductVariant", "id": one["id"]} for one in done]
    return _updated(shown, list(errors.values()))


def _updated(shown: list[dict[str, object]], errors: list[Node]) -> Node:
    return {"__typename": "VariantsPayload", "productVariants": shown, "userErrors": errors}


def _variant_error(row: Row, wanted: Mapping[str, Any], at: int, book: Book) -> Node | None:
    number = nodes.number_of(wanted.get("id"), "ProductVariant")
    place = nodes.variant_place(number)
    if place is None or place[0] != row.id or place[1] >= len(row.product.variants):
        text = "Product variant does not exist"
        return complaint(text, "variants", at, "id", code="PRODUCT_VARIANT_DOES_NOT_EXIST")
    if str(number) in book.refusing:
        return complaint("This variant is managed by another app", "variants", at)
    for name in ("price", "compareAtPrice"):
        if wanted.get(name) is not None and _amount(wanted[name]) is None:
            return complaint(
                "must be greater than or equal to 0", "variants", at, name, code="GREATER_THAN_OR_EQUAL_TO"
            )
    return None


def _amount(value: object) -> Decimal | None:
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        return None
    return found if found.is_finite() and found >= 0 else None


def _price(ask: Ask, product: int, number: int, wanted: Mapping[str, Any]) -> None:
    """What is paid, and what is struck through: the higher one is the regular price."""
    row = product_row(ask, product)
    if row is None:
        return
    at = number - products.variant_id(product, 0)
    before = _regular_and_sale(ask, row, at)
    shown: dict[str, Any] = dict(products.price(ask.seller, row, at))
    shown.update({name: wanted[name] for name in ("price", "compareAtPrice") if name in wanted})
    paid, struck = _amount(shown["price"]) or Decimal(0), _amount(shown["compareAtPrice"])
    regular, sale = (struck, paid) if struck is not None and struck > paid else (paid, None)
    source, target = ask.seller.currency, row.product.currency
    changes = {
        "variant": at,
        "price": in_currency(regular, source, target),
        "sale_price": None if sale is None else in_currency(sale, source, target),
    }
    ask.shop.change_product(str(product), changes, seller=ask.seller.id)
    after = _regular_and_sale(ask, product_row(ask, product) or row, at)
    moved = [place for place in (0, 1) if after[place] != before[place]]
    for place in moved or [0 if after[1] is None else 1]:
        name = ("price", "salePrice")[place]
        ask.shop.effects.add(ask.call, str(number), name, after[place], before=before[place])


def _regular_and_sale(ask: Ask, row: Row, at: int) -> tuple[Decimal, Decimal | None]:
    shown = products.price(ask.seller, row, at)
    paid, struck = Decimal(str(shown["price"])), shown["compareAtPrice"]
    return (paid, None) if struck is None else (Decimal(struck), paid)


def set_quantities(ask: Ask, arguments: Arguments, book: Book) -> Node:
    """Stock of many items, all or none; each row says what it was based on, null for nothing."""
    again = book.known(ask, arguments)
    if again is not None:
        return again
    wanted = given(arguments.get("input"))
    if wanted.get("name") not in {"available", "on_hand"} or not wanted.get("reason"):
        raise Wrong("INVALID_VARIABLE", "name is available or on_hand, and a reason is given")
    rows = [given(one) for one in many(wanted.get("quantities"), "quantities")]
    errors = put_stock(ask, rows, book)
    if errors:
        return {"__typename": "Payload", "inventoryAdjustmentGroup": None, "userErrors": errors}
    group = {
        "__typename": "InventoryAdjustmentGroup",
        "id": nodes.gid("InventoryAdjustmentGroup", len(ask.shop.effects)),
    }
    return book.keep(ask, arguments, {"__typename": "Payload", "inventoryAdjustmentGroup": group, "userErrors": []})


def put_stock(ask: Ask, rows: list[dict[str, Any]], book: Book) -> list[Node]:
    """Set what lies at places, all or none; what is wrong with the rows."""
    errors = [found for at, one in enumerate(rows) if (found := _quantity_error(ask, one, at, book)) is not None]
    for one in rows if not errors else ():
        _stock(ask, one)
    return errors


def _item(ask: Ask, text: object) -> tuple[Row, int] | None:
    """The product and the place of its variant whose stock an item is."""
    number = nodes.number_of(text, "InventoryItem")
    place = nodes.variant_place(None if number is None else products.variant_of_item(number))
    row = product_row(ask, place[0]) if place is not None else None
    if place is None or row is None or place[1] >= len(row.product.variants):
        return None
    return row, place[1]


def _quantity_error(ask: Ask, wanted: Mapping[str, Any], at: int, book: Book) -> Node | None:
    if "changeFromQuantity" not in wanted:
        raise Wrong("INVALID_VARIABLE", "changeFromQuantity is required, null where nothing is compared")

    def told(name: str, code: str, message: str) -> Node:
        return complaint(message, "input", "quantities", at, name, code=code)

    found = _item(ask, wanted.get("inventoryItemId"))
    if found is None:
        return told("inventoryItemId", "INVALID_INVENTORY_ITEM", "The specified inventory item could not be found.")
    row, place = found
    if str(products.variant_id(row.id, place)) in book.refusing:
        return told("inventoryItemId", "NON_MUTABLE_INVENTORY_ITEM", "The specified item cannot be changed.")
    where = _place(ask, wanted)
    if where is None:
        return told("locationId", "INVALID_LOCATION", "The specified location could not be found.")
    quantity, was = wanted.get("quantity"), wanted["changeFromQuantity"]
    if isinstance(quantity, bool) or not isinstance(quantity, int) or abs(quantity) > _MOST:
        return told("quantity", "INVALID_QUANTITY_TOO_HIGH", "The quantity can't be higher than 1,000,000,000.")
    if was is not None and was != row.product.variants[place].spread(len(ask.seller.warehouses))[where]:
        text = "The specified compare quantity does not match the current quantity."
        return told("changeFromQuantity", "CHANGE_FROM_QUANTITY_STALE", text)
    return None


def _place(ask: Ask, wanted: Mapping[str, Any]) -> int | None:
    """Which of the shop's places a row means."""
    known = [nodes.gid("Location", one.id) for one in ask.seller.warehouses]
    return known.index(wanted["locationId"]) if wanted.get("locationId") in known else None


def _stock(ask: Ask, wanted: Mapping[str, Any]) -> None:
    found, where = _item(ask, wanted["inventoryItemId"]), _place(ask, wanted)
    if found is None or where is None:
        return
    row, at = found
    variants, free = list(row.product.variants), list(row.product.variants[at].spread(len(ask.seller.warehouses)))
    ask.shop.effects.add(
        ask.call,
        str(products.variant_id(row.id, at)),
        "stock",
        wanted["quantity"],
        before=free[where],
        place=ask.seller.warehouses[where].id,
        key=ask.key,
    )
    free[where] = wanted["quantity"]
    variants[at] = replace(variants[at], stock=sum(free), places=tuple(free))
    ask.seller.shelf.put(row, replace(row.product, variants=tuple(variants)), ask.shop.clock.unix())
