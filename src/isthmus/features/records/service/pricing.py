"""Sales that begin and end by the clock alone: what is stored follows, and is told like any other change."""

from dataclasses import dataclass

from isthmus.connect.shapes import Listing, ListingStatus
from isthmus.features.records import store
from isthmus.features.records.service.rewriting import rewrite
from isthmus.scope import Scope, Tx


@dataclass(frozen=True, slots=True)
class _Shop:
    id: str
    provider: str


async def reprice(tx: Tx, scope: Scope, connection_id: str, limit: int) -> int:
    """Give listings of a connection whose sales have begun or ended the prices of now, at most so many; how many.

    One event for each whose price is another one, in the caller's transaction. The caller keeps other writers of the
    connection's listings away.
    """
    taken = await store.take_repriced(tx, connection_id, scope.now, limit)
    there = [row["id"] for row in taken if row["status"] != ListingStatus.DELETED]
    if there:
        await rewrite(tx, scope, _Shop(connection_id, taken[0]["provider"]), dict.fromkeys(there, _same))
    return len(taken)


def _same(listing: Listing) -> Listing:
    return listing
