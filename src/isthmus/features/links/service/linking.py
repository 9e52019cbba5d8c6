"""Making listings of several shops one product, by hand or by what they have in common, and parting them again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from isthmus.features import records
from isthmus.features.links.errors import NotLinkable, NotLinked
from isthmus.features.links.events import ProductLinked, ProductUnlinked
from isthmus.features.links.model.matching import By, Group, Sold, grouped, joining, twins
from isthmus.features.links.store import fresh
from isthmus.features.links.store import items as store
from isthmus.kit.errors import NotFound
from isthmus.scope import Scope, Tx

_MOST = 100


@dataclass(frozen=True, slots=True)
class Member:
    """A variant that shares a SKU or a barcode with others."""

    listing_id: str
    variant: str
    connection_id: str
    product_id: str
    title: str


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Variants that look like the same thing; `ambiguous` where one connection sells it more than once.

    `reason` tells why a new variant of a linked listing needs a person, and is empty otherwise.
    """

    by: By
    value: str
    members: Sequence[Member]
    ambiguous: bool
    reason: str = ""


async def suggestions(
    scope: Scope, by: By, after: str, limit: int, values: Sequence[str] | None = None
) -> list[Suggestion]:
    """What might be one product, in the order of the SKUs or barcodes behind `after`; all, or those of `values`.

    New variants of linked listings are among them where it is not clear what they are.
    """
    async with scope.tx() as tx:
        found = await records.linked.alike(tx, by, after, limit, values)
        made = await _unclear(tx, by)
    made = {value: one for value, one in made.items() if value > after and (values is None or value in values)}
    for value, rows in found:
        members = [Member(*row) for row in rows]
        connections = [one.connection_id for one in members]
        reason = made[value].reason if value in made else ""
        made[value] = Suggestion(by, value, members, len(set(connections)) < len(connections) or bool(reason), reason)
    return [made[value] for value in sorted(made)][:limit]


async def _unclear(tx: Tx, by: By) -> dict[str, Suggestion]:
    """By value: new variants of linked listings that nobody can place without a person."""
    made: dict[str, Suggestion] = {}
    for product_id in await fresh.products(tx, _MOST):
        whole = await records.linked.listings_of(tx, product_id)
        rows = await records.linked.variants(tx, whole)
        for one in joining(sold_of(rows), await store.linked(tx, whole)).left:
            if one.by == by and one.value not in made:
                several = sorted((one.sold, *one.others), key=lambda sold: (sold.listing_id, sold.variant))
                members = [
                    Member(sold.listing_id, sold.variant, sold.connection_id, product_id, sold.title or "")
                    for sold in several
                ]
                made[one.value] = Suggestion(by, one.value, members, ambiguous=True, reason=one.reason)
    return made


async def link(scope: Scope, listing_ids: Sequence[str], product_id: str | None = None) -> str:
    """Make these listings one product: the given one, or the oldest of theirs; its id.

    Raises NotFound, NotLinkable.
    """
    async with scope.tx() as tx:
        return await _link(tx, scope, sorted(set(listing_ids)), product_id)


async def _link(tx: Tx, scope: Scope, listing_ids: Sequence[str], product_id: str | None) -> str:
    held = await records.linked.hold(tx, listing_ids)
    if len(held) < len(listing_ids):
        raise NotFound("There is no such listing.")
    target = product_id or min(row["product_id"] for row in held)
    await records.linked.hold_products(tx, [target, *{row["product_id"] for row in held}])
    if not await records.linked.set_own(tx, target, scope.now, own=True):
        raise NotFound("There is no such product.")
    before = sorted({row["product_id"] for row in held} - {target})
    await records.linked.move(tx, listing_ids, target, scope.now)
    whole = await records.linked.listings_of(tx, target)
    sold = sold_of(await records.linked.variants(tx, whole))
    if same := twins(sold):
        raise NotLinkable(details={"reason": "duplicate_sku", "skus": same[:20]})
    if not sold:
        raise NotLinkable(details={"reason": "nothing_sold"})
    await put(tx, scope, target, grouped(sold, await store.linked(tx, whole)))
    for id_ in before:
        await store.drop_empty(tx, id_)
    await records.linked.drop_empty(tx, before)
    tx.emit(ProductLinked(subject=target, body={"productId": target, "listings": list(listing_ids)}))
    return target


def sold_of(rows: Sequence[Mapping[str, Any]]) -> list[Sold]:
    """Variants as rows of the store, as far as matching needs them."""
    return [
        Sold(
            row["listing_id"],
            row["external_id"],
            row["connection_id"],
            row["sku"],
            row["barcode"],
            row["title"],
            row["stock"],
        )
        for row in rows
    ]


async def put(  # house: silent - whoever links tells
    tx: Tx, scope: Scope, product_id: str, groups: Sequence[Group]
) -> list[tuple[str, Group]]:
    """Link the members of each group with its item, made where there is none; the groups with their items' ids."""
    named = [(group.item_id or scope.id("itm"), group) for group in groups]
    rows: list[Mapping[str, object]] = [
        {"id": id_, "sku": group.sku, "barcode": group.barcode, "title": group.title, "stock": None}
        for id_, group in named
    ]
    await store.put_items(tx, product_id, rows, scope.now)
    members = [(id_, sold, how) for id_, group in named for sold, how in group.members]
    await store.put_links(tx, members, scope.principal.id, scope.now)
    return named


@dataclass(frozen=True, slots=True)
class Accepted:
    """What became of suggestions: products that were made of them, and values that could not be linked, and why."""

    products: Sequence[str]
    left: Mapping[str, str]


async def accept(scope: Scope, by: By, values: Sequence[str] | None = None) -> Accepted:
    """Link what the suggestions say, those of these values or all at most 100; ambiguous ones are left to a person."""
    found = await suggestions(scope, by, "", _MOST, values)
    made: dict[str, None] = {}
    together: set[frozenset[str]] = set()
    left = {}
    for one in found:
        if one.ambiguous:
            left[one.value] = one.reason or "One connection sells this more than once."
            continue
        listings = frozenset(member.listing_id for member in one.members)
        if listings in together:
            continue  # linked by another of their variants
        try:
            made[await link(scope, sorted(listings))] = None
            together.add(listings)
        except (NotLinkable, NotFound) as failure:
            left[one.value] = failure.message
    return Accepted(list(made), left)


async def unlink(scope: Scope, listing_id: str) -> str:
    """Make a listing a product of its own again; the new product's id. Raises NotFound, NotLinked."""
    async with scope.tx() as tx:
        held = await records.linked.hold(tx, [listing_id])
        if not held:
            raise NotFound("There is no such listing.")
        before = held[0]["product_id"]
        await records.linked.hold_products(tx, [before])
        others = [id_ for id_ in await records.linked.listings_of(tx, before) if id_ != listing_id]
        if not others:
            raise NotLinked
        made = scope.id("prd")
        await records.linked.copy(tx, listing_id, made, scope.now)
        await records.linked.move(tx, [listing_id], made, scope.now)
        await store.unlink(tx, listing_id)
        await store.drop_empty(tx, before)
        if len(others) == 1:
            await store.unlink(tx, others[0])
            await store.drop_empty(tx, before)
            await records.linked.set_own(tx, before, scope.now, own=False)
        tx.emit(ProductUnlinked(subject=before, body={"productId": made, "listingId": listing_id}))
    return made
