"""Noting what is wanted at far sides, durably, before anything is sent."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from isthmus.connect.edits import OF_VARIANT, EditField, EditValue, as_shown, value_of, variant_of
from isthmus.features import records
from isthmus.features.pushes.errors import NothingToPush, NotWritable, WrongEdit
from isthmus.features.pushes.events import PushRequested
from isthmus.features.pushes.model.edits import ItemState, Place
from isthmus.features.pushes.model.values import checked, shown
from isthmus.features.pushes.service.settling import finish
from isthmus.features.pushes.service.shops import About, shops
from isthmus.features.pushes.store import conflicts, edits, pushes
from isthmus.features.pushes.store.edits import Noted, Wish
from isthmus.features.pushes.store.pushes import Closed, Lost
from isthmus.features.records import Whole
from isthmus.kit.errors import NotFound
from isthmus.scope import Scope, Tx

JOB: Final = "pushes.send"
#: The most items of one push.
MOST: Final = 10_000
_TOLD: Final = 100
#: So many are looked at in one go: what is sent meanwhile does not wait for ten thousand.
_AT_A_TIME: Final = 250


@dataclass(frozen=True, slots=True)
class Want:
    """A field of a listing that is to have a value. `based_on` is a tuple of what the caller saw there, if it says so.

    `variant` is the variant's external id, empty for fields of the listing, or where the listing has only one.
    """

    listing_id: str
    field: EditField
    value: object
    variant: str = ""
    location: str = ""
    based_on: tuple[object] | None = None
    currency: str = ""


async def want(scope: Scope, wants: Sequence[Want], origin: str = "api") -> str:
    """Note what is wanted and wake whoever sends it; the push's id.

    The last of several wishes for one place counts. Raises WrongEdit, NotWritable, NotFound, NothingToPush, and what
    the connections raise.
    """
    if not wants:
        raise NothingToPush
    wholes = await _wholes(scope, wants)
    about = {id_: await shops(scope).about(scope, id_) for id_ in {one.connection_id for one in wholes.values()}}
    wishes = {}
    for number, one in enumerate(wants, 1):
        whole = wholes[one.listing_id]
        wish = wished(scope, one, whole, about[whole.connection_id])
        wishes[wish.place] = wish
        if not number % _AT_A_TIME:
            await asyncio.sleep(0)
    async with scope.tx() as tx:
        for connection_id in sorted(about):
            await shops(scope).admit(tx, connection_id)
        return await note(tx, scope, list(wishes.values()), origin)


async def _wholes(scope: Scope, wants: Sequence[Want]) -> Mapping[str, Whole]:
    ids = list({one.listing_id for one in wants})
    found: dict[str, Whole] = {}
    async with scope.tx() as tx:
        for start in range(0, len(ids), _AT_A_TIME):
            found.update(await records.wholes(tx, ids[start : start + _AT_A_TIME]))
    missing = [id_ for id_ in ids if id_ not in found]
    if missing:
        raise NotFound("There is no such listing.", details={"listingIds": missing[:20]})
    return found


async def note(tx: Tx, scope: Scope, wishes: Sequence[Wish], origin: str, lost: Sequence[Lost] = ()) -> str:
    """Note wishes that were checked, in the caller's transaction; the push's id.

    `lost` are wishes that have ended already; nobody sends them.
    """
    by = scope.principal.id
    push_id = scope.id("psh")
    noted = await edits.wish(tx, wishes, scope.now, by)
    items = len(wishes) + len(lost)
    await pushes.open_push(tx, push_id, (origin, by), items, scope.now)
    await pushes.add_items(tx, push_id, wishes, noted)
    await _supersede(tx, scope, noted, wishes)
    for connection_id in sorted({one.connection_id for one in wishes}):
        await tx.enqueue(JOB, connection_id)
    told: list[dict[str, object]] = [
        {
            "listingId": one.place.listing_id,
            "variant": one.place.variant,
            "field": one.place.field,
            "value": shown(one.value),
        }
        for one in [*wishes, *(one.wish for one in lost)][:_TOLD]
    ]
    tx.emit(PushRequested(subject=push_id, body={"items": items, "origin": origin, "first": told}))
    if lost:
        await finish(tx, scope, await pushes.add_lost(tx, push_id, len(wishes), lost, scope.now))
    return push_id


async def _supersede(tx: Tx, scope: Scope, noted: Mapping[Place, Noted], wishes: Sequence[Wish]) -> None:
    older = [one for one in noted.values() if one.version > 1]
    closed = [Closed(one.edit_id, one.version - 1, ItemState.SUPERSEDED) for one in older]
    await pushes.close(tx, closed, scope.now)
    await conflicts.ours_now(
        tx, {noted[one.place].edit_id: one.value for one in wishes if noted[one.place].version > 1}
    )


def wished(scope: Scope, given: Want, whole: Whole, about: About) -> Wish:
    """What is to be noted of it. Raises WrongEdit, NotWritable."""
    field = given.field
    if field not in about.writing.fields:
        raise NotWritable(details={"field": field, "provider": about.provider, "fields": list(about.writing.fields)})
    variant, currency = _variant(given, whole)
    value = as_shown(field, checked(field, given.value), about.writing)
    place = Place(given.listing_id, variant, field, given.location)
    try:
        theirs = value_of(whole.listing, variant, field, given.location, about.writing.price)
    except LookupError:
        raise WrongEdit.field("location", "The variant has no stock at such a location.") from None
    base: EditValue = theirs if given.based_on is None else checked(field, given.based_on[0])
    return Wish(scope.id("edt"), whole.connection_id, place, value, (base,), currency)


def _variant(given: Want, whole: Whole) -> tuple[str, str]:
    """The variant's external id and currency; both empty for fields of the listing."""
    if given.field not in OF_VARIANT:
        return "", ""
    listing = whole.listing
    if not given.variant and len(listing.variants) > 1:
        raise WrongEdit.field("variant", f"The listing {given.listing_id} has several variants: name one.")
    try:
        variant = variant_of(listing, given.variant) if given.variant else listing.variants[0]
    except LookupError:
        raise WrongEdit.field("variant", f"The listing {given.listing_id} has no such variant.") from None
    currency = variant.price.currency if variant.price else ""
    if given.currency and currency and given.currency != currency:
        raise WrongEdit.field("currency", f"The listing {given.listing_id} is priced in {currency}.")
    if given.field is EditField.STOCK and len(variant.inventory) > 1 and not given.location:
        several = ", ".join(one.location_external_id or "-" for one in variant.inventory[:10])
        raise WrongEdit.field(
            "location",
            f"The variant {variant.external_id} of the listing {given.listing_id} has stock at several locations:"
            f" name one of {several}.",
        )
    return variant.external_id, currency or given.currency
