"""From what a caller names, a product, a listing or a SKU, to the fields of listings that it means."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from isthmus.connect.edits import OF_VARIANT, EditField
from isthmus.connect.shapes import Listing, ListingStatus
from isthmus.features import records
from isthmus.features.pushes.errors import NothingToPush, WrongEdit
from isthmus.features.pushes.service.shops import shops
from isthmus.features.pushes.service.wanting import Want, want
from isthmus.kit.errors import Problem
from isthmus.scope import Scope


@dataclass(frozen=True, slots=True)
class OfVariant:
    """Values of one variant, which is named by its external id, its own id or its SKU."""

    variant_id: str | None = None
    sku: str | None = None
    location: str = ""
    values: Mapping[EditField, object] = field(default_factory=dict)
    based_on: Mapping[EditField, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Given:
    """Values for a product or a listing; those of a variant count for the only one there is, or for each named one."""

    values: Mapping[EditField, object]
    variants: Sequence[OfVariant] = ()
    based_on: Mapping[EditField, object] = field(default_factory=dict)
    currency: str = ""
    listing_ids: Sequence[str] | None = None


async def push_listing(scope: Scope, listing_id: str, given: Given) -> str:
    """Want these values of one listing; the push's id. Raises NotFound, WrongEdit, NotWritable."""
    detail = await records.listing(scope, listing_id)
    names = {row["id"]: row["external_id"] for row in detail.variants}
    async with scope.tx() as tx:
        whole = (await records.wholes(tx, [listing_id]))[listing_id]
    return await want(scope, _wants(listing_id, whole.listing, given, names))


async def push_product(scope: Scope, product_id: str, given: Given) -> str:
    """Want these values of a product's listings that live and can be written; the push's id.

    `given.listing_ids` narrows them down. Raises NotFound, WrongEdit, NothingToPush.
    """
    detail = await records.product(scope, product_id)
    live = {row["id"]: row for row in detail.listings if row["status"] != ListingStatus.DELETED}
    chosen = list(live) if given.listing_ids is None else list(given.listing_ids)
    if strange := [id_ for id_ in chosen if id_ not in live]:
        raise WrongEdit.field("listings", f"The product has no such listing: {', '.join(strange[:5])}.")
    asked = {id_ for id_ in chosen if given.listing_ids or await _writable(scope, live[id_]["connection_id"], given)}
    async with scope.tx() as tx:
        wholes = await records.wholes(tx, sorted(asked))
    wants = [
        one
        for id_, whole in wholes.items()
        for one in _wants(id_, whole.listing, given, {}, skus_may_lack=len(wholes) > 1)
    ]
    if not wants:
        raise NothingToPush
    return await want(scope, wants)


async def _writable(scope: Scope, connection_id: str, given: Given) -> bool:
    """Whether a listing that was not asked for by name takes part: its connection can write all that is wanted."""
    try:
        about = await shops(scope).about(scope, connection_id)
    except Problem:
        return False
    fields = {*given.values, *(name for one in given.variants for name in one.values)}
    return fields <= set(about.writing.fields)


def _wants(
    listing_id: str, listing: Listing, given: Given, names: Mapping[str, str], *, skus_may_lack: bool = False
) -> list[Want]:
    found = [_want(listing_id, name, value, given) for name, value in given.values.items() if name not in OF_VARIANT]
    plain = {name: value for name, value in given.values.items() if name in OF_VARIANT}
    groups = [*given.variants, *([OfVariant(values=plain, based_on=given.based_on)] if plain else [])]
    for group in groups:
        variant = _variant(listing, group, names)
        if variant is None and group.sku is not None and skus_may_lack:
            continue
        if variant is None:
            raise WrongEdit.field("variants", f"The listing {listing_id} has no such variant.")
        for name, value in group.values.items():
            base = (group.based_on[name],) if name in group.based_on else None
            found.append(Want(listing_id, name, value, variant, group.location, base, given.currency))
    return found


def _want(listing_id: str, name: EditField, value: object, given: Given) -> Want:
    return Want(listing_id, name, value, based_on=(given.based_on[name],) if name in given.based_on else None)


def _variant(listing: Listing, group: OfVariant, names: Mapping[str, str]) -> str | None:
    """The variant's external id; empty for the only one."""
    if group.variant_id is not None:
        wanted = names.get(group.variant_id, group.variant_id)
        return next((one.external_id for one in listing.variants if one.external_id == wanted), None)
    if group.sku is None:
        return ""
    same = [one.external_id for one in listing.variants if one.sku is not None and one.sku.strip() == group.sku.strip()]
    if len(same) > 1:
        raise WrongEdit.field("variants", f"Several variants have the SKU {group.sku}: name one by its id.")
    return same[0] if same else None
