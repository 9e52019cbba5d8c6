"""Variants that a linked listing has got since it was linked: they join what they fit, by the rule of the beginning."""

from isthmus.features import records
from isthmus.features.links.events import VariantsLinked
from isthmus.features.links.model.matching import Group, Joining, joining
from isthmus.features.links.service.linking import put, sold_of
from isthmus.features.links.store import fresh
from isthmus.features.links.store import items as store
from isthmus.scope import Scope, Tx


async def join(scope: Scope, item_id: str) -> None:
    """Link what the listings of this item's product sell since lately; what is ambiguous stays a suggestion."""
    async with scope.tx() as tx:
        product_id = await fresh.product_of(tx, item_id)
        if product_id is None:
            return
        found = await _found(tx, product_id)
        if not found.groups:
            return
        placed = await put(tx, scope, product_id, found.groups)
        told = [_told(item, group) for item, group in placed]
        body = {"productId": product_id, "variants": [one for several in told for one in several]}
        tx.emit(VariantsLinked(subject=product_id, body=body))


async def _found(tx: Tx, product_id: str) -> Joining:
    held = await records.linked.hold(tx, await records.linked.listings_of(tx, product_id))
    await records.linked.hold_products(tx, [product_id])
    whole = [row["id"] for row in held if row["product_id"] == product_id]
    return joining(sold_of(await records.linked.variants(tx, whole)), await store.linked(tx, whole))


def _told(item_id: str, group: Group) -> list[dict[str, str]]:
    return [
        {"listingId": one.listing_id, "variant": one.variant, "itemId": item_id, "how": how}
        for one, how in group.members
    ]
