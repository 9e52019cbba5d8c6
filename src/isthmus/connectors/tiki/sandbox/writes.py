"""Tiki's calls that change products (reference 4.4): one product, or a list of them with a verdict for each."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from isthmus.connectors.tiki.sandbox.rules import refuse
from isthmus.sandbox import Call, EffectValue, Refusal, Reply, Row, Seller, Shop, json_reply
from isthmus.sandbox.catalogue import CatalogueProduct, CatalogueVariant, Status, converted

Given = Mapping[str, object]
#: Tells the application's queues: kind of event and its payload.
Tell = Callable[[str, Given], object]

#: A price below this part of the market price is refused.
_LEAST = Decimal("0.1")
_HELD: tuple[Status, ...] = ("review", "banned")
_ON_OFF = {"active": {1: True, 0: False}, "status": {1: True, 2: False}}


class _Failed(Exception):
    """A product cannot be changed so: the HTTP status and the words of `errors`."""

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class _Told:
    """One field that a write has set."""

    field: str
    value: EffectValue
    before: EffectValue
    place: str = ""


def one(shop: Shop, call: Call, seller: Seller, tell: Tell) -> Reply:
    """PUT /products/updateSku: price, stock by warehouse and whether buyers see it; all of it or nothing."""
    try:
        _change(shop, call, seller, call.json(), tell)
    except _Failed as failed:
        raise _refused(failed) from failed
    return json_reply({"state": "approved"})


def many(shop: Shop, call: Call, seller: Seller, tell: Tell) -> Reply:
    """PUT /products/updateSkus: each product of `data` with a verdict of its own."""
    rows = list(_objects(call.json().get("data")))
    if not rows:
        raise refuse(422, "data", "data must hold products")
    found: list[dict[str, object]] = []
    for given in rows:
        try:
            _change(shop, call, seller, given, tell)
        except _Failed as failed:
            found.append({"product_id": given.get("product_id"), "errors": [str(failed)]})
        else:
            found.append({"product_id": given.get("product_id"), "state": "approved"})
    return json_reply({"data": found})


def _refused(failed: _Failed) -> Refusal:
    return refuse(failed.status, "product", str(failed))


def _objects(value: object) -> Iterator[Given]:
    yield from (one for one in (value if isinstance(value, list) else ()) if isinstance(one, dict))


def _change(shop: Shop, call: Call, seller: Seller, given: Given, tell: Tell) -> None:
    row = _found(seller, given)
    number = row.variant or 0
    product = converted(row.product, "VND")
    told: list[_Told] = []
    variant = _priced(shop, row, product.variants[number], given, told)
    variant = _stocked(seller, variant, given, told)
    variants = [variant if at == number else one for at, one in enumerate(product.variants)]
    product = _switched(replace(product, variants=tuple(variants)), given, told)
    seller.shelf.put(row, product, shop.clock.unix())
    for field in told:
        shop.effects.add(call, str(row.id), field.field, field.value, before=field.before, place=field.place)
        _announce(row, variant, field, tell)


def _announce(row: Row, variant: CatalogueVariant, told: _Told, tell: Tell) -> None:
    known: Given = {"product_id": row.id, "original_sku": variant.sku}
    if told.field == "price":
        tell("PRODUCT_PRICE_UPDATED", {**known, "price_from": _whole(told.before), "price_to": _whole(told.value)})
    elif told.field == "stock":
        counts = {"quantity_sellable_from": told.before, "quantity_sellable_to": told.value}
        tell("PRODUCT_INVENTORY_UPDATED", {**known, "warehouse_id": int(told.place), **counts})


def _whole(value: EffectValue) -> int:
    return int(value or 0)


def _found(seller: Seller, given: Given) -> Row:
    wanted, sku = given.get("product_id"), given.get("original_sku")
    row: Row | None = None
    if isinstance(wanted, int):
        row = seller.shelf.row(wanted)
    elif isinstance(sku, str) and sku:
        ids = seller.shelf.ids()
        same = seller.shelf.matching(ids, lambda one: one.product.variants[one.variant or 0].sku == sku)
        row = seller.shelf.row(same[0]) if same else None
    if row is None or row.product.status == "deleted":
        raise _Failed(404, f"Product not found id: {str(wanted or sku)[:40]}")
    return row


def _priced(shop: Shop, row: Row, variant: CatalogueVariant, given: Given, told: list[_Told]) -> CatalogueVariant:
    price = given.get("price")
    if price is None:
        return variant
    if not isinstance(price, int) or price <= 0:
        raise _Failed(422, "price must be a whole number above 0")
    if price < variant.price * _LEAST:
        raise _Failed(422, "price must not be below 10% of market_price")
    if str(row.id) in shop.locked:
        raise _Failed(422, "price is locked by a running campaign")
    before = variant.price if variant.sale_price is None else variant.sale_price
    told.append(_Told("price", Decimal(price), before))
    if price < variant.price:
        return replace(variant, sale_price=Decimal(price))
    return replace(variant, price=Decimal(price), sale_price=None)


def _stocked(seller: Seller, variant: CatalogueVariant, given: Given, told: list[_Told]) -> CatalogueVariant:
    """Stock at the warehouses that are named; one that `seller_warehouse` leaves out is detached, and empty."""
    names = [place.id for place in seller.warehouses]
    before = variant.spread(len(names))
    wanted: dict[int, int] = {}
    kept = given.get("seller_warehouse")
    if isinstance(kept, str):
        left = {part.strip() for part in kept.split(",")}
        wanted = {at: 0 for at, name in enumerate(names) if name not in left}
    for row in _objects(given.get("warehouse_quantities")):
        name, count = str(row.get("warehouse_id")), row.get("qty_available")
        if name not in names:
            raise _Failed(422, f"warehouse not found: {name[:40]}")
        if not isinstance(count, int) or count < 0:
            raise _Failed(422, "qty_available must be a whole number of at least 0")
        wanted[names.index(name)] = count
    if not wanted:
        return variant
    after = tuple(wanted.get(at, free) for at, free in enumerate(before))
    told += [_Told("stock", after[at], before[at], names[at]) for at in wanted]
    return replace(variant, stock=sum(after), places=after)


def _switched(product: CatalogueProduct, given: Given, told: list[_Told]) -> CatalogueProduct:
    """`active` 0/1 of the single call, `status` 1/2 of the list."""
    for name, meanings in _ON_OFF.items():
        value = given.get(name)
        if value is None:
            continue
        if not isinstance(value, int) or value not in meanings:
            raise _Failed(422, f"{name} must be one of {', '.join(map(str, meanings))}")
        if product.status in _HELD:
            raise _Failed(422, "product is locked or waits for approval")
        on = meanings[value]
        told.append(_Told("published", on, product.status == "active"))
        product = replace(product, status="active" if on else "inactive")
    return product
