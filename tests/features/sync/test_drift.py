"""A full read proves the reads of changes before it: what they missed is counted, repaired and told (PR-09)."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial

import msgspec
import pytest_asyncio
from hypothesis import given as drawn
from hypothesis import strategies as st
from tests.given import records as given_records
from tests.given import sync as given
from tests.house_database import Copy

from isthmus.client import Disconnected
from isthmus.connect.shapes import Listing, Price
from isthmus.connect.spi import RawRecord, RecordPage, Window
from isthmus.engine.db import Database
from isthmus.features import sync
from isthmus.features.sync import Mode, Run, service
from isthmus.features.sync.model import Watermark, missed, plan
from isthmus.kit.clock import SYSTEM
from isthmus.kit.paging import Ask
from isthmus.scope import Scope

NOON = datetime(2026, 11, 5, 12, tzinfo=UTC)
_OVERLAP = timedelta(minutes=10)


@dataclass
class Dated(given.Shelf):
    """A shop that says when each record changed and gives only what changed in the window; its dates may lie."""

    dates: dict[str, datetime] = field(default_factory=dict)

    def put(self, id_: str, title: str, at: datetime) -> None:
        """Show a record as changed at some time."""
        self.titles[id_], self.dates[id_] = title, at

    async def pull(self, window: Window, cursor: str | None) -> RecordPage:
        since = window.since
        shown = {id_: one for id_, one in self.titles.items() if since is None or self.dates[id_] >= since}
        whole, self.titles = self.titles, shown
        try:
            return await super().pull(window, cursor)
        finally:
            self.titles = whole

    def map(self, record: RawRecord) -> Listing:
        return msgspec.structs.replace(super().map(record), platform_updated_at=self.dates[record.external_id])


@pytest_asyncio.fixture
async def base(database: Database, copied: Copy) -> AsyncIterator[Database]:
    yield database
    await given_records.clear(copied)
    async with database.system() as tx:
        await tx.execute_sql("delete from sync_suspects")


async def _read(scope: Scope, mode: Mode) -> Run:
    run = await sync.start(scope, "con_one", mode=mode)
    await sync.work(scope, run.id)
    await service.compare(scope, run.id)
    return await sync.run(scope, run.id)


def _found(run: Run) -> tuple[int, int, int]:
    return run.drift_created, run.drift_updated, run.drift_missing


def _shop() -> Dated:
    shop = Dated(page_size=3)
    for number in range(8):
        shop.put(f"p{number}", f"Áo {number}", SYSTEM.now() - timedelta(days=2))
    return shop


async def test_PR_09_what_changes_did_not_tell_is_counted_repaired_and_told_once(base: Database) -> None:
    shop = _shop()
    scope = given.scope(base, {"con_one": shop})
    first = await _read(scope, Mode.FULL)
    assert (first.judged_before, _found(first)) == (None, (0, 0, 0))
    old = SYSTEM.now() - timedelta(hours=3)
    shop.put("p1", "changed, with an old date", old)
    shop.put("p9", "new, with an old date", old)
    shop.put("p2", "news", SYSTEM.now())
    del shop.titles["p3"]
    assert (await _read(scope, Mode.INCREMENTAL)).updated == 1
    shop.put("p4", "news again", SYSTEM.now())
    proof = await _read(scope, Mode.FULL)
    assert (proof.created, proof.updated, _found(proof)) == (1, 2, (1, 1, 0))
    told = await given_records.events(scope, "sync.drift_found")
    assert told[-1]["body"]["drift"] == {"created": 1, "updated": 1, "missing": 0}
    assert {one["subject"] for one in told} == {proof.id}
    again = await _read(scope, Mode.FULL)
    assert (again.judged_before is not None, _found(again)) == (True, (0, 0, 0))
    assert [run.id for run in await service.proofs(scope, None)] == [again.id]


class Mute(Dated):
    """It cannot be asked for one record."""

    async def fetch(self, external_id: str) -> RawRecord | None:
        raise LookupError(external_id)


async def test_PR_09_what_the_platform_says_was_deleted_is_no_drift_and_what_a_person_alone_says_is(
    base: Database,
) -> None:
    asked, mute = _shop(), Mute(page_size=3)
    mute.titles, mute.dates = dict(asked.titles), dict(asked.dates)
    ended = []
    for shop in (asked, mute):
        scope = given.scope(base, {"con_one": shop})
        await _read(scope, Mode.FULL)
        del shop.titles["p3"]
        run = await _read(scope, Mode.FULL)
        await service.decide(scope, run.id, None, approve=True)
        await service.compare(scope, run.id)
        page = await service.suspects(scope, Ask(10), connection_id=None, state="deleted", run_id=run.id)
        ended.append(
            (_found(await sync.run(scope, run.id)), [(row["external_id"], row["reason"]) for row in page.items])
        )
        shop.put("p3", "again", SYSTEM.now())
        await _read(scope, Mode.FULL)
    assert ended == [
        ((0, 0, 0), [("p3", "The platform knows it no more.")]),
        ((0, 0, 1), [("p3", "The platform cannot be asked; a person decided.")]),
    ]
    assert len(await given_records.events(scope, "sync.drift_found")) == 1


@dataclass
class Torn(Dated):
    """Its list shows what was written a moment ago without the time of it, as where a record takes two calls to read.

    Read alone, the record has its time; `alone` may say otherwise.
    """

    written: dict[str, datetime] = field(default_factory=dict)
    alone: Callable[[str], object] = str

    async def fetch(self, external_id: str) -> RawRecord | None:
        self.alone(external_id)
        if external_id in self.written:
            self.dates[external_id] = self.written.pop(external_id)
        return await super().fetch(external_id)


async def _torn(base: Database, alone: Callable[[Torn, str], object]) -> tuple[Run, Torn, Scope]:
    """A proof that meets a record whose change has no time yet."""
    shop = Torn(page_size=3)
    for number in range(4):
        shop.put(f"p{number}", f"Áo {number}", SYSTEM.now() - timedelta(days=2))
    scope = given.scope(base, {"con_one": shop})
    await _read(scope, Mode.FULL)
    shop.titles["p1"], shop.written["p1"] = "written this very moment", SYSTEM.now()
    shop.alone = partial(alone, shop)
    return await _read(scope, Mode.FULL), shop, scope


async def test_PR_09_what_is_written_while_it_is_read_is_news_and_no_drift(base: Database) -> None:
    run, shop, scope = await _torn(base, lambda _, __: None)
    assert (run.state, run.updated, _found(run)) == ("succeeded", 1, (0, 0, 0))
    assert shop.fetched == ["p1"], "what is not in doubt is not read twice"
    again = await _read(scope, Mode.FULL)
    assert (again.updated, _found(again)) == (0, (0, 0, 0))


async def test_PR_09_what_goes_while_it_is_read_is_no_drift(base: Database) -> None:
    run, _, _ = await _torn(base, lambda shop, id_: shop.titles.pop(id_))
    assert (run.state, _found(run)) == ("succeeded", (0, 0, 0))


async def test_PR_09_what_cannot_be_read_alone_is_judged_by_the_list(base: Database) -> None:
    def refuse(_: Torn, id_: str) -> None:
        raise LookupError(id_)

    run, _, _ = await _torn(base, refuse)
    assert (run.state, run.updated, _found(run)) == ("succeeded", 1, (0, 1, 0))


async def test_PR_09_a_fault_while_a_record_is_read_anew_leaves_the_page_for_another_try(base: Database) -> None:
    faults = [Disconnected("the platform hung up")]

    def falter(_: Torn, __: str) -> None:
        if faults:
            raise faults.pop()

    run, _, scope = await _torn(base, falter)
    assert (run.state, run.updated, _found(run)) == ("queued", 0, (0, 0, 0))
    await asyncio.sleep(0.1)
    await sync.work(scope, run.id)
    run = await sync.run(scope, run.id)
    assert (run.state, run.updated, _found(run)) == ("succeeded", 1, (0, 0, 0))


async def test_PL_04_a_record_that_is_computed_for_ever_when_it_is_read_anew_ends_its_run(base: Database) -> None:
    def forever(record: RawRecord) -> Listing:
        while True:
            assert record.payload

    run, _, _ = await _torn(base, lambda shop, _: setattr(shop, "map", forever))
    assert (run.state, run.error_code) == ("failed", "MAPPING_OVERRUN")


async def test_PR_09_drift_of_very_many_records_is_told_without_reading_each_of_them_anew(base: Database) -> None:
    shop = Dated(page_size=300)
    old = SYSTEM.now() - timedelta(days=2)
    for number in range(501):
        shop.put(f"p{number:03}", "before", old)
    scope = given.scope(base, {"con_one": shop})
    await _read(scope, Mode.FULL)
    for id_ in shop.titles:
        shop.titles[id_] = "after"
    assert _found(await _read(scope, Mode.FULL)) == (0, 501, 0)
    assert len(shop.fetched) == 300


@dataclass
class OnSale(Dated):
    """Whose sale has begun a minute ago; `begun` tells whether it shows so."""

    begun: bool = False

    def map(self, record: RawRecord) -> Listing:
        made = super().map(record)
        regular, paid = Decimal(10), Decimal(8) if self.begun else Decimal(10)
        starts = self.dates[record.external_id] + timedelta(days=2, minutes=-1)
        price = Price("VND", regular, paid, Decimal(8), starts)
        return msgspec.structs.replace(made, variants=(msgspec.structs.replace(made.variants[0], price=price),))


async def test_PR_09_a_sale_that_began_by_the_clock_is_no_drift(base: Database) -> None:
    shop = OnSale(page_size=3)
    shop.put("p1", "Áo", SYSTEM.now() - timedelta(days=2))
    scope = given.scope(base, {"con_one": shop})
    await _read(scope, Mode.FULL)
    shop.begun, shop.reading = True, b"another reading"
    run = await _read(scope, Mode.FULL)
    assert (run.state, _found(run)) == ("succeeded", (0, 0, 0))
    assert len(await given_records.events(scope, "listing.updated")) == 1


async def test_a_rehearsed_proof_counts_and_repairs_nothing(base: Database) -> None:
    shop = _shop()
    scope = given.scope(base, {"con_one": shop})
    await _read(scope, Mode.FULL)
    shop.put("p1", "changed, with an old date", SYSTEM.now() - timedelta(hours=3))
    run = await sync.start(scope, "con_one", mode=Mode.FULL, dry_run=True)
    await sync.work(scope, run.id)
    assert _found(await sync.run(scope, run.id)) == (0, 1, 0)
    assert await service.proofs(scope, None) == []
    assert await given_records.events(scope, "sync.drift_found") == []
    assert _found(await _read(scope, Mode.FULL)) == (0, 1, 0)


def test_only_a_full_read_behind_a_usable_watermark_proves_anything() -> None:
    def judged(mode: Mode, at: datetime | None) -> datetime | None:
        known = None if at is None else Watermark(at)
        return plan(mode, known, now=NOON, overlap=_OVERLAP, read_before=True).judged_before

    assert judged(Mode.FULL, NOON - timedelta(hours=1)) == NOON - timedelta(hours=1) - _OVERLAP
    assert judged(Mode.FULL, None) is None
    assert judged(Mode.FULL, NOON + timedelta(days=1)) is None
    assert judged(Mode.INCREMENTAL, NOON - timedelta(hours=1)) is None
    assert judged(Mode.INCREMENTAL, None) is None


@drawn(st.lists(st.tuples(st.booleans(), st.none() | st.integers(-100, 100)), max_size=20))
def test_drift_is_what_changed_before_and_nothing_else(changes: list[tuple[bool, int | None]]) -> None:
    changed = [(f"p{number}", new) for number, (new, _) in enumerate(changes)]
    times = {
        f"p{number}": None if at is None else NOON + timedelta(minutes=at) for number, (_, at) in enumerate(changes)
    }
    found = missed(NOON, changed, times)
    assert len(found) == sum(at is not None and at < 0 for _, at in changes)
    assert sum(new for _, new in found) == sum(new and at is not None and at < 0 for new, at in changes)
    assert missed(None, changed, times) == []
