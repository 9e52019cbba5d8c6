"""Listings as they are after a write of our own: the store shows it at once, and an echo brings no news."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Final

import msgspec

from isthmus.connect.keeping import Origin
from isthmus.connect.pricing import priced
from isthmus.connect.shapes import Listing
from isthmus.features.records import model, store
from isthmus.features.records.errors import Unstorable
from isthmus.features.records.events import ListingUpdated
from isthmus.features.records.store import Rewritten, Whole
from isthmus.kit.events import Event
from isthmus.scope import Scope, Tx

#: Of no bytes that a platform can send: whatever it sends next is read anew.
_UNREAD = bytes(16)
_NONE: Final[Mapping[str, Whole]] = {}


async def wholes(tx: Tx, ids: Sequence[str]) -> Mapping[str, Whole]:
    """Listings by their ids."""
    return {one.id: one for one in await store.wholes(tx, ids)}


async def rewrite(
    tx: Tx,
    scope: Scope,
    connection: Origin,
    changes: Mapping[str, Callable[[Listing], Listing]],
    known: Mapping[str, Whole] = _NONE,
) -> None:
    """Write a connection's listings as these functions change them, in the caller's transaction.

    They may change what an edit can: title, texts, status, prices and stock, and the times of those; what a buyer pays
    follows the dates of the sales as of now. What cannot be stored stays as it is: the next reading brings it. `known`
    are listings as they were a moment ago, of which only those are read again that have changed since. The caller keeps
    other writers of the connection's listings away.
    """
    if not changes:
        return
    written = [
        made
        for one in await _current(tx, connection.id, changes, known)
        if (made := _made(one, changes[one.id], scope.now))
    ]
    if written:
        await store.rewrite(tx, written, _UNREAD, scope.now)
        tx.emit(*(_event(connection, one) for one in written if one.news))


async def _current(tx: Tx, connection_id: str, ids: Collection[str], known: Mapping[str, Whole]) -> list[Whole]:
    versions = await store.versions(tx, connection_id, list(ids))
    same = [known[id_] for id_, stored in versions.items() if id_ in known and _version(known[id_]) == stored]
    rest = versions.keys() - {one.id for one in same}
    return [*same, *(await store.wholes(tx, sorted(rest)) if rest else ())]


def _version(one: Whole) -> tuple[int, datetime | None]:
    return one.version, one.listing.platform_updated_at


def _made(before: Whole, change: Callable[[Listing], Listing], now: datetime) -> Rewritten | None:
    changed = priced(change(before.listing), now)
    after = msgspec.structs.replace(changed, variants_complete=before.listing.variants_complete)
    try:
        item = model.item(after, b"", _UNREAD)
    except Unstorable:
        return None
    return Rewritten(before, item, item.hash != before.hash)


def _event(connection: Origin, one: Rewritten) -> Event:
    listing = one.item.listing
    body = {
        "id": one.before.id,
        "productId": one.before.product_id,
        "connectionId": connection.id,
        "provider": connection.provider,
        "externalId": listing.external_id,
        "status": listing.status,
    }
    return ListingUpdated(subject=one.before.id, body=body)
