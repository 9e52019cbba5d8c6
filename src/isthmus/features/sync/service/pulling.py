"""The pages of a run: fetched, mapped and checked outside any transaction, written in one that the fence guards."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime

from isthmus.client import ClientError
from isthmus.connect.budgets import Overrun, Within
from isthmus.connect.faults import DATA_FAULTS
from isthmus.connect.keeping import Item, Unstorable, Written
from isthmus.connect.spi import RawRecord, RecordPage, Unmappable, Window
from isthmus.features import records
from isthmus.features.sync import store
from isthmus.features.sync.errors import CancelWanted, Endless, Stale
from isthmus.features.sync.events import DriftFound, SyncCompleted, SyncEndedEarly
from isthmus.features.sync.model import (
    ItemError,
    Mode,
    PageCount,
    PageGuard,
    Run,
    State,
    ended_early,
    event_body,
    missed,
    worth_looking,
)
from isthmus.features.sync.service.absent import ABSENT
from isthmus.features.sync.service.entities import PRODUCTS, Keeper
from isthmus.features.sync.service.faults import fault_of
from isthmus.features.sync.service.hearing import heard, told
from isthmus.features.sync.service.pricing import reprice
from isthmus.features.sync.service.sources import Source, admit
from isthmus.features.sync.service.tally import Tally
from isthmus.features.sync.settings import Settings
from isthmus.features.sync.store import Checkpoint
from isthmus.kit import ids
from isthmus.kit.text import storable
from isthmus.scope import Scope, Tx

#: Records that one run reads anew because they seem to be drift; where there are more, nobody met them by chance.
_LOOKED_AGAIN = 500


class _Undone(Exception):
    """Ends the transaction of a rehearsal."""


class _Doubtful(Exception):
    """Ends the transaction of a page where these records seem to be drift and have been read only once."""

    def __init__(self, ids: frozenset[str]) -> None:
        self.ids = ids
        super().__init__()


@dataclass(frozen=True, slots=True)
class _Origin:
    id: str
    provider: str


@dataclass(frozen=True, slots=True)
class _Ready:
    """A page as it is after mapping: what to compare with the store, what is known to be the same, what is bad."""

    items: Sequence[Item]
    errors: Sequence[ItemError]
    same: int
    same_parts: int
    size: int
    #: The platform's own ids of the records that the items were read from, in their order.
    sources: Sequence[str] = ()
    #: Records that nobody can judge: they went while they were read.
    gone: frozenset[str] = frozenset()


@dataclass(slots=True)
class Pull:
    """One worker's hold on one run."""

    scope: Scope
    run: Run
    source: Source
    keeper: Keeper
    tally: Tally
    settings: Settings
    #: Whether what this read meets is remembered, to find what it did not: not while the store holds nothing yet.
    watching: bool = False
    #: Records that came in parts and were counted already, by the hash of their ids.
    counted: set[int] = field(default_factory=set)
    #: Whether the store may be fuller than when it was last looked at.
    grown: bool = True
    #: Records that seemed to be drift and have been read anew.
    sure: set[str] = field(default_factory=set)

    async def pages(self) -> bool:
        """Read from the run's cursor on; the next page is on its way while one is written.

        Answers whether the run has ended: where every place is taken, a long one goes on in its next turn.
        """
        clock, began = self.scope.clock, self.scope.clock.monotonic()
        self.watching = await self._watches()
        window = Window(self.run.since, self.run.until)
        guard = PageGuard(self.settings, self.run.pages)
        before: PageCount | None = None
        page = await heard(self.source.pull(window, self.run.cursor))
        while True:
            guard.admit([record.external_id for record in page.records], page.cursor)
            late = clock.monotonic() - began >= self.settings.turn.total_seconds()
            if page.cursor is None or (late and self.scope.engine.queue.crowded):
                await self._page(page, before)
                return page.cursor is None
            ahead = asyncio.ensure_future(heard(self.source.pull(window, page.cursor)))
            try:
                before = await self._page(page, before)
                page = await ahead
            except BaseException:
                ahead.cancel()
                await asyncio.gather(ahead, return_exceptions=True)
                raise

    async def _watches(self) -> bool:
        if self.run.mode != Mode.FULL or self.run.dry_run or self.keeper.alive is None:
            return False
        if self.run.pages == 0:
            return bool(await self.keeper.alive(self.scope, self.run.connection_id, "", 1, None))
        async with self.scope.tx() as tx:
            return await store.has_seen(tx, self.run)

    async def _page(self, page: RecordPage, before: PageCount | None) -> PageCount:
        ready = await self._read(page.records, look=worth_looking(before))
        try:
            return await self._kept(page, ready)
        except _Doubtful as met:
            return await self._kept(page, await self._looked_again(ready, met.ids))

    async def _kept(self, page: RecordPage, ready: _Ready) -> PageCount:
        """Write a page. Raises _Doubtful and StoreFull, and has written nothing then."""
        spent = self.tally.spent()
        rehearsed = await self._rehearsed(ready) if self.run.dry_run else None
        async with self.scope.tx() as tx:
            await self._still_mine(tx)
            await admit(tx, self.source)
            if self.grown and self.keeper.bounded and not self.run.dry_run:
                await records.check_room(self.scope, tx)
            parts = {hash(one.external_id) for one in ready.items if not one.whole}
            written = rehearsed or await self.keeper.write(tx, self.scope, self._origin, ready.items)
            count, errors = _counted(ready, written, len(parts - self.counted))
            count = self._judged(count, ready, written)
            await self._keep_errors(tx, told(page, errors))
            await self._note(tx, page, ready, written)
            mark = Checkpoint(page.cursor, page.total, count, spent.retries, spent.throttled, spent.waited_ms)
            if not await store.checkpoint(tx, self.run, mark, self.settings.lease):
                raise Stale
            if page.cursor is None:
                await self._complete(tx)
        self.grown = bool(written.created or written.updated)
        self.tally.settle(spent)
        self.counted.update(parts)
        return count

    async def _read(self, raw: Sequence[RawRecord], *, look: bool) -> _Ready:
        reading = self.source.reading
        hashes = [records.raw_hash(record.payload, reading) for record in raw]
        known = (
            await self.keeper.known(self.scope, self.run.connection_id, [record.external_id for record in raw])
            if look and raw
            else {}
        )
        fresh, same, same_parts = [], 0, 0
        for record, hash_ in zip(raw, hashes, strict=True):
            found = known.get(record.external_id)
            if found is not None and found.raw_hash == hash_:
                same += 1
                same_parts += found.parts
            else:
                fresh.append((record, hash_))
        items, sources, errors = self._mapped(fresh)
        return _Ready(items, errors, same, same_parts, len(raw), sources)

    def _mapped(self, fresh: Sequence[tuple[RawRecord, bytes]]) -> tuple[list[Item], list[str], list[ItemError]]:
        """What the records of a page are. Raises Endless where the connector finds no end (PL-04)."""
        items: list[Item] = []
        sources: list[str] = []
        errors: list[ItemError] = []
        record: RawRecord | None = None
        seconds = self.settings.mapping_seconds
        try:
            with Within(seconds):
                for record, hash_ in fresh:
                    read = self._item(record, hash_)
                    if isinstance(read, ItemError):
                        errors.append(read)
                    else:
                        items.append(read)
                        sources.append(record.external_id)
        except Overrun:
            shown = record.external_id[:100] if record is not None else ""
            message = f"The connector computed for more than {seconds:g} s over a page, at last over {shown!r}."
            raise Endless("MAPPING_OVERRUN", message) from None
        return items, sources, errors

    def _item(self, record: RawRecord, raw_hash: bytes) -> Item | ItemError:
        try:
            return self.keeper.item(self.source.map(record), record.payload, raw_hash)
        except (Unmappable, Unstorable) as failure:
            reason = failure.reason
        except DATA_FAULTS as failure:
            reason = f"The record could not be read ({type(failure).__name__})."
        return ItemError(record.external_id, reason, record.payload)

    def _judged(self, count: PageCount, ready: _Ready, written: Written) -> PageCount:
        """The page's figures, with what the reads before this one had missed. Raises _Doubtful."""
        if self.run.judged_before is None or not written.changed:
            return count
        found = missed(self.run.judged_before, written.changed, _newest(ready))
        doubtful = frozenset(id_ for id_, _ in found) - self.sure
        if doubtful and len(self.sure) + len(doubtful) <= _LOOKED_AGAIN:
            raise _Doubtful(doubtful)
        created = sum(new for _, new in found)
        return replace(count, drift_created=created, drift_updated=len(found) - created)

    async def _looked_again(self, ready: _Ready, doubtful: frozenset[str]) -> _Ready:
        """The page with these records read anew, each by itself.

        Where a platform shows a record in several answers, a write that lies between two of them is seen without the
        time that it gave to the record; read now, the record has that time, and is news. A sale that has begun or ended
        by the clock is no drift either.
        """
        if self.run.entity == PRODUCTS:
            await reprice(self.scope, self.run.connection_id)
        items, gone = list(ready.items), set[str]()
        for place, (item, source) in enumerate(zip(ready.items, ready.sources, strict=True)):
            if item.external_id in doubtful:
                fresh = await self._anew(source, item)
                items[place] = fresh or item
                if fresh is None:
                    gone.add(item.external_id)
        self.sure |= doubtful
        return replace(ready, items=items, gone=frozenset(gone))

    async def _anew(self, source: str, item: Item) -> Item | None:
        """The record as it is now, or as it was where it cannot be read alone; None: it is gone."""
        try:
            raw = await self.source.fetch(source)
        except LookupError:
            return item
        except ClientError as failure:
            if fault_of(failure).passing:
                raise
            return item
        if raw is None:
            return None
        items, _, _ = self._mapped([(raw, records.raw_hash(raw.payload, self.source.reading))])
        return items[0] if items else item

    async def _still_mine(self, tx: Tx) -> None:
        state = await store.hold(tx, self.run)
        if state is None:
            raise Stale
        if state is State.CANCELLING:
            raise CancelWanted

    @property
    def _origin(self) -> _Origin:
        return _Origin(self.run.connection_id, self.run.provider)

    async def _rehearsed(self, ready: _Ready) -> Written:
        """What a write would do; nothing of it stays, so what an earlier page told of a listing is left out."""
        written = Written()
        with suppress(_Undone):
            async with self.scope.tx() as tx:
                await admit(tx, self.source)
                written = await self.keeper.write(tx, self.scope, self._origin, ready.items)
                raise _Undone
        again = [one for one in written.changed if hash(one[0]) in self.counted]
        new = sum(created for _, created in again)
        changed = tuple(one for one in written.changed if one not in again)
        updated = written.updated - (len(again) - new)
        return replace(written, created=written.created - new, updated=updated, changed=changed)

    async def _note(self, tx: Tx, page: RecordPage, ready: _Ready, written: Written) -> None:
        """What a full read has met, or what a rehearsal would have changed."""
        number = self.run.pages + self.tally.pages
        if self.watching:
            met = {record.external_id for record in page.records} | {one.external_id for one in ready.items}
            await store.note_seen(tx, self.run, number, sorted(met))
        if self.run.dry_run and written.changed:
            await store.add_changes(tx, self.run, number, written.changed)

    async def _keep_errors(self, tx: Tx, errors: Sequence[ItemError]) -> None:
        if not errors:
            return
        kept = await store.error_count(tx, self.run.id)
        cap = 0 if self.keeper.personal else self.settings.payload_bytes
        shown = [
            ItemError(storable(one.external_id), storable(one.reason), one.payload[:cap], one.asked)
            for one in errors[: max(0, self.settings.max_errors - kept)]
        ]
        if shown:
            fresh = [f"err_{one}" for one in sorted(ids.many(len(shown), self.scope.clock))]
            await store.add_errors(tx, self.run, fresh, shown, self.scope.now)

    async def _complete(self, tx: Tx) -> None:
        """The last page's transaction also ends the run and moves the watermark."""
        ended = await store.finish(tx, self.run, State.SUCCEEDED, self.scope.now)
        if ended is None:
            raise Stale
        if Mode(ended.mode).whole and not ended.dry_run:
            await store.move_watermark(tx, ended, self.scope.now)
        tx.emit(SyncCompleted(subject=ended.id, body=event_body(ended)))
        if ended.drift and not ended.dry_run:
            tx.emit(DriftFound(subject=ended.id, body=event_body(ended)))
        if ended_early(ended):
            tx.emit(SyncEndedEarly(subject=ended.id, body={**event_body(ended), "total": ended.total}))
            await store.drop_seen(tx, ended.id)
        elif self.watching:
            await tx.enqueue(ABSENT, ended.id)


def _newest(ready: _Ready) -> dict[str, datetime | None]:
    """When each record was changed last; of one that comes in parts, the part that was."""
    found: dict[str, datetime | None] = {}
    for one in ready.items:
        known, at = found.get(one.external_id), one.changed_at
        found[one.external_id] = max(known, at) if known is not None and at is not None else known or at
    return {id_: at for id_, at in found.items() if id_ not in ready.gone}


def _counted(ready: _Ready, written: Written, parted: int) -> tuple[PageCount, list[ItemError]]:
    errors = [*ready.errors, *(ItemError(one.external_id, one.reason, one.raw) for one in written.refused)]
    count = PageCount(
        records=ready.size,
        listings=ready.same + sum(one.whole for one in ready.items) + parted,
        variants=written.parts + ready.same_parts,
        created=written.created,
        updated=written.updated,
        unchanged=written.unchanged + ready.same,
        failed=len(errors),
    )
    return count, errors
