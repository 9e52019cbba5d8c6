"""Lazada's calls that change items (reference 3.4, 3.5): SKUs that fail alone, stock by warehouse, and effects."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from isthmus.connectors.lazada.sandbox import payload
from isthmus.connectors.lazada.sandbox.render import occupied, sale_end, seller_sku, sku_key, zone_of
from isthmus.connectors.lazada.sandbox.rules import missing, refuse, success
from isthmus.kit.money import WHOLE_CURRENCIES, decimal, quantity
from isthmus.sandbox import Call, EffectValue, Refusal, Reply, Row, Seller, Shop, json_reply
from isthmus.sandbox.catalogue import CatalogueProduct, CatalogueVariant, Status, converted

Given = Mapping[str, str]
Tree = payload.Tree

_MOST = 50
_DESCRIPTION = 25_000
_OUTER_IMAGE = re.compile(r"<img[^>]+src\s*=\s*[\"']?https?://(?![\w.-]*\.slatic\.net/)", re.IGNORECASE)
_CAMPAIGN = "4170: The stock is locked by a campaign"
_HELD: tuple[Status, ...] = ("review", "banned")


class _Failed(Exception):
    """One SKU cannot be taken; `field` and the text go into `detail`."""

    def __init__(self, field: str, message: str) -> None:
        self.field = field
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class _Change:
    """What a SKU becomes, and the effects that it has: field, value, value before, warehouse."""

    variant: CatalogueVariant
    effects: tuple[tuple[str, EffectValue, EffectValue, str], ...]


Apply = Callable[[Shop, Seller, Row, int, Tree], _Change]


def update_prices(shop: Shop, call: Call, seller: Seller, given: Given) -> Reply:
    """/product/price_quantity/update: prices, and the total stock."""
    return _skus(shop, call, seller, given, _priced)


def update_sellable(shop: Shop, call: Call, seller: Seller, given: Given) -> Reply:
    """/product/stock/sellable/update: the free part of the stock."""
    return _skus(shop, call, seller, given, _sellable)


def _skus(shop: Shop, call: Call, seller: Seller, given: Given, apply: Apply) -> Reply:
    rows = payload.skus(_product(shop, given, "payload"))
    if not rows:
        raise refuse(shop, "30", "E030: Empty Request")
    if len(rows) > _MOST:
        raise refuse(shop, "ServiceTimeout", f"The service has timed out with {len(rows)} SKUs")
    details: list[dict[str, str]] = []
    for sku in rows:
        try:
            row, number = _found(seller, sku)
            _take(shop, call, seller, row, number, apply(shop, seller, row, number, sku))
        except _Failed as failed:
            name = payload.word(sku, "SellerSku") or payload.word(sku, "SkuId") or ""
            details.append({"seller_sku": name, "field": failed.field, "message": str(failed)})
    if details:
        raise _failure(shop, "501", "E501: Update product failed", details)
    return success(shop, {})


def _failure(shop: Shop, code: str, message: str, detail: list[dict[str, str]]) -> Refusal:
    body = {"type": "ISV", "code": code, "message": message, "detail": detail, "request_id": shop.request_id()}
    return Refusal(json_reply(body), code)


def _product(shop: Shop, given: Given, name: str) -> Tree:
    if not given.get(name):
        raise missing(shop, name)
    found = payload.product(given[name])
    if found is None:
        raise refuse(shop, "5", "E005: Invalid Request Format")
    return found


def _found(seller: Seller, sku: Tree) -> tuple[Row, int]:
    """The SKU that a row names by its own id or by the seller's, and by the item's."""
    row = _listing(seller, payload.word(sku, "ItemId"))
    names = payload.word(sku, "SkuId"), payload.word(sku, "SellerSku")
    if row is not None:
        known = {str(sku_key(row, number)): number for number in range(len(row.product.variants))}
        if not names[0]:
            known = {seller_sku(row, number): number for number in range(len(row.product.variants))}
        wanted = names[0] or names[1]
        if wanted in known:
            return row, known[wanted]
    raise _Failed("SkuId", "SKU not exist")


def _listing(seller: Seller, text: str | None) -> Row | None:
    known = text is not None and text.isascii() and text.isdecimal() and len(text) < 18
    row = seller.shelf.row(int(text)) if known and text is not None else None
    return None if row is None or row.product.status == "deleted" else row


def _take(shop: Shop, call: Call, seller: Seller, row: Row, number: int, change: _Change) -> None:
    product = converted(row.product, seller.currency)
    variants = [change.variant if at == number else one for at, one in enumerate(product.variants)]
    _put(shop, seller, row, replace(product, variants=tuple(variants)))
    for field, value, before, place in change.effects:
        shop.effects.add(call, str(sku_key(row, number)), field, value, before=before, place=place)


def _put(shop: Shop, seller: Seller, row: Row, product: CatalogueProduct) -> None:
    """Another time of change does not move the end of a special price."""
    dated = [one if one.sale_price is None else replace(one, sale_to=sale_end(row, one)) for one in product.variants]
    seller.shelf.put(row, replace(product, variants=tuple(dated)), shop.clock.unix())


def _priced(shop: Shop, seller: Seller, row: Row, number: int, sku: Tree) -> _Change:
    if str(sku_key(row, number)) in shop.locked:
        raise _Failed("Price", "4170: The price is locked by a campaign")
    before = after = converted(row.product, seller.currency).variants[number]
    effects: list[tuple[str, EffectValue, EffectValue, str]] = []
    if payload.word(sku, "Price") is not None:
        after = replace(after, price=_money(seller, sku, "Price"))
        effects.append(("price", after.price, before.price, ""))
    if payload.word(sku, "SalePrice") is not None:
        after = _on_sale(seller, after, sku)
        effects.append(("salePrice", after.sale_price, before.sale_price, ""))
    if after.sale_price is not None and after.sale_price >= after.price:
        raise _Failed("SalePrice", "4105: The special price must be lower than the price")
    if "Quantity" in sku or "MultiWarehouseInventories" in sku:
        stocked = _stocked(shop, seller, row, number, sku, "Quantity")
        after = replace(after, stock=stocked.variant.stock, places=stocked.variant.places)
        effects += stocked.effects
    return _Change(after, tuple(effects))


def _money(seller: Seller, sku: Tree, name: str) -> Decimal:
    try:
        value = decimal(payload.word(sku, name))
    except ValueError as error:
        raise _Failed(name, "4104: The price is not a number") from error
    if value < 0 or (name == "Price" and not value):
        raise _Failed(name, "4104: The price must be above 0")
    digits = 0 if seller.currency in WHOLE_CURRENCIES else 2
    if value != round(value, digits):
        raise _Failed(name, f"4104: The price may have {digits} digits behind the point")
    return value


def _on_sale(seller: Seller, variant: CatalogueVariant, sku: Tree) -> CatalogueVariant:
    """0 takes the special price away; any other keeps the dates it has, or needs some."""
    value = _money(seller, sku, "SalePrice")
    if not value:
        return replace(variant, sale_price=None, sale_from=None, sale_to=None)
    start, end = (_moment(seller, sku, name) for name in ("SaleStartDate", "SaleEndDate"))
    if variant.sale_price is None and (start is None or end is None):
        raise _Failed("SaleStartDate", "4106: A special price needs its dates")
    if start is not None and end is not None and end <= start:
        raise _Failed("SaleEndDate", "4106: The special price ends before it begins")
    return replace(variant, sale_price=value, sale_from=start or variant.sale_from, sale_to=end or variant.sale_to)


def _moment(seller: Seller, sku: Tree, name: str) -> int | None:
    text = payload.word(sku, name)
    if not text:
        return None
    try:
        return int(datetime.fromisoformat(text).replace(tzinfo=zone_of(seller.country)).timestamp())
    except ValueError as error:
        raise _Failed(name, "4106: The date cannot be read") from error


def _sellable(shop: Shop, seller: Seller, row: Row, number: int, sku: Tree) -> _Change:
    return _stocked(shop, seller, row, number, sku, "SellableQuantity")


def _stocked(shop: Shop, seller: Seller, row: Row, number: int, sku: Tree, key: str) -> _Change:
    if str(sku_key(row, number)) in shop.locked:
        raise _Failed(key, _CAMPAIGN)
    variant, names = converted(row.product, seller.currency).variants[number], [one.id for one in seller.warehouses]
    before = variant.spread(len(names))
    after = list(before)
    for at, value in _quantities(names, sku, key):
        free = value - (occupied(row, number) if key == "Quantity" and at == 0 else 0)
        if value < 0 or free < 0:
            raise _Failed(key, "212: The sellable stock would be negative")
        after[at] = free
    told = [("stock", after[at], before[at], names[at]) for at, _ in _quantities(names, sku, key)]
    return _Change(replace(variant, stock=sum(after), places=tuple(after)), tuple(told))


def _quantities(names: list[str], sku: Tree, key: str) -> list[tuple[int, int]]:
    """The warehouses that a row names, by place, with what it wants there."""
    several = sku.get("MultiWarehouseInventories")
    if isinstance(several, Mapping):
        if len(names) == 1:
            raise _Failed("MultiWarehouseInventories", "The seller has one warehouse")
        rows = [one for one in payload.many(several.get("MultiWarehouseInventory")) if isinstance(one, Mapping)]
    elif len(names) > 1:
        raise _Failed(key, "The seller has several warehouses: name them")
    else:
        rows = [{"WarehouseCode": names[0], **sku}]
    found: list[tuple[int, int]] = []
    for one in rows:
        code = payload.word(one, "WarehouseCode")
        if code not in names:
            raise _Failed("WarehouseCode", "The warehouse does not exist")
        try:
            found.append((names.index(code), quantity(payload.word(one, key))))
        except ValueError as error:
            raise _Failed(key, "The quantity is not a whole number") from error
    return found


def update_item(shop: Shop, call: Call, seller: Seller, given: Given) -> Reply:
    """/product/update: name, description and the states of SKUs; a SKU that is named without one becomes active."""
    product = _product(shop, given, "payload")
    row = _item(shop, seller, product)
    attributes = product.get("Attributes")
    texts: Tree = attributes if isinstance(attributes, Mapping) else {}
    name, description = payload.word(texts, "name"), payload.word(texts, "description")
    if name is not None and not 0 < len(name) <= 255:
        raise _failure(shop, "501", "E501: Update product failed", [_fault("name", "The name has 1 to 255 characters")])
    if description is not None and _OUTER_IMAGE.search(description):
        raise refuse(shop, "BIZ_CHECK_EXIST_OUTER_IMAGE", "The description holds images of other sites")
    if description is not None and len(description) > _DESCRIPTION:
        fault = _fault("description", f"The description has at most {_DESCRIPTION} characters")
        raise _failure(shop, "501", "E501: Update product failed", [fault])
    before = row.product
    after = replace(
        before,
        title=before.title if name is None else name,
        description=before.description if description is None else description,
        status=_state(shop, row, product),
    )
    _put(shop, seller, row, after)
    if name is not None:
        shop.effects.add(call, str(row.id), "title", name, before=before.title)
    if description is not None:
        shop.effects.add(call, str(row.id), "description", description, before=before.description)
    stated = any("Status" in sku for sku in payload.skus(product))
    if after.status != before.status or (stated and name is None and description is None):
        _published(shop, call, row, after.status == "active")
    return success(shop, {"item_status": after.status, "variation": {}})


def _fault(field: str, message: str) -> dict[str, str]:
    return {"seller_sku": "", "field": field, "message": message}


def _state(shop: Shop, row: Row, product: Tree) -> Status:
    known = {str(sku_key(row, number)) for number in range(len(row.product.variants))}
    rows = payload.skus(product)
    if not rows or any(payload.word(sku, "SkuId") not in known for sku in rows):
        raise _failure(shop, "501", "E501: Update product failed", [_fault("SkuId", "SKU not exist")])
    if row.product.status not in {"active", "inactive"}:
        return row.product.status
    return "active" if any((payload.word(sku, "Status") or "active") == "active" for sku in rows) else "inactive"


def deactivate(shop: Shop, call: Call, seller: Seller, given: Given) -> Reply:
    """/product/deactivate: take an item off the shop."""
    row = _item(shop, seller, _product(shop, given, "apiRequestBody"))
    if row.product.status in _HELD:
        raise refuse(shop, "4149", "E4149: The item is locked or under review")
    _put(shop, seller, row, replace(row.product, status="inactive"))
    _published(shop, call, row, False)
    return success(shop, {})


def _published(shop: Shop, call: Call, row: Row, shown: bool) -> None:
    shop.effects.add(call, str(row.id), "published", shown, before=row.product.status == "active")


def _item(shop: Shop, seller: Seller, product: Tree) -> Row:
    row = _listing(seller, payload.word(product, "ItemId"))
    if row is None:
        raise refuse(shop, "208", "E208: Item not found")
    return row
