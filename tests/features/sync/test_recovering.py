"""Runs that read since a date, rehearse, retry what failed, lose their place, or stop short."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
from tests.given import records as given_records
from tests.given import sync as given
from tests.house_database import Copy

from isthmus.connect.faults import CursorUnreadable
from isthmus.connect.shapes import Listing
from isthmus.connect.spi import RawRecord, RecordPage, Window
from isthmus.engine.db import Database
from isthmus.features import records, sync
from isthmus.features.records import ListingFilter
from isthmus.features.sync import Mode, Run, service
from isthmus.features.sync.errors import NothingToRetry, NotResumable, RunNotFound
from isthmus.kit.errors import Invalid
from isthmus.kit.paging import Ask
from isthmus.scope import Scope


@pytest_asyncio.fixture
async def base(database: Database, copied: Copy) -> AsyncIterator[Database]:
    yield database
    await given_records.clear(copied)


async def _read(scope: Scope, **wanted: Any) -> Run:
    run = await sync.start(scope, "con_one", **wanted)
    await sync.work(scope, run.id)
    return await sync.run(scope, run.id)


async def _stored(scope: Scope) -> set[str]:
    page = await records.listings(scope, ListingFilter(), Ask(1000))
    return {row["external_id"] for row in page.items}


async def test_a_read_since_a_date_leaves_the_watermark_where_it_is(base: Database) -> None:
    shop = given.shelf(3)
    scope = given.scope(base, {"con_one": shop})
    first = await _read(scope)
    since = first.until - timedelta(days=3)
    asked = await _read(scope, since=since)
    assert (asked.mode, asked.state, shop.windows[-1].since) == ("since", "succeeded", since)
    assert (await _read(scope)).since == first.until - timedelta(minutes=10)


async def test_a_rehearsal_counts_and_lists_what_it_would_do_and_does_nothing(base: Database) -> None:
    shop = given.shelf(5)
    scope = given.scope(base, {"con_one": shop})
    rehearsed = await _read(scope, dry_run=True)
    assert (rehearsed.state, rehearsed.created, rehearsed.dry_run) == ("succeeded", 5, True)
    assert await _stored(scope) == set()
    assert await given_records.events(scope, "listing.") == []
    await _read(scope)
    shop.titles |= {"p0001": "new", "p0009": "another"}
    rehearsed = await _read(scope, mode=Mode.FULL, dry_run=True)
    assert (rehearsed.created, rehearsed.updated, rehearsed.unchanged) == (1, 1, 4)
    seen, after = [], None
    while True:
        page = await service.changes(scope, rehearsed.id, Ask(1, 0, after))
        seen += [(row["external_id"], row["change"]) for row in page.items]
        after = page.next_after
        if after is None:
            break
    assert seen == [("p0001", "updated"), ("p0009", "created")]
    with pytest.raises(Invalid):
        await service.changes(scope, rehearsed.id, Ask(1, 0, "x|y"))
    with pytest.raises(RunNotFound):
        await service.changes(scope, "run_none", Ask())
    assert (await _read(scope)).mode == "incremental"
    assert len(await _stored(scope)) == 6


async def test_a_rehearsal_counts_a_listing_that_comes_in_parts_once(base: Database) -> None:
    shop = given.shelf(5)

    def fragment(record: RawRecord) -> Listing:
        return given_records.listing("p", given_records.variant(record.external_id), variants_complete=False)

    shop.map = fragment  # type: ignore[method-assign] # each record is one variant of the same listing
    scope = given.scope(base, {"con_one": shop})
    rehearsed = await _read(scope, dry_run=True)
    assert (rehearsed.records, rehearsed.pages, rehearsed.created, rehearsed.updated) == (5, 3, 1, 0)
    assert len((await service.changes(scope, rehearsed.id, Ask())).items) == 1


async def test_only_what_failed_is_read_again(base: Database) -> None:
    shop = given.shelf(30)
    scope = given.scope(base, {"con_one": shop})
    for id_ in [f"p{number:04d}" for number in range(25)]:
        shop.titles[id_] = "?"
    broken = await _read(scope)
    assert (broken.failed, broken.created) == (25, 5)
    for id_ in [f"p{number:04d}" for number in range(24)]:
        shop.titles[id_] = "fine now"
    shop.asked.clear()
    again = await sync.retry(scope, broken.id)
    await sync.work(scope, again.id)
    ended = await sync.run(scope, again.id)
    assert (ended.mode, ended.state, ended.created, ended.failed, ended.retry_of) == (
        "items",
        "succeeded",
        24,
        1,
        broken.id,
    )
    assert shop.asked == []
    assert len(shop.fetched) == 25
    clean = await _read(scope, since=ended.until)
    with pytest.raises(NothingToRetry):
        await sync.retry(scope, (await _read(given.scope(base, {"con_one": given.shelf(1)}))).id)
    with pytest.raises(RunNotFound):
        await sync.retry(given.scope(base, {"con_one": shop}, "ten_two"), broken.id)
    assert clean.state == "succeeded"


async def test_a_run_that_was_stopped_or_failed_goes_on_behind_its_last_page(base: Database) -> None:
    shop = given.shelf(6)
    scope = given.scope(base, {"con_one": shop})
    run = await sync.start(scope, "con_one")

    async def stop(cursor: str | None) -> None:
        if cursor == "4":
            while (await sync.run(scope, run.id)).pages < 2:  # noqa: ASYNC110 - a page being written has no event
                await asyncio.sleep(0.01)
            await service.cancel(scope, run.id)
            await asyncio.sleep(60)

    shop.before = stop
    await sync.work(scope, run.id)
    halted = await sync.run(scope, run.id)
    assert (halted.state, halted.pages, halted.created) == ("cancelled", 2, 4)
    shop.before = given.shelf(0).before
    shop.asked.clear()
    queued = await sync.resume(scope, run.id)
    assert (queued.id, queued.state, queued.finished_at, queued.error_code) == (run.id, "queued", None, None)
    await sync.work(scope, run.id)
    ended = await sync.run(scope, run.id)
    assert (ended.state, ended.created, shop.asked) == ("succeeded", 6, ["4"])
    with pytest.raises(NotResumable):
        await sync.resume(scope, run.id)


async def test_only_the_newest_run_of_its_records_goes_on(base: Database) -> None:
    scope = given.scope(base, {"con_one": given.shelf(2)})
    run = await sync.start(scope, "con_one")
    await service.cancel(scope, run.id)
    second = await sync.start(scope, "con_one")
    with pytest.raises(NotResumable):
        await sync.resume(scope, run.id)
    await sync.work(scope, second.id)
    with pytest.raises(NotResumable):
        await sync.resume(scope, run.id)
    with pytest.raises(RunNotFound):
        await sync.resume(given.scope(base, {"con_one": given.shelf(2)}, "ten_two"), run.id)


async def test_everything_of_a_connection_is_read_since_a_date_and_rehearsed(base: Database) -> None:
    scope = given.scope(base, {"con_one": given.shelf(2)})
    since = scope.now - timedelta(days=1)
    (run,) = await sync.start_all(scope, "con_one", None, sync.Extent(since=since, dry_run=True))
    assert (run.mode, run.since, run.dry_run) == ("since", since, True)


async def test_a_place_that_the_platform_no_longer_keeps_falls_back_to_a_full_read(base: Database) -> None:
    shop = given.shelf(5)
    scope = given.scope(base, {"con_one": shop})
    await _read(scope)
    lost = 0

    async def too_old(cursor: str | None) -> None:
        nonlocal lost
        if shop.windows and cursor == "2" and not lost:
            lost += 1
            raise CursorUnreadable("the cursor has ended")

    shop.before = too_old
    run = await sync.start(scope, "con_one")
    await sync.work(scope, run.id)
    waiting = await sync.run(scope, run.id)
    assert (waiting.state, waiting.mode, waiting.cursor, waiting.since) == ("queued", "full", None, None)
    await sync.work(scope, run.id)
    ended = await sync.run(scope, run.id)
    assert (ended.state, ended.mode, lost) == ("succeeded", "full", 1)
    assert len(await given_records.events(scope, "sync.restarted")) == 1


async def test_a_place_that_is_lost_again_and_again_ends_the_run(base: Database) -> None:
    shop = given.shelf(5)
    scope = given.scope(base, {"con_one": shop})

    async def never(cursor: str | None) -> None:
        if cursor == "2":
            raise CursorUnreadable("the cursor has ended")

    shop.before = never
    run = await sync.start(scope, "con_one")
    for _ in range(10):
        await sync.work(scope, run.id)
    assert (await sync.run(scope, run.id)).state == "parked"


async def test_a_read_that_stops_short_of_the_total_says_so_and_suspects_nothing(base: Database) -> None:
    shop = given.shelf(6)
    scope = given.scope(base, {"con_one": shop})
    await _read(scope)
    whole = shop.pull

    async def short(window: Window, cursor: str | None) -> RecordPage:
        page = await whole(window, cursor)
        return RecordPage(page.records, None, 6)

    shop.pull = short  # type: ignore[method-assign]
    run = await _read(scope, mode=Mode.FULL)
    assert (run.state, run.records, run.total) == ("succeeded", 2, 6)
    assert len(await given_records.events(scope, "sync.ended_early")) == 1
    await service.compare(scope, run.id)
    nothing = await service.suspects(scope, Ask(), connection_id=None, state=None, run_id=None)
    assert nothing.items == []
