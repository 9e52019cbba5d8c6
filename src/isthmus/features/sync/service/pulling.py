"""The pages of a run: fetched, mapped and checked outside any transaction, written in one that the fence guards."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from isthmus.connect.keeping import Item, Unstorable
from isthmus.connect.spi import RawRecord, RecordPage, Unmappable, Window
from isthmus.features import records
from isthmus.features.sync import store
from isthmus.features.sync.errors import CancelWanted, Stale
from isthmus.features.sync.events import SyncCompleted
from isthmus.features.sync.model import (
    DATA_FAULTS,
    ItemError,
    PageCount,
    PageGuard,
    Run,
    State,
    event_body,
    worth_looking,
)
from isthmus.features.sync.service.entities import Keeper
from isthmus.features.sync.service.sources import Source, admit
from isthmus.features.sync.service.tally import Tally
from isthmus.features.sync.settings import Settings
from isthmus.features.sync.store import Checkpoint
from isthmus.kit import ids
from isthmus.kit.text import storable
from isthmus.scope import Scope, Tx


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


@dataclass(frozen=True, slots=True)
class Pull:
    """One worker's hold on one run."""

    scope: Scope
    run: Run
    source: Source
    keeper: Keeper
    tally: Tally
    settings: Settings
    #: Records that came in parts and were counted already, by the hash of their ids.
    counted: set[int] = field(default_factory=set)

    async def pages(self) -> None:
        """Read from the run's cursor to the end; the next page is on its way while one is written."""
        window = Window(self.run.since, self.run.until)
        guard = PageGuard(self.settings, self.run.pages)
        before: PageCount | None = None
        page = await self.source.pull(window, self.run.cursor)
        while True:
            guard.admit([record.external_id for record in page.records], page.cursor)
            if page.cursor is None:
                await self._page(page, before)
                return
            ahead = asyncio.ensure_future(self.source.pull(window, page.cursor))
            try:
                before = await self._page(page, before)
                page = await ahead
            except BaseException:
                ahead.cancel()
                await asyncio.gather(ahead, return_exceptions=True)
                raise

    async def _page(self, page: RecordPage, before: PageCount | None) -> PageCount:
        ready = await self._read(page.records, look=worth_looking(before))
        spent = self.tally.spent()
        async with self.scope.tx() as tx:
            await self._still_mine(tx)
            await admit(tx, self.source)
            parts = {hash(one.external_id) for one in ready.items if not one.whole}
            count, errors = await self._write(tx, ready, len(parts - self.counted))
            await self._keep_errors(tx, errors)
            mark = Checkpoint(page.cursor, page.total, count, spent.retries, spent.throttled, spent.waited_ms)
            if not await store.checkpoint(tx, self.run, mark, self.settings.lease):
                raise Stale
            if page.cursor is None:
                await self._complete(tx)
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
        items, errors, same, same_parts = [], [], 0, 0
        for record, hash_ in zip(raw, hashes, strict=True):
            found = known.get(record.external_id)
            if found is not None and found.raw_hash == hash_:
                same += 1
                same_parts += found.parts
                continue
            read = self._item(record, hash_)
            if isinstance(read, ItemError):
                errors.append(read)
            else:
                items.append(read)
        return _Ready(items, errors, same, same_parts, len(raw))

    def _item(self, record: RawRecord, raw_hash: bytes) -> Item | ItemError:
        try:
            return self.keeper.item(self.source.map(record), record.payload, raw_hash)
        except (Unmappable, Unstorable) as failure:
            reason = failure.reason
        except DATA_FAULTS as failure:
            reason = f"The record could not be read ({type(failure).__name__})."
        return ItemError(record.external_id, reason, record.payload)

    async def _still_mine(self, tx: Tx) -> None:
        state = await store.hold(tx, self.run)
        if state is None:
            raise Stale
        if state is State.CANCELLING:
            raise CancelWanted

    async def _write(self, tx: Tx, ready: _Ready, parted: int) -> tuple[PageCount, list[ItemError]]:
        origin = _Origin(self.run.connection_id, self.run.provider)
        written = await self.keeper.write(tx, self.scope, origin, ready.items)
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

    async def _keep_errors(self, tx: Tx, errors: Sequence[ItemError]) -> None:
        if not errors:
            return
        kept = await store.error_count(tx, self.run.id)
        cap = 0 if self.keeper.personal else self.settings.payload_bytes
        shown = [
            ItemError(storable(one.external_id), storable(one.reason), one.payload[:cap])
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
        await store.move_watermark(tx, ended, self.scope.now)
        tx.emit(SyncCompleted(subject=ended.id, body=event_body(ended)))
