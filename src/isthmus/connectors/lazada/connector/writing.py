"""Writes items: prices and free stock by twenties of SKUs, texts and states item by item (marketplaces.md 3.5, 9.4).

SKUs that are refused stand in `detail` of code 501, the others of the call are taken.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from html import escape
from typing import Final

import msgspec

from isthmus.client import CallerMistake, MalformedBody, PlatformError, Response
from isthmus.connect import batching, reading
from isthmus.connect.reading import Loose
from isthmus.connect.shapes import ListingStatus
from isthmus.connect.spi import Session
from isthmus.connect.writing import Edit, EditField, Outcome, Result
from isthmus.connectors.lazada import mapping
from isthmus.kit import money

#: Fifty are allowed, twenty advised; more than fifty end in a timeout (marketplaces.md 3.5).
_SKUS: Final = 20
_PRICES, _STOCK, _ITEM, _HIDE = (
    "/product/price_quantity/update",
    "/product/stock/sellable/update",
    "/product/update",
    "/product/deactivate",
)
_OF_SKUS: Final = {EditField.PRICE: _PRICES, EditField.SALE_PRICE: _PRICES, EditField.STOCK: _STOCK}
#: Business locks (marketplaces.md 3.4): stock in a campaign, a semi-hosted product.
_LOCKS: Final = frozenset({"4170", "4225"})
_LOCKED_WORDS: Final = (*sorted(_LOCKS), "campaign", "locked", "semi-hosted")
#: Codes that may mean some of the SKUs only.
_PARTLY: Final = frozenset({"500", "501", "503"})
#: A special price has dates; one without an end gets a far one.
_FAR: Final = timedelta(days=3652)
_LOCAL: Final = "%Y-%m-%d %H:%M"
_SHOWN: Final = {ListingStatus.ACTIVE: "active", ListingStatus.INACTIVE: "inactive"}

Body = dict[str, object]


class _Fault(msgspec.Struct, rename={"other_sku": "SellerSku", "other_id": "SkuId"}):
    seller_sku: Loose = None
    other_sku: Loose = None
    sku_id: Loose = None
    other_id: Loose = None
    message: Loose = None
    code: Loose = None


class _Failure(msgspec.Struct):
    detail: list[_Fault] | None = None


_FAILURE = reading.decoder(_Failure)


def batches(edits: Sequence[Edit]) -> Sequence[Sequence[Edit]]:
    """One call over at most twenty SKUs, or over one item (pure)."""
    return batching.parted(edits, _call, _row, lambda edit: _SKUS if edit.field in _OF_SKUS else 1)


def _call(edit: Edit) -> str:
    if edit.field in _OF_SKUS:
        return _OF_SKUS[edit.field]
    return _HIDE if edit.field is EditField.PUBLISHED and not edit.value else _ITEM


def _row(edit: Edit) -> str:
    return edit.listing.external_id if edit.variant is None else edit.variant.external_id


async def write(session: Session, root: str, batch: Sequence[Edit]) -> Sequence[Outcome]:
    """Send one batch; `root` is the address of the country's calls. Raises client errors.

    Where the only warehouse that a SKU shows is meant, whether it is to be named depends on how many the seller has,
    and empty ones are not shown (marketplaces.md 3.5): what is refused without its name is sent again with it.
    """
    outcomes = await _send(session, root, batch)
    refused = {one.key for one in outcomes if one.result is Result.REFUSED}
    named = [
        dataclasses.replace(edit, location=place) for edit in batch if edit.key in refused and (place := _only(edit))
    ]
    again = {one.key: one for one in await _send(session, root, named)} if named else {}
    taken = {key: one for key, one in again.items() if one.result is not Result.REFUSED}
    return [taken.get(one.key, one) for one in outcomes]


def _only(edit: Edit) -> str:
    """The only warehouse that is shown of a SKU whose stock was sent without one; empty where there is none such."""
    if edit.field is not EditField.STOCK or edit.location or edit.variant is None or len(edit.variant.inventory) != 1:
        return ""
    return edit.variant.inventory[0].location_external_id or ""


async def _send(session: Session, root: str, batch: Sequence[Edit]) -> Sequence[Outcome]:
    path, ready, outcomes = _call(batch[0]), [], []
    rows: list[Body] = []
    for edits in _grouped(batch):
        try:
            row = _sku(session, edits) if path in {_PRICES, _STOCK} else {}
        except batching.Unwritable as no:
            outcomes += batching.for_all(edits, Result.REFUSED, no.code, no.reason)
        else:
            rows.append(row)
            ready += edits
    if not ready:
        return outcomes
    form = _form(path, ready, rows)
    try:
        await session.client.post(f"{root}{path}", form=form, idempotent=False)
    except PlatformError as error:
        return [*outcomes, *_failed(ready, error)]
    return [*outcomes, *batching.for_all(ready, Result.DONE, "", "")]


def _grouped(batch: Sequence[Edit]) -> list[list[Edit]]:
    rows: dict[str, list[Edit]] = {}
    for edit in batch:
        rows.setdefault(_row(edit), []).append(edit)
    return list(rows.values())


def _form(path: str, batch: Sequence[Edit], rows: Sequence[Body]) -> Mapping[str, str]:
    if path == _HIDE:
        return {"apiRequestBody": f"<Request><Product><ItemId>{escape(_row(batch[0]))}</ItemId></Product></Request>"}
    product = _texts(batch) if path == _ITEM else {"Skus": {"Sku": rows}}
    return {"payload": msgspec.json.encode({"Request": {"Product": product}}).decode()}


def _texts(batch: Sequence[Edit]) -> Body:
    """Name, description and that buyers see it. A SKU that is named without its state becomes active."""
    listing, attributes, show = batch[0].listing, {}, False
    for edit in batch:
        if edit.field is EditField.PUBLISHED:
            show = True
        else:
            attributes["name" if edit.field is EditField.TITLE else "description"] = str(edit.value)
    there = [one for one in listing.variants if one.status is not ListingStatus.DELETED] or listing.variants
    named = there if show else there[:1]
    skus = [{"SkuId": one.external_id, **_state(ListingStatus.ACTIVE if show else one.status)} for one in named]
    return {"ItemId": listing.external_id, "Attributes": attributes, "Skus": {"Sku": skus}}


def _state(status: ListingStatus) -> dict[str, str]:
    return {"Status": _SHOWN[status]} if status in _SHOWN else {}


def _sku(session: Session, edits: Sequence[Edit]) -> Body:
    """All that is wanted of one SKU, numbers as texts. Raises Unwritable."""
    variant = edits[0].variant
    row: Body = {"ItemId": edits[0].listing.external_id, "SkuId": _row(edits[0])}
    if variant is not None and variant.sku:
        row["SellerSku"] = variant.sku
    places: list[Body] = []
    for edit in edits:
        if edit.field is EditField.PRICE:
            row["Price"] = money.plain(batching.amount(edit))
        elif edit.field is EditField.SALE_PRICE:
            row |= _sale(session, edit)
        elif place := _place(edit):
            places.append({"WarehouseCode": place, "SellableQuantity": str(batching.count(edit))})
        else:
            row["SellableQuantity"] = str(batching.count(edit))
    return {**row, "MultiWarehouseInventories": {"MultiWarehouseInventory": places}} if places else row


def _sale(session: Session, edit: Edit) -> Body:
    """A special price with its dates: those that it has, while they last, else from today on; 0 takes it away."""
    if edit.value is None:
        return {"SalePrice": "0"}
    price, now = edit.variant.price if edit.variant is not None else None, session.clock.now()
    start, end = (price.sale_starts_at, price.sale_ends_at) if price is not None else (None, None)
    if start is None or end is None or end <= now:
        start, end = now - timedelta(minutes=1), now + _FAR
    row = {"SaleStartDate": _local(session, start), "SaleEndDate": _local(session, end)}
    return {"SalePrice": money.plain(batching.amount(edit)), **row}


def _local(session: Session, moment: datetime) -> str:
    return moment.astimezone(reading.zone(mapping.HOURS[session.account.region])).strftime(_LOCAL)


def _place(edit: Edit) -> str:
    """The warehouse to name, empty for none: a seller with several has to, one with a single one must not.

    Empty warehouses are not shown (marketplaces.md 3.5), so that only the merchant knows how many there are: one that
    is given is named. Raises Unwritable where none of several is meant.
    """
    if edit.location:
        return edit.location
    whole = {place.location_external_id for one in edit.listing.variants for place in one.inventory} - {None}
    here = [place.location_external_id or "" for place in (edit.variant.inventory if edit.variant is not None else ())]
    if len(whole) < 2:
        return ""
    if len(here) == 1:
        return here[0]
    raise batching.Unwritable("location", "The shop has several warehouses: name the one that is meant.")


def _failed(batch: Sequence[Edit], error: PlatformError) -> list[Outcome]:
    """A refusal of the call, or of the SKUs that it names. Raises the error, or MalformedBody where it names none."""
    if error.code not in _PARTLY or not isinstance(error, CallerMistake) or not isinstance(error.reply, Response):
        return batching.refused(batch, error, _LOCKS)
    try:
        faults = reading.lenient(error.reply.content, _FAILURE).detail or []
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        faults = []
    if len(_grouped(batch)) == 1:
        said = "; ".join(_said(one) for one in faults) or error.message
        return batching.for_all(batch, _meaning(said), error.code, said)
    by_sku = {name: _said(one) for one in faults for name in _names(one)}
    known = {name for edit in batch for name in _keys(edit)}
    if not faults or not all(known & _names(one) for one in faults):
        raise MalformedBody("some SKUs were refused, and the answer does not say which", reason="shape") from error
    return [_outcome(edit, by_sku, error.code) for edit in batch]


def _outcome(edit: Edit, by_sku: Mapping[str, str], code: str) -> Outcome:
    said = next((by_sku[name] for name in _keys(edit) if name in by_sku), None)
    return Outcome(edit.key) if said is None else Outcome(edit.key, _meaning(said), code, said)


def _keys(edit: Edit) -> tuple[str, ...]:
    sku = edit.variant.sku if edit.variant is not None else None
    return (_row(edit), sku) if sku else (_row(edit),)


def _names(fault: _Fault) -> set[str]:
    values = (fault.seller_sku, fault.other_sku, fault.sku_id, fault.other_id)
    return {str(one) for one in values if isinstance(one, str | int) and not reading.absent(one)}


def _said(fault: _Fault) -> str:
    return reading.line(fault.message)[:500] or "refused"


def _meaning(said: str) -> Result:
    lowered = said.lower()
    return Result.LOCKED if any(word in lowered for word in _LOCKED_WORDS) else Result.REFUSED
