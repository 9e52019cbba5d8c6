"""Writes items: prices and stock model by model, texts item by item, and which ones buyers see (marketplaces.md 2.5).

A row that is refused stands in `failure_list` while the envelope says success (9.4).
"""

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from isthmus.client import MalformedBody, PlatformError
from isthmus.connect import batching, judging, reading
from isthmus.connect.reading import Loose
from isthmus.connect.shapes import Inventory
from isthmus.connect.spi import Session
from isthmus.connect.writing import Edit, EditField, Outcome, Result
from isthmus.connectors.shopee.connector.items import API
from isthmus.kit import text

#: Models of one item in a call, and items in the call that shows and hides them (marketplaces.md 2.5).
_ROWS: Final = 50
_CALLS: Final = {
    EditField.PRICE: "update_price",
    EditField.STOCK: "update_stock",
    EditField.TITLE: "update_item",
    EditField.DESCRIPTION: "update_item",
    EditField.PUBLISHED: "unlist_item",
}
#: Codes of business locks (marketplaces.md 2.4), and the words by which a row's reason tells one.
_LOCKS: Final = frozenset(
    {
        "error_holiday_mode_change_stock",
        "error_cannt_edit_price_in_promotion",
        "error_in_item_promotion_item_price_lock",
        "error_promotion_cantnot_update_stock",
    }
)
_LOCKED_WORDS: Final = ("promotion", "campaign", "holiday", "locked")
#: Buyers hold more of it than was known when the stock was decided.
_STALE_WORD: Final = "reserved"


class _Row(msgspec.Struct):
    item_id: Loose = None
    model_id: Loose = None
    failed_reason: Loose = None


class _Lists(msgspec.Struct):
    success_list: list[_Row] | None = None
    failure_list: list[_Row] | None = None


class _Reply(msgspec.Struct):
    response: _Lists


_REPLY = reading.decoder(_Reply)
Body = dict[str, object]


def batches(edits: Sequence[Edit]) -> Sequence[Sequence[Edit]]:
    """One call over at most fifty models of one item, over its texts, or over at most fifty items (pure)."""
    return batching.parted(edits, _call, _row, lambda _: _ROWS)


def _call(edit: Edit) -> tuple[str, str]:
    path = _CALLS.get(edit.field, "")
    return path, "" if edit.field is EditField.PUBLISHED else edit.listing.external_id


def _row(edit: Edit) -> str:
    return edit.listing.external_id if edit.variant is None else edit.variant.external_id


async def write(session: Session, batch: Sequence[Edit]) -> Sequence[Outcome]:
    """Send one batch. Raises client errors."""
    path, item_id = _call(batch[0])
    ready, outcomes = _ready(batch)
    if not ready:
        return outcomes
    body = _BODIES[path](ready)
    if item_id:
        body["item_id"] = batching.number(item_id)
    try:
        answer = await session.client.post(f"{session.app_hosts['api']}{API}/product/{path}", body, idempotent=False)
    except PlatformError as error:
        return [*outcomes, *batching.refused(ready, error, _LOCKS)]
    if path == "update_item":
        return [*outcomes, *batching.for_all(ready, Result.DONE, "", "")]
    lists = judging.decoded(answer, _REPLY).response
    return [*outcomes, *_sorted(ready, lists)]


def _ready(batch: Sequence[Edit]) -> tuple[list[Edit], list[Outcome]]:
    """The edits that the call can carry, and the outcomes of the others."""
    ready: list[Edit] = []
    outcomes: list[Outcome] = []
    for edit in batch:
        try:
            _check(edit)
        except batching.Unwritable as no:
            outcomes.append(Outcome(edit.key, Result.REFUSED, no.code, no.reason))
        else:
            ready.append(edit)
    return ready, outcomes


def _check(edit: Edit) -> None:
    if edit.field is EditField.PRICE:
        batching.amount(edit)
    elif edit.field is EditField.STOCK:
        batching.count(edit)
        _held(edit)
    elif edit.field not in _CALLS:
        raise batching.Unwritable("field", "The platform takes no value for this field.")


def _prices(batch: Sequence[Edit]) -> Body:
    rows = [{"model_id": _model(edit), "original_price": batching.exact(batching.amount(edit))} for edit in batch]
    return {"price_list": rows}


def _stocks(batch: Sequence[Edit]) -> Body:
    rows = [
        {"model_id": _model(edits[0]), "seller_stock": [_stock(edit) for edit in edits]}
        for edits in batching.rows_of(batch).values()
    ]
    return {"stock_list": rows}


def _stock(edit: Edit) -> Body:
    """The platform counts what buyers have reserved as the seller's stock (marketplaces.md 9.4)."""
    stock: Body = {"stock": batching.count(edit) + _held(edit)}
    return {"location_id": edit.location, **stock} if edit.location else stock


def _held(edit: Edit) -> int:
    """What buyers hold at the location of an edit. Raises Unwritable where it names none of several."""
    places = _places(edit)
    if edit.location:
        return next((one.reserved or 0 for one in places if one.location_external_id == edit.location), 0)
    if len(places) > 1:
        raise batching.Unwritable("location", "The shop has several locations: name the one that is meant.")
    return places[0].reserved or 0 if places else 0


def _places(edit: Edit) -> list[Inventory]:
    return [one for one in (edit.variant.inventory if edit.variant else ()) if one.owner == "seller"]


def _model(edit: Edit) -> int | str:
    """An item without models has one with the id 0."""
    found = edit.variant.external_id if edit.variant is not None else "0"
    return batching.number(found.rpartition(":")[2])


def _texts(batch: Sequence[Edit]) -> Body:
    body: Body = {}
    for edit in batch:
        if edit.field is EditField.TITLE:
            body["item_name"] = str(edit.value)
        else:
            body |= {"description": text.from_html(str(edit.value)), "description_type": "normal"}
    return body


def _shown(batch: Sequence[Edit]) -> Body:
    return {
        "item_list": [
            {"item_id": batching.number(edit.listing.external_id), "unlist": not edit.value} for edit in batch
        ]
    }


_BODIES: Final[dict[str, Callable[[Sequence[Edit]], Body]]] = {
    "update_price": _prices,
    "update_stock": _stocks,
    "update_item": _texts,
    "unlist_item": _shown,
}


def _sorted(batch: Sequence[Edit], lists: _Lists) -> list[Outcome]:
    """What the two lists say of each edit. Raises MalformedBody where they pass one over."""
    failed = {_name(row): reading.line(row.failed_reason)[:500] for row in lists.failure_list or ()}
    done = {_name(row) for row in lists.success_list or ()}
    return [_outcome(edit, failed, done) for edit in batch]


def _name(row: _Row) -> str:
    """The model that a row is about, or the item; a model's id may be missing where the item has none."""
    return str(row.item_id if row.item_id is not None and row.model_id is None else row.model_id or 0)


def _outcome(edit: Edit, failed: dict[str, str], done: set[str]) -> Outcome:
    name = edit.listing.external_id if edit.field is EditField.PUBLISHED else str(_model(edit))
    if name in failed:
        return Outcome(edit.key, _meaning(failed[name]), "", failed[name])
    if name not in done:
        raise MalformedBody("the answer leaves a row out", reason="shape")
    return Outcome(edit.key)


def _meaning(reason: str) -> Result:
    lowered = reason.lower()
    if any(word in lowered for word in _LOCKED_WORDS):
        return Result.LOCKED
    return Result.STALE if _STALE_WORD in lowered else Result.REFUSED
