"""Listings as they are after a write of our own: the store shows it at once, and an echo brings no news."""

from collections.abc import Callable, Mapping, Sequence

import msgspec

from isthmus.connect.keeping import Origin
from isthmus.connect.shapes import Listing
from isthmus.features.records import model, store
from isthmus.features.records.service.keeping import write_listings
from isthmus.features.records.store import Whole
from isthmus.scope import Scope, Tx

#: Of no bytes that a platform can send: whatever it sends next is read anew.
_UNREAD = bytes(16)


async def wholes(tx: Tx, ids: Sequence[str]) -> Mapping[str, Whole]:
    """Listings by their ids, with what they were written from."""
    return {one.id: one for one in await store.wholes(tx, ids)}


async def rewrite(
    tx: Tx, scope: Scope, connection: Origin, changes: Mapping[str, Callable[[Listing], Listing]]
) -> None:
    """Write a connection's listings as these functions change them, in the caller's transaction.

    The caller keeps other writers of the connection's listings away. Raises Unstorable.
    """
    items = []
    for one in await store.wholes(tx, list(changes)):
        after = msgspec.structs.replace(changes[one.id](one.listing), variants_complete=one.listing.variants_complete)
        items.append(model.item(after, one.raw, _UNREAD))
    await write_listings(tx, scope, connection, items)
