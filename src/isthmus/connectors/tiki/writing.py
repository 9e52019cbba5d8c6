"""Writes products: price, stock by warehouse and whether buyers see them, all of one product by one call.

Titles and descriptions go through requests that people approve (marketplaces.md 4.4), whose form is not documented.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from isthmus.client import MalformedBody, PlatformError, Response
from isthmus.connect import batching, judging, reading
from isthmus.connect.reading import Loose
from isthmus.connect.spi import Session
from isthmus.connect.writing import Edit, EditField, Outcome, Result

_ONE: Final = "/integration/v2/products/updateSku"
#: The only call that takes siblings together: one source, its answer is not documented (marketplaces.md 13, no. 11).
_MANY: Final = "/integration/v2.1/products/updateSkus"
#: `status` of the call for many (marketplaces.md 4.7).
_ON, _OFF = 1, 2
_LOCKED_WORDS: Final = ("campaign", "promotion", "locked")

Body = dict[str, object]


class _State(msgspec.Struct):
    state: Loose = None


class _Row(msgspec.Struct):
    product_id: Loose = None
    id: Loose = None
    state: Loose = None
    errors: Loose = None


class _Rows(msgspec.Struct):
    data: list[_Row]


_STATE = reading.decoder(_State)
_ROWS = reading.decoder(_Rows)


def batches(edits: Sequence[Edit]) -> Sequence[Sequence[Edit]]:
    """All that is wanted of one product, or whether buyers see a listing of several (pure)."""
    return batching.parted(edits, _call, _call, lambda _: 1)


def _call(edit: Edit) -> tuple[str, str]:
    """The product, or the listing whose siblings are switched together."""
    if edit.variant is not None:
        return _ONE, edit.variant.external_id
    variants = edit.listing.variants
    return (_ONE, variants[0].external_id) if len(variants) == 1 else (_MANY, edit.listing.external_id)


async def write(session: Session, batch: Sequence[Edit]) -> Sequence[Outcome]:
    """Send one batch. Raises client errors."""
    path, name = _call(batch[0])
    if path == _MANY:
        return await _siblings(session, batch)
    body, ready, outcomes = _body(name, batch)
    if not ready:
        return outcomes
    try:
        answer = await session.client.put(f"{session.app_hosts['api']}{path}", body, idempotent=False)
    except PlatformError as error:
        return [*outcomes, *_refused(ready, error)]
    if judging.decoded(answer, _STATE).state != "approved":
        raise MalformedBody("the answer does not say that the change was approved", reason="shape")
    return [*outcomes, *batching.for_all(ready, Result.DONE, "", "")]


def _refused(batch: Sequence[Edit], error: PlatformError) -> list[Outcome]:
    """The whole product as it was. Raises the error where it says nothing about the values."""
    locked = frozenset({error.code}) if _means_lock(error.message) else frozenset[str]()
    return batching.refused(batch, error, locked)


def _means_lock(said: str) -> bool:
    lowered = said.lower()
    return any(word in lowered for word in _LOCKED_WORDS)


def _body(name: str, batch: Sequence[Edit]) -> tuple[Body, list[Edit], list[Outcome]]:
    """What the call says, the edits in it, and the outcomes of those that it cannot carry."""
    body: Body = {"product_id": batching.number(name)}
    places: list[Body] = []
    ready: list[Edit] = []
    outcomes: list[Outcome] = []
    for edit in batch:
        try:
            if edit.field is EditField.STOCK:
                places.append(_place(edit))
            else:
                body |= _field(edit)
        except batching.Unwritable as no:
            outcomes.append(Outcome(edit.key, Result.REFUSED, no.code, no.reason))
        else:
            ready.append(edit)
    return ({**body, "warehouse_quantities": places} if places else body), ready, outcomes


def _field(edit: Edit) -> Body:
    if edit.field is EditField.PUBLISHED:
        return {"active": 1 if edit.value else 0}
    if edit.field is not EditField.PRICE:
        raise batching.Unwritable("field", "The platform takes no value for this field.")
    price = batching.amount(edit)
    if price != price.to_integral_value():
        raise batching.Unwritable("price", "Prices are whole numbers of VND.")
    return {"price": int(price)}


def _place(edit: Edit) -> Body:
    """Stock always belongs to a warehouse: the one that is named, or the only one."""
    count = batching.count(edit)
    known = [place.location_external_id for place in edit.variant.inventory] if edit.variant is not None else []
    named = edit.location or (known[0] if len(known) == 1 else None)
    if not named:
        raise batching.Unwritable("location", "The shop has several warehouses: name the one that is meant.")
    return {"warehouse_id": batching.number(named), "qty_available": count}


async def _siblings(session: Session, batch: Sequence[Edit]) -> list[Outcome]:
    """Every product of a listing; the listing is done when all of them are."""
    edit = batch[-1]
    rows = [
        {"product_id": batching.number(one.external_id), "status": _ON if edit.value else _OFF}
        for one in edit.listing.variants
    ]
    try:
        answer = await session.client.put(f"{session.app_hosts['api']}{_MANY}", {"data": rows}, idempotent=False)
    except PlatformError as error:
        return _refused(batch, error)
    said = _faults(answer)
    missing = [one for one in edit.listing.variants if one.external_id not in said]
    if missing:
        raise MalformedBody("the answer leaves products out", reason="shape")
    reason = "; ".join(sorted({one for one in said.values() if one}))[:500]
    if not reason:
        return batching.for_all(batch, Result.DONE, "", "")
    return batching.for_all(batch, Result.LOCKED if _means_lock(reason) else Result.REFUSED, "", reason)


def _faults(answer: Response) -> dict[str, str]:
    """Why each product was refused, empty where it was taken."""
    found: dict[str, str] = {}
    for row in judging.decoded(answer, _ROWS).data:
        name = str(row.id if row.product_id is None else row.product_id)
        errors = row.errors if isinstance(row.errors, list) else [row.errors] if row.errors else []
        taken = not errors and (row.state is None or row.state == "approved")
        found[name] = "" if taken else reading.line("; ".join(map(str, errors)) or str(row.state))[:200]
    return found
