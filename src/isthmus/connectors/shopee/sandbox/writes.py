"""Shopee's calls that change items (reference 2.4, 2.5): whole calls refused, rows refused, and what takes effect."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from isthmus.connectors.shopee.sandbox.render import STATUS, has_models, model_id, reserved
from isthmus.connectors.shopee.sandbox.rules import refuse, shop_call, success
from isthmus.kit.money import decimal
from isthmus.kit.text import from_html
from isthmus.sandbox import Call, Reply, Row, Seller, Shop
from isthmus.sandbox.catalogue import CatalogueProduct, CatalogueVariant, converted

Given = Mapping[str, object]

_ROWS = 50
_NAME = (5, 100)
#: How many times dearer than the cheapest the dearest model of an item may be.
_RATIO = {"BR": 4, "ID": 7, "MY": 7, "CL": 9, "CO": 9}
_USUAL_RATIO = 5
#: Elsewhere prices are whole numbers.
_FRACTIONS = frozenset({"SG", "MY", "BR", "MX", "PL", "ES", "AR"})
_PROMOTION = "The model is in a running promotion."
_RESERVED = "Stock should be larger than reserved stock."


class _Failed(Exception):
    """One row cannot be taken; the text goes into `failed_reason`."""


def update_price(shop: Shop, call: Call) -> Reply:
    """/product/update_price: regular prices of up to 50 models of one item."""
    seller, row, given = _begun(shop, call, "price_list")
    product = converted(row.product, seller.currency)
    variants, done, failed = list(product.variants), [], []
    for one in given:
        try:
            number, price = _number(row, one), _price(seller, one.get("original_price"))
            _check_free(shop, row, number, variants[number].sale_price is not None)
        except _Failed as reason:
            failed.append({"model_id": one.get("model_id"), "failed_reason": str(reason)})
            continue
        variants[number] = replace(variants[number], price=price)
        done.append((number, price, product.variants[number].price))
    _check_ratio(shop, seller, product.variants, variants)
    if done:
        seller.shelf.put(row, replace(product, variants=tuple(variants)), shop.clock.unix())
    for number, price, before in done:
        shop.effects.add(call, _object(row, number), "price", price, before=before)
    shown = [{"model_id": model_id(row, number), "original_price": float(price)} for number, price, _ in done]
    return success(shop, {"success_list": shown, "failure_list": failed})


def _price(seller: Seller, value: object) -> Decimal:
    try:
        price = decimal(str(value) if isinstance(value, float) else value)
    except ValueError as error:
        raise _Failed("The price is not a number.") from error
    if price <= 0:
        raise _Failed("The price must be above 0.")
    if price != price.to_integral_value() and seller.country not in _FRACTIONS:
        raise _Failed("The price must be a whole number.")
    return price


def _check_ratio(
    shop: Shop, seller: Seller, before: Sequence[CatalogueVariant], after: Sequence[CatalogueVariant]
) -> None:
    most = Decimal(_RATIO.get(seller.country, _USUAL_RATIO))
    if _ratio(after) > max(most, _ratio(before)):
        text = f"The dearest model may cost at most {most} times as much as the cheapest."
        raise refuse(shop, "product.error_param", text)


def _ratio(variants: Sequence[CatalogueVariant]) -> Decimal:
    prices = [variant.price for variant in variants]
    return max(prices) / (min(prices) or Decimal(1))


def update_stock(shop: Shop, call: Call) -> Reply:
    """/product/update_stock: the seller's stock, reserved pieces included, of up to 50 models of one item."""
    seller, row, given = _begun(shop, call, "stock_list")
    variants, failed, done = list(row.product.variants), [], []
    for one in given:
        try:
            number = _number(row, one)
            _check_free(shop, row, number)
            places = _places(seller, row, number, one.get("seller_stock"))
        except _Failed as reason:
            failed.append({"model_id": one.get("model_id"), "failed_reason": str(reason)})
            continue
        before = variants[number].spread(max(1, len(seller.warehouses)))
        after = tuple(places.get(at, free) for at, free in enumerate(before))
        variants[number] = replace(variants[number], stock=sum(after), places=after)
        done += [(number, at, before[at], after[at]) for at in places]
    if done:
        seller.shelf.put(row, replace(row.product, variants=tuple(variants)), shop.clock.unix())
    shown = []
    for number, at, was, now in done:
        place = seller.warehouses[at].id if seller.warehouses else ""
        shop.effects.add(call, _object(row, number), "stock", now, before=was, place=place)
        held = reserved(row, number) if at == 0 else 0
        shown.append({"model_id": model_id(row, number), "location_id": place, "stock": now + held})
    return success(shop, {"success_list": shown, "failure_list": failed})


def _places(seller: Seller, row: Row, number: int, given: object) -> dict[int, int]:
    """What can be sold at each location that a row names, by the location's place."""
    names = [place.id for place in seller.warehouses]
    found: dict[int, int] = {}
    for one in _objects(given):
        name, stock = one.get("location_id"), one.get("stock")
        if names and name not in names:
            raise _Failed("location_id is required for a shop with several warehouses.")
        if not names and name is not None:
            raise _Failed("location_id is only for shops with several warehouses.")
        if not isinstance(stock, int) or stock < 0:
            raise _Failed("The stock must be a whole number of at least 0.")
        at = names.index(str(name)) if names else 0
        held = reserved(row, number) if at == 0 else 0
        if stock < held:
            raise _Failed(_RESERVED)
        found[at] = stock - held
    if not found:
        raise _Failed("There is no seller_stock.")
    return found


def update_item(shop: Shop, call: Call) -> Reply:
    """/product/update_item: name and description of one item."""
    seller, _ = shop_call(shop, call)
    body = call.json()
    row = _row(shop, seller, body.get("item_id"))
    name, description = body.get("item_name"), body.get("description")
    product = row.product
    if name is not None:
        if not isinstance(name, str) or not _NAME[0] <= len(name) <= _NAME[1]:
            raise refuse(shop, "product.error_param", f"item_name must have {_NAME[0]} to {_NAME[1]} characters.")
        product = replace(product, title=name)
    if description is not None:
        if not isinstance(description, str) or not description.strip():
            raise refuse(shop, "product.error_param", "description must not be empty.")
        if body.get("description_type") != "normal":
            raise refuse(shop, "product.error_param", "description_type must be normal for a plain description.")
        product = replace(product, description=_kept(description), plain=True)
    seller.shelf.put(row, product, shop.clock.unix())
    if name is not None:
        shop.effects.add(call, str(row.id), "title", name, before=row.product.title)
    if description is not None:
        shop.effects.add(call, str(row.id), "description", description, before=_plain(row.product))
    return success(shop, {"item_id": row.id, "item_name": product.title, "item_status": STATUS[product.status]})


def _kept(plain: str) -> str:
    """A plain text as the catalogue keeps descriptions, which is as HTML."""
    return plain.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\n", "<br>\n")


def _plain(product: CatalogueProduct) -> str:
    return from_html(product.description)


def unlist_item(shop: Shop, call: Call) -> Reply:
    """/product/unlist_item: take up to 50 items off the shop, or put them back."""
    seller, _ = shop_call(shop, call)
    given = list(_objects(call.json().get("item_list")))
    if not 1 <= len(given) <= _ROWS:
        raise refuse(shop, "product.error_param", f"item_list must hold 1 to {_ROWS} items.")
    done, failed = [], []
    for one in given:
        try:
            row = _shown(seller, one.get("item_id"))
            unlist = _unlist(row, one.get("unlist"))
        except _Failed as reason:
            failed.append({"item_id": one.get("item_id"), "failed_reason": str(reason)})
            continue
        seller.shelf.put(row, replace(row.product, status="inactive" if unlist else "active"), shop.clock.unix())
        shop.effects.add(call, str(row.id), "published", not unlist, before=row.product.status == "active")
        done.append({"item_id": row.id, "unlist": unlist})
    return success(shop, {"success_list": done, "failure_list": failed})


def _unlist(row: Row, given: object) -> bool:
    if not isinstance(given, bool):
        raise _Failed("unlist must be true or false.")
    if row.product.status not in {"active", "inactive"}:
        raise _Failed("The item is banned or under review.")
    return given


# What the calls share.


def _check_free(shop: Shop, row: Row, number: int, promoted: bool = False) -> None:
    if promoted or _object(row, number) in shop.locked:
        raise _Failed(_PROMOTION)


def _begun(shop: Shop, call: Call, name: str) -> tuple[Seller, Row, list[Given]]:
    """Seller, item and rows of a call over the models of one item."""
    seller, _ = shop_call(shop, call)
    body = call.json()
    row = _row(shop, seller, body.get("item_id"))
    given = list(_objects(body.get(name)))
    if not 1 <= len(given) <= _ROWS:
        raise refuse(shop, "product.error_param", f"{name} must hold 1 to {_ROWS} models.")
    return seller, row, given


def _objects(value: object) -> Iterator[Given]:
    yield from (one for one in (value if isinstance(value, list) else ()) if isinstance(one, dict))


def _row(shop: Shop, seller: Seller, item_id: object) -> Row:
    try:
        return _shown(seller, item_id)
    except _Failed as missing:
        raise refuse(shop, "product.error_item_not_found", "Item not found.") from missing


def _shown(seller: Seller, item_id: object) -> Row:
    row = seller.shelf.row(item_id) if isinstance(item_id, int) else None
    if row is None or row.product.status == "deleted":
        raise _Failed("Item not found.")
    return row


def _number(row: Row, given: Given) -> int:
    """The place of the model that a row names; an item without models may leave the id out."""
    wanted = given.get("model_id", 0)
    for number in range(len(row.product.variants)):
        if model_id(row, number) == wanted:
            return number
    raise _Failed("Model not found.")


def _object(row: Row, number: int) -> str:
    return str(model_id(row, number)) if has_models(row.product) else f"{row.id}:0"
