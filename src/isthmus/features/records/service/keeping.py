"""Writing and reading the canonical store: compared by hash first, so that only what changed costs a write."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from isthmus.connect.keeping import Alive, Known, Origin, Refused, Written
from isthmus.connect.shapes import Listing, ListingStatus
from isthmus.engine import holdings
from isthmus.engine.db import Tx as SystemTx
from isthmus.features.records import model, store
from isthmus.features.records.errors import Unstorable
from isthmus.features.records.events import (
    ListingCreated,
    ListingDeleted,
    ListingUpdated,
    RecordCreated,
    RecordDeleted,
    RecordUpdated,
)
from isthmus.features.records.model import Kind, ListingFilter, ListingItem, RecordFilter, RecordItem, Stored
from isthmus.features.records.store import Change, Shard, shards
from isthmus.kit import ids
from isthmus.kit.errors import NotFound
from isthmus.kit.events import Event
from isthmus.kit.paging import Ask, Page
from isthmus.scope import Scope, Tx

#: A row of the store, by column name.
Row = Mapping[str, Any]
#: Listings per statement: above this the arrays cost memory and save no trips worth having.
_BATCH = 1_000


async def write_listings(tx: Tx, scope: Scope, connection: Origin, items: Sequence[ListingItem]) -> Written:
    """Write what differs from the store and emit one event for each real change, all in the caller's transaction.

    Fragments are merged with what is stored. Two writers of one connection must be kept apart by the caller.
    """
    folded = list(model.fold(items).values())
    total = Written(parts=sum(len(item.listing.variants) for item in items))
    for start in range(0, len(folded), _BATCH):
        written = await _write_batch(tx, scope, connection, folded[start : start + _BATCH])
        total = Written(
            total.created + written.created,
            total.updated + written.updated,
            total.unchanged + written.unchanged,
            total.parts,
            total.refused + written.refused,
            total.changed + written.changed,
        )
    return total


async def forget(tx: SystemTx, tenant_id: str, connection_id: str) -> int:
    """Remove the records of a shop that was disconnected; connecting it again reads them anew."""
    return await store.forget(tx, tenant_id, connection_id)


async def set_hidden(tx: Tx, connection_ids: Sequence[str], types: Sequence[str]) -> None:
    """Show nobody these types of records of these connections, and every other type; counts from this commit on."""
    await store.hidden.set_hidden(tx, connection_ids, types)


async def purge_hidden(tx: Tx, connection_id: str) -> int:
    """Remove what is hidden of a connection; how many listings and records."""
    return await store.hidden.purge(tx, str(tx.tenant_id), connection_id)


async def _write_batch(tx: Tx, scope: Scope, connection: Origin, items: Sequence[ListingItem]) -> Written:
    known = await store.stored(tx, connection.id, [item.listing.external_id for item in items])
    whole, refused = await _completed(tx, items, known)
    changed = [item for item in whole if _differs(item, known)]
    if changed:
        await _write_changed(tx, scope, connection, changed, known)
    if len(changed) < len(whole):
        await store.touch(tx, connection.id, [item for item in whole if _newer(item, known)])
    updated = sum(item.listing.external_id in known for item in changed)
    told = tuple((item.external_id, item.external_id not in known) for item in changed)
    return Written(len(changed) - updated, updated, len(whole) - len(changed), 0, tuple(refused), told)


def _differs(item: ListingItem, known: dict[str, Stored]) -> bool:
    """Whether the item is news: other content, and not from before what is stored (fragments bear their own times)."""
    before = known.get(item.listing.external_id)
    if before is None or before.hash == item.hash:
        return before is None
    changed = item.changed_at
    return not item.whole or changed is None or before.changed_at is None or changed >= before.changed_at


def _newer(item: ListingItem, known: dict[str, Stored]) -> bool:
    """Whether the platform gave what is stored a later time: no news, but older answers are to be told from it."""
    before, changed = known.get(item.listing.external_id), item.changed_at
    if before is None or changed is None or before.hash != item.hash or before.raw_hash == item.raw_hash:
        return False
    return before.changed_at is None or changed >= before.changed_at


async def _completed(
    tx: Tx, items: Sequence[ListingItem], known: dict[str, Stored]
) -> tuple[Sequence[ListingItem], list[Refused]]:
    """The items with the fragments among them merged with their stored listings."""
    partial = [item for item in items if not item.listing.variants_complete and item.listing.external_id in known]
    if not partial:
        return items, []
    bodies = await store.bodies(tx, [known[item.listing.external_id].id for item in partial])
    whole, refused = [], []
    for item in items:
        external_id = item.listing.external_id
        try:
            whole.append(model.combine(bodies[external_id], item) if external_id in bodies else item)
        except Unstorable as failure:
            refused.append(Refused(external_id, item.raw, failure.reason))
    return whole, refused


async def _write_changed(
    tx: Tx, scope: Scope, connection: Origin, changed: Sequence[ListingItem], known: dict[str, Stored]
) -> None:
    before = [known[item.listing.external_id].id for item in changed if item.listing.external_id in known]
    variants = await store.variant_ids(tx, before) if before else {}
    fresh = iter(ids.many(len(changed) + sum(len(item.listing.variants) for item in changed), scope.clock))
    changes = _changes(changed, known, variants, fresh)
    await store.write(tx, (connection.id, connection.provider), changes, fresh, scope.now)
    gone = [
        id_
        for change in changes
        for external_id, id_ in change.variant_ids.items()
        if all(variant.external_id != external_id for variant in change.item.listing.variants)
    ]
    if gone:
        await store.drop_variants(tx, gone)
    tx.emit(*(_event(connection, change, known) for change in changes))


def _changes(
    changed: Sequence[ListingItem],
    known: dict[str, Stored],
    variants: dict[str, dict[str, str]],
    fresh: Iterator[str],
) -> list[Change]:
    made = []
    for item in changed:
        before = known.get(item.listing.external_id)
        if before is None:
            suffix = next(fresh)
            # Until products are linked by hand or by SKU, each listing makes its own (design/api.md, Nouns).
            made.append(Change(item, f"lst_{suffix}", f"prd_{suffix}", created=True))
        else:
            made.append(Change(item, before.id, before.product_id, created=False, variant_ids=variants[before.id]))
    return made


def _event(connection: Origin, change: Change, known: dict[str, Stored]) -> Event:
    listing = change.item.listing
    body = {
        "id": change.id,
        "productId": change.product_id,
        "connectionId": connection.id,
        "provider": connection.provider,
        "externalId": listing.external_id,
        "status": listing.status,
    }
    if change.created:
        return ListingCreated(subject=change.id, body=body)
    gone = listing.status is ListingStatus.DELETED
    if gone and known[listing.external_id].status != ListingStatus.DELETED:
        return ListingDeleted(subject=change.id, body=body)
    return ListingUpdated(subject=change.id, body=body)


async def alive(
    scope: Scope, connection_id: str, after: str, limit: int, before: datetime | None = None
) -> Sequence[Alive]:
    """Listings of a connection that are not deleted and were known `before` a moment, by external id."""
    async with scope.tx() as tx:
        return await store.alive(tx, connection_id, after, limit, before)


async def probes(scope: Scope, listing_ids: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """By listing: the platform's ids by which it can be asked for."""
    async with scope.tx() as tx:
        return await store.probes(tx, listing_ids)


async def bury_listings(tx: Tx, scope: Scope, connection: Origin, listing_ids: Sequence[str]) -> int:
    """Mark listings as deleted that their platform no longer knows, in the caller's transaction; how many."""
    gone = await store.bury(tx, listing_ids, scope.now)
    for row in gone:
        body = {
            "id": row["id"],
            "productId": row["product_id"],
            "connectionId": connection.id,
            "provider": connection.provider,
            "externalId": row["external_id"],
            "status": ListingStatus.DELETED,
        }
        tx.emit(ListingDeleted(subject=row["id"], body=body))
    return len(gone)


async def known_raw(scope: Scope, connection_id: str, external_ids: Sequence[str]) -> dict[str, Known]:
    """The hash of the bytes each listing was last written from: equal bytes need not be mapped again."""
    async with scope.tx() as tx:
        return await store.raw_hashes(tx, connection_id, external_ids)


async def contents(scope: Scope, connection_id: str, external_ids: Sequence[str]) -> dict[str, Listing]:
    """The canonical listings of these external ids, as they are stored."""
    async with scope.tx() as tx:
        known = await store.stored(tx, connection_id, external_ids)
        bodies = await store.bodies(tx, [one.id for one in known.values()]) if known else {}
    return dict(bodies)


async def bodies_after(
    scope: Scope, after: str | None, limit: int, connection_id: str | None = None
) -> list[tuple[str, Listing]]:
    """Listings in the order of their ids, with the id of each: a page of all, or of one connection's."""
    async with scope.tx() as tx:
        return await store.bodies_after(tx, after, limit, connection_id)


@dataclass(frozen=True, slots=True)
class ListingDetail:
    """One listing with all that is known of it; `twins` are its SKUs that the connection sells more than once."""

    row: Row
    variants: Sequence[Row]
    twins: frozenset[str]
    raw: bytes | None = None


@dataclass(frozen=True, slots=True)
class ProductDetail:
    """One product with its listings."""

    row: Row
    listings: Sequence[Row]


async def listings(scope: Scope, wanted: ListingFilter, ask: Ask) -> Page[Row]:
    """Listings, newest first."""
    async with scope.tx() as tx:
        return await store.listings(tx, wanted, ask)


async def listing(scope: Scope, id_: str, *, with_raw: bool = False) -> ListingDetail:
    """One listing. Raises NotFound."""
    async with scope.tx() as tx:
        row = await store.listing(tx, id_)
        if row is None:
            raise NotFound("There is no such listing.")
        variants = await store.variants_of(tx, id_)
        skus = [variant["sku"] for variant in variants if variant["sku"]]
        twins = await store.twins(tx, row["connection_id"], skus) if skus else frozenset()
        return ListingDetail(row, variants, twins, await store.raw(tx, id_) if with_raw else None)


async def products(scope: Scope, wanted: ListingFilter, ask: Ask) -> Page[ProductDetail]:
    """Products with their listings, newest first."""
    async with scope.tx() as tx:
        page = await store.products(tx, wanted, ask)
        links = await store.listings_of(tx, [row["id"] for row in page.items]) if page.items else {}
        items = [ProductDetail(row, links.get(row["id"], ())) for row in page.items]
        return Page(items, page.next_after, page.total, page.has_more)


async def product(scope: Scope, id_: str) -> ProductDetail:
    """One product. Raises NotFound."""
    async with scope.tx() as tx:
        row = await store.product(tx, id_)
        if row is None:
            raise NotFound("There is no such product.")
        links = await store.listings_of(tx, [id_])
        return ProductDetail(row, links.get(id_, ()))


async def duplicate_skus(scope: Scope, connection_id: str, ask: Ask) -> Page[Row]:
    """SKUs that one connection sells more than once, with how many variants bear each."""
    async with scope.tx() as tx:
        return await store.duplicate_skus(tx, connection_id, ask)


async def write_records(tx: Tx, scope: Scope, connection: Origin, kind: Kind, items: Sequence[RecordItem]) -> Written:
    """Write the records of one entity that differ from the store, remove those that the far side calls deleted.

    One event for each real change, all in the caller's transaction. Two writers of one connection must be kept apart
    by the caller.
    """
    latest = {item.record.external_id: item for item in items}
    known = await shards.stored(tx, connection.id, kind.entity, list(latest))
    gone = [known[id_].id for id_, item in latest.items() if item.record.deleted and id_ in known]
    changed = [item for id_, item in latest.items() if not item.record.deleted and _is_news(item, known.get(id_))]
    fresh = iter(ids.many(len(changed), scope.clock))
    written = [_shard(item, known.get(item.record.external_id), fresh) for item in changed]
    if written:
        await shards.write(tx, (connection.id, connection.provider), kind, written, scope.now)
        size = sum(len(shard.item.body) for shard in written if shard.created)
        await holdings.add(tx, connection.id, store.SHARDS, size)
    if gone:
        await shards.drop(tx, gone)
    for shard in written:
        event = RecordCreated if shard.created else RecordUpdated
        tx.emit(event(subject=shard.id, body=_told(connection, kind, shard.id, shard.item.record.external_id)))
    names = {one.id: id_ for id_, one in known.items()}
    tx.emit(*(RecordDeleted(subject=id_, body=_told(connection, kind, id_, names[id_])) for id_ in gone))
    created = sum(shard.created for shard in written)
    return Written(created, len(written) - created + len(gone), len(latest) - len(written) - len(gone))


async def write_any(tx: Tx, scope: Scope, connection: Origin, items: Sequence[RecordItem]) -> Written:
    """As `write_records`, for records that say themselves what they are records of."""
    kinds: dict[Kind, list[RecordItem]] = {}
    for item in items:
        kinds.setdefault(Kind(item.record.entity, item.record.shard_type), []).append(item)
    total = Written()
    for kind, several in kinds.items():
        done = await write_records(tx, scope, connection, kind, several)
        total = Written(
            total.created + done.created, total.updated + done.updated, total.unchanged + done.unchanged, len(items)
        )
    return total


def _is_news(item: RecordItem, known: shards.StoredShard | None) -> bool:
    return known is None or known.hash != item.hash


def _shard(item: RecordItem, known: shards.StoredShard | None, fresh: Iterator[str]) -> Shard:
    return Shard(item, known.id if known else f"rec_{next(fresh)}", created=known is None)


def _told(connection: Origin, kind: Kind, id_: str, external_id: str) -> dict[str, object]:
    return {
        "id": id_,
        "connectionId": connection.id,
        "provider": connection.provider,
        "entity": kind.entity,
        "shardType": kind.shard_type,
        "externalId": external_id,
    }


async def entries_alive(
    entity: str, scope: Scope, connection_id: str, after: str, limit: int, before: datetime | None = None
) -> Sequence[Alive]:
    """Records of a connection's entity that were known `before` a moment, by external id."""
    async with scope.tx() as tx:
        return await shards.alive(tx, (connection_id, entity), after, limit, before)


async def entry_probes(scope: Scope, record_ids: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """By record: the far side's id by which it can be asked for."""
    async with scope.tx() as tx:
        return {row["id"]: (row["external_id"],) for row in await shards.named(tx, record_ids)}


async def bury_records(tx: Tx, scope: Scope, connection: Origin, record_ids: Sequence[str]) -> int:  # noqa: ARG001
    """Remove records that the far side no longer knows, in the caller's transaction; how many."""
    gone = await shards.named(tx, record_ids)
    await shards.drop(tx, [row["id"] for row in gone])
    for row in gone:
        kind = Kind(row["entity"], row["shard_type"])
        tx.emit(RecordDeleted(subject=row["id"], body=_told(connection, kind, row["id"], row["external_id"])))
    return len(gone)


async def entries(scope: Scope, wanted: RecordFilter, ask: Ask) -> Page[Row]:
    """Records of any kind, newest first."""
    async with scope.tx() as tx:
        return await shards.page(tx, wanted, ask)


async def entry(scope: Scope, id_: str) -> Row:
    """One record of any kind. Raises NotFound."""
    async with scope.tx() as tx:
        row: Row | None = await shards.one(tx, id_)
    if row is None:
        raise NotFound("There is no such record.")
    return row
