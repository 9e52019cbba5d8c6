"""Runs from their start to their end, on the real database."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio
from multidict import CIMultiDict
from tests.given import caps
from tests.given import records as given_records
from tests.given import sync as given
from tests.house_database import Copy

from isthmus.client import (
    AttemptEnded,
    BreakerOpen,
    Disconnected,
    Failure,
    ReauthorizationRequired,
    Refused,
    Request,
    Waited,
    Waiting,
)
from isthmus.client.url import parse
from isthmus.connect.shapes import Listing
from isthmus.connect.spi import RawRecord, RecordPage, Window
from isthmus.engine.db import Database
from isthmus.engine.queue import Pace, PgQueue
from isthmus.features import records, sync
from isthmus.features.records import ListingFilter
from isthmus.features.sync import Mode, Run, service, store
from isthmus.features.sync.errors import RunEnded, RunInProgress, RunNotFound, TooManyRuns
from isthmus.features.sync.service import resuming
from isthmus.features.sync.service.waking import missing
from isthmus.kit.errors import NotFound
from isthmus.kit.paging import Ask
from isthmus.scope import Scope, System


@pytest_asyncio.fixture
async def base(database: Database, copied: Copy) -> AsyncIterator[Database]:
    yield database
    await given_records.clear(copied)


async def _read(scope: Scope, mode: Mode = Mode.INCREMENTAL) -> Run:
    """One run from start to wherever it gets in one go."""
    run = await sync.start(scope, "con_one", mode=mode)
    await sync.work(scope, run.id)
    return await sync.run(scope, run.id)


async def _stored(scope: Scope) -> dict[str, str]:
    page = await records.listings(scope, ListingFilter(), Ask(1000))
    return {row["external_id"]: row["title"] for row in page.items}


async def test_a_run_reads_every_page_and_says_so(base: Database) -> None:
    shop = given.shelf(5)
    scope = given.scope(base, {"con_one": shop})
    run = await _read(scope)
    assert (run.state, run.pages, run.listings, run.created, run.variants) == ("succeeded", 3, 5, 5, 5)
    assert (run.total, run.failed, run.error_code) == (5, 0, None)
    assert run.finished_at is not None
    assert await _stored(scope) == shop.titles
    told = [event["type"] for event in await given_records.events(scope)]
    assert [kind for kind in told if kind.startswith("sync.")] == ["sync.requested", "sync.started", "sync.completed"]
    assert told.count("listing.created") == 5


async def test_a_second_read_of_the_same_changes_nothing_and_maps_nothing(base: Database) -> None:
    shop = given.shelf(5)
    scope = given.scope(base, {"con_one": shop})
    await _read(scope)
    shop.map = None  # type: ignore[method-assign,assignment] # equal bytes must not be mapped again
    run = await _read(scope, Mode.FULL)
    assert (run.state, run.unchanged, run.created, run.updated, run.variants) == ("succeeded", 5, 0, 0, 5)
    assert len(await given_records.events(scope, "listing.")) == 5


async def test_a_new_way_of_reading_maps_equal_bytes_again(base: Database) -> None:
    shop = given.shelf(3)
    scope = given.scope(base, {"con_one": shop})
    await _read(scope)
    shop.reading = records.revision("shelf", "2")
    shop.map = lambda record: given_records.listing(record.external_id, title="new")  # type: ignore[method-assign]
    run = await _read(scope, Mode.FULL)
    assert run.updated == 3
    assert set((await _stored(scope)).values()) == {"new"}


async def test_an_incremental_read_begins_an_overlap_before_the_last_cycle(base: Database) -> None:
    shop = given.shelf(3)
    scope = given.scope(base, {"con_one": shop})
    first = await _read(scope)
    assert (first.mode, shop.windows[0].since, shop.windows[0].until) == ("full", None, first.until)
    second = await _read(scope)
    assert (second.mode, second.since) == ("incremental", first.until - timedelta(minutes=10))
    assert shop.windows[-1].until == second.until > first.until


async def test_the_watermark_stays_when_a_cycle_does_not_end(base: Database) -> None:
    shop = given.shelf(5)
    scope = given.scope(base, {"con_one": shop})
    first = await _read(scope)

    async def refuse(cursor: str | None) -> None:
        if cursor:
            raise Refused("not for you", code="no_permission", status=403)

    shop.before = refuse
    failed = await _read(scope)
    assert (failed.state, failed.error_code, failed.error_message) == (
        "failed",
        "REFUSED",
        "not for you (no_permission)",
    )
    shop.before = given._nothing
    assert (await _read(scope)).since == first.until - timedelta(minutes=10)


async def test_a_lost_watermark_warns_and_reads_everything(base: Database) -> None:
    scope = given.scope(base, {"con_one": given.shelf(3)})
    await _read(scope)
    async with base.system() as tx:
        await tx.execute_sql("delete from sync_cursors")
    run = await _read(scope)
    assert (run.mode, run.since) == ("full", None)
    assert len(await given_records.events(scope, "sync.watermark_lost")) == 1


async def test_a_second_trigger_is_refused_with_the_run_under_way(base: Database) -> None:
    scope = given.scope(base, {"con_one": given.shelf(3), "con_two": given.shelf(1)})
    run = await sync.start(scope, "con_one")
    with pytest.raises(RunInProgress) as caught:
        await sync.start(scope, "con_one")
    assert caught.value.details["run"]["runId"] == run.id
    other = await sync.start(scope, "con_two")
    assert other.state == "queued"


async def test_RL_05_a_tenant_has_so_many_runs_under_way_and_no_more(base: Database) -> None:
    shops = {f"con_{number}": given.shelf(1) for number in range(3)}
    scope = given.scope(base, shops, live_runs=2)
    await sync.start(scope, "con_0")
    await sync.start(scope, "con_1")
    with pytest.raises(TooManyRuns) as refused:
        await sync.start(scope, "con_2")
    assert refused.value.details == {"limit": 2}
    assert await caps.shown(scope, "sync.live_runs") == (2, 2)


async def test_RL_05_runs_that_are_begun_at_the_same_moment_keep_to_the_bound(base: Database) -> None:
    shops = {f"con_{number}": given.shelf(1) for number in range(8)}
    scope = given.scope(base, shops, live_runs=3)
    begun = await asyncio.gather(*(sync.start(scope, name) for name in shops), return_exceptions=True)
    assert sum(isinstance(one, Run) for one in begun) == 3
    assert sum(isinstance(one, TooManyRuns) for one in begun) == 5
    stopped = next(one for one in begun if isinstance(one, Run))
    await sync.cancel(scope, stopped.id)
    free = [name for name in shops if name not in {one.connection_id for one in begun if isinstance(one, Run)}]
    assert isinstance(await sync.start(scope, free[0]), Run)


def _with_room(scope: Scope, stored_bytes: int) -> Scope:
    """The same merchant, who may store so much."""
    parts = {**scope.engine.parts, records.Settings: records.Settings(stored_bytes)}
    return replace(scope, engine=replace(scope.engine, parts=parts))


async def test_RL_05_a_run_stops_behind_a_page_when_the_store_is_full_and_goes_on_when_there_is_room(
    base: Database,
) -> None:
    shop, till = given.shelf(6), given.Till({"1": "ready"})
    scope = given.scope(base, {"con_one": shop, "con_two": till})
    full, roomy = _with_room(scope, 1), _with_room(scope, 1_000_000)
    stopped = await _read(full)
    assert (stopped.state, stopped.error_code) == ("parked", "STORE_FULL")
    assert (stopped.pages, stopped.listings, stopped.cursor) == (1, 2, "2")
    for begun in (sync.start(full, "con_one"), service.resume(full, stopped.id)):
        with pytest.raises(records.StoreFull) as refused:
            await begun
        assert (refused.value.status, refused.value.details) == (409, {"limit": 1})
    orders = await sync.start(full, "con_two", entity=sync.ORDERS)
    await sync.work(full, orders.id)
    assert (await sync.run(full, orders.id)).state == "succeeded", "orders are read all the same"
    await resuming.unhalt(System(full.engine))
    assert (await sync.run(full, stopped.id)).state == "parked"
    await resuming.unhalt(System(roomy.engine))
    assert (await sync.run(roomy, stopped.id)).state == "queued"
    await sync.work(roomy, stopped.id)
    ended = await sync.run(roomy, stopped.id)
    assert (ended.state, ended.listings, ended.error_code) == ("succeeded", 6, None)
    assert await _stored(roomy) == shop.titles


async def test_a_run_that_waits_for_room_is_looked_at_until_a_newer_one_takes_its_place(base: Database) -> None:
    scope = given.scope(base, {"con_one": given.shelf(6)})
    await _read(_with_room(scope, 1))
    assert await _halted(scope) == [("ten_one", "con_one")]
    await _read(scope)
    assert await _halted(scope) == []


async def _halted(scope: Scope) -> list[tuple[str, str]]:
    async with System(scope.engine).tx() as tx:
        return await store.halted(tx, 10)


async def test_RL_05_where_the_store_is_full_all_that_may_be_read_begins_without_the_rest(base: Database) -> None:
    both = given.Till({"1": "ready"})
    scope = _with_room(given.scope(base, {"con_one": both}), 1)
    orders = await sync.start(scope, "con_one", entity=sync.ORDERS)
    await sync.work(scope, orders.id)
    begun = await service.start_all(scope, "con_one", [sync.PRODUCTS, sync.ORDERS])
    assert [run.entity for run in begun] == [sync.ORDERS]
    with pytest.raises(records.StoreFull):
        await service.start_all(scope, "con_one", [sync.PRODUCTS])


async def test_twenty_triggers_at_once_make_one_run(base: Database) -> None:
    scope = given.scope(base, {"con_one": given.shelf(1)})
    results = await asyncio.gather(*(sync.start(scope, "con_one") for _ in range(20)), return_exceptions=True)
    assert sum(isinstance(one, Run) for one in results) == 1
    assert sum(isinstance(one, RunInProgress) for one in results) == 19


async def test_a_record_that_cannot_be_read_is_kept_with_its_reason_and_stops_nothing(base: Database) -> None:
    shop = given.Shelf({"a": "Áo", "b": "?", "c": "??", "d": "x\x00y", "e": "Giày"})
    scope = given.scope(base, {"con_one": shop})
    run = await _read(scope)
    assert (run.state, run.records, run.listings, run.created, run.failed) == ("succeeded", 5, 2, 2, 3)
    page = await service.errors(scope, run.id, Ask(2))
    rest = await service.errors(scope, run.id, Ask(2, after=page.next_after))
    found = {row["external_id"]: row for row in [*page.items, *rest.items]}
    assert found["b"]["reason"] == "The title is missing."
    assert found["b"]["payload"] == b'["b","?"]'
    assert "KeyError" in found["c"]["reason"]
    assert "U+0000" in found["d"]["reason"]


async def test_PA_03_one_bad_record_among_a_thousand_costs_itself_alone(base: Database) -> None:
    shop = given.shelf(1000, page_size=250)
    shop.titles["p0500"] = "bad \x00 text"
    scope = given.scope(base, {"con_one": shop})
    run = await _read(scope)
    assert (run.state, run.created, run.failed) == ("succeeded", 999, 1)


async def test_item_errors_are_all_counted_and_only_so_many_kept(base: Database) -> None:
    shop = given.Shelf({f"{number:02d}": "?" for number in range(10)}, page_size=4)
    scope = given.scope(base, {"con_one": shop}, max_errors=5)
    run = await _read(scope)
    assert run.failed == 10
    assert len((await service.errors(scope, run.id, Ask(100))).items) == 5


async def test_a_passing_failure_is_waited_out_and_the_run_goes_on_from_its_cursor(base: Database) -> None:
    shop = given.shelf(6)
    failures = [Disconnected(), Disconnected()]

    async def flaky(cursor: str | None) -> None:
        if cursor == "4" and failures:
            raise failures.pop()

    shop.before = flaky
    scope = given.scope(base, {"con_one": shop})
    run = await _read(scope)
    assert (run.state, run.cursor, run.attempts, run.waiting_reason) == ("queued", "4", 1, "DISCONNECTED")
    assert run.retry_at is not None
    for _ in range(2):
        await asyncio.sleep(0.12)
        await sync.work(scope, run.id)
    run = await sync.run(scope, run.id)
    assert (run.state, run.created, run.pages) == ("succeeded", 6, 3)
    assert shop.asked == [None, "2", "4"]


async def test_a_run_gives_up_after_so_many_failures_in_a_row(base: Database) -> None:
    shop = given.shelf(2)

    async def fail(cursor: str | None) -> None:
        raise Disconnected("the platform hung up")

    shop.before = fail
    scope = given.scope(base, {"con_one": shop}, max_attempts=2, backoff=timedelta(0))
    run = await _read(scope)
    assert run.state == "queued"
    await sync.work(scope, run.id)
    run = await sync.run(scope, run.id)
    assert (run.state, run.error_code) == ("failed", "DISCONNECTED")
    assert [event["body"]["error"]["code"] for event in await given_records.events(scope, "sync.failed")] == [
        "DISCONNECTED"
    ]


async def test_waiting_for_our_own_gates_uses_up_no_try(base: Database) -> None:
    shop = given.shelf(2)
    failures: list[Exception] = [BreakerOpen("", retry_after=0.0) for _ in range(3)]

    async def held(cursor: str | None) -> None:
        if failures:
            raise failures.pop()

    shop.before = held
    scope = given.scope(base, {"con_one": shop}, max_attempts=1, backoff=timedelta(0))
    run = await _read(scope)
    assert (run.state, run.attempts, run.waiting_reason) == ("queued", 0, "BREAKER_OPEN")
    for _ in range(3):
        await sync.work(scope, run.id)
    assert (await sync.run(scope, run.id)).state == "succeeded"


async def test_an_expired_connection_ends_the_run_with_a_clear_code(base: Database) -> None:
    shop = given.shelf(2)

    async def expired(cursor: str | None) -> None:
        raise ReauthorizationRequired

    shop.before = expired
    run = await _read(given.scope(base, {"con_one": shop}))
    assert (run.state, run.error_code) == ("parked", "CONNECTION_EXPIRED")


async def test_a_queued_run_is_cancelled_at_once_and_an_ended_one_not_at_all(base: Database) -> None:
    scope = given.scope(base, {"con_one": given.shelf(2)})
    run = await sync.start(scope, "con_one")
    assert (await sync.cancel(scope, run.id)).state == "cancelled"
    await sync.work(scope, run.id)
    assert (await sync.run(scope, run.id)).pages == 0
    with pytest.raises(RunEnded):
        await sync.cancel(scope, run.id)
    with pytest.raises(RunNotFound):
        await sync.cancel(scope, "run_none")


async def test_cancelling_stops_a_run_that_waits_for_its_platform(base: Database) -> None:
    shop = given.shelf(6)
    there = asyncio.Event()

    async def wait(cursor: str | None) -> None:
        if cursor == "2":
            there.set()
            await asyncio.sleep(30)

    shop.before = wait
    scope = given.scope(base, {"con_one": shop})
    run = await sync.start(scope, "con_one")
    working = asyncio.create_task(sync.work(scope, run.id))
    await there.wait()
    await asyncio.sleep(0.05)
    assert (await sync.cancel(scope, run.id)).state == "cancelling"
    await asyncio.wait_for(working, 5)
    run = await sync.run(scope, run.id)
    assert (run.state, run.pages) == ("cancelled", 1)
    assert [event["type"] for event in await given_records.events(scope, "sync.c")] == [
        "sync.cancel_requested",
        "sync.cancelled",
    ]


@pytest.mark.parametrize("by", ["cancelling", "stopping"])
async def test_a_graceful_stop_hands_the_run_back_and_the_next_worker_goes_on(base: Database, by: str) -> None:
    shop = given.shelf(6)
    there = asyncio.Event()

    async def wait(cursor: str | None) -> None:
        if cursor == "4" and not there.is_set():
            there.set()
            await asyncio.sleep(30)

    shop.before = wait
    scope = given.scope(base, {"con_one": shop})
    run = await sync.start(scope, "con_one")
    working = asyncio.create_task(sync.work(scope, run.id))
    await there.wait()
    await asyncio.sleep(0.05)
    if by == "cancelling":
        working.cancel()
    else:
        scope.engine.queue.stopping.set()
    await asyncio.gather(working, return_exceptions=True)
    scope.engine.queue.stopping.clear()
    handed = await sync.run(scope, run.id)
    assert (handed.state, handed.owner, handed.cursor) == ("queued", None, "4")
    await sync.work(scope, run.id)
    run = await sync.run(scope, run.id)
    assert (run.state, run.created, run.deaths) == ("succeeded", 6, 0)
    assert shop.asked == [None, "2", "4"]


async def test_where_every_place_is_taken_a_run_gives_its_own_up_and_goes_on_in_its_next_turn(base: Database) -> None:
    shop = given.shelf(6)
    scope = given.scope(base, {"con_one": shop}, turn=timedelta(0))
    crowded = replace(scope, engine=replace(scope.engine, queue=PgQueue(base, pace=Pace(bulk=0))))
    run = await sync.start(scope, "con_one")
    stood = []
    for _ in range(3):
        await sync.work(crowded, run.id)
        run = await sync.run(scope, run.id)
        stood.append((run.state, run.cursor))
    assert stood == [("queued", "2"), ("queued", "4"), ("succeeded", None)]
    assert (run.created, run.deaths, run.attempts, shop.asked) == (6, 0, 0, [None, "2", "4"])
    again = await sync.start(scope, "con_one", mode=Mode.FULL)
    await sync.work(scope, again.id)
    assert (await sync.run(scope, again.id)).state == "succeeded"


async def test_PR_08_a_stale_worker_writes_nothing(base: Database) -> None:
    shop = given.shelf(6)
    slow = asyncio.Event()
    late = asyncio.Event()

    async def wait(cursor: str | None) -> None:
        if cursor == "2" and not slow.is_set():
            slow.set()
            await late.wait()

    shop.before = wait
    scope = given.scope(base, {"con_one": shop}, lease=timedelta(seconds=0.5), heartbeat=timedelta(seconds=30))
    run = await sync.start(scope, "con_one")
    stale = asyncio.create_task(sync.work(scope, run.id))
    await slow.wait()
    await asyncio.sleep(0.7)
    await sync.work(scope, run.id)
    done = await sync.run(scope, run.id)
    assert (done.state, done.fence, done.created) == ("succeeded", 2, 6)
    late.set()
    await asyncio.wait_for(stale, 5)
    assert await sync.run(scope, run.id) == done
    assert len(await given_records.events(scope, "listing.")) == 6


async def test_RL_06_a_run_that_ends_its_workers_is_parked(base: Database) -> None:
    scope = given.scope(base, {"con_one": given.shelf(2)}, max_deaths=3)
    run = await sync.start(scope, "con_one")
    async with base.system() as tx:
        await tx.execute_sql("update sync_runs set state = 'running', owner = 'wrk_dead', deaths = 2")
    await sync.work(scope, run.id)
    run = await sync.run(scope, run.id)
    assert (run.state, run.error_code, run.pages) == ("parked", "RUN_PARKED", 0)


async def test_SS_14_pages_that_lead_nowhere_end_the_run_with_a_reason(base: Database) -> None:
    class Circle(given.Shelf):
        async def pull(self, _: Window, cursor: str | None) -> RecordPage:
            return RecordPage([], {None: "a", "a": "b", "b": "a"}[cursor])

    class Same(given.Shelf):
        async def pull(self, _: Window, cursor: str | None) -> RecordPage:
            return RecordPage([RawRecord("p", b'["p","x"]')], str(int(cursor or 0) + 1), 1)

    for shop, code in ((Circle(), "PAGES_IN_A_CIRCLE"), (Same(), "PAGES_REPEAT")):
        run = await _read(given.scope(base, {"con_one": shop}, max_repeats=4))
        assert (run.state, run.error_code) == ("failed", code)
        assert run.pages < 7
    run = await _read(given.scope(base, {"con_one": Same()}, max_repeats=99, max_pages=6))
    assert (run.error_code, run.pages) == ("TOO_MANY_PAGES", 6)


async def test_RL_05_a_run_has_so_many_pages_and_not_one_more(base: Database) -> None:
    shop = given.shelf(6)
    scope = given.scope(base, {"con_one": shop}, max_pages=3)
    read: list[tuple[int, int]] = []

    async def look(cursor: str | None) -> None:
        if cursor == "4":
            read.append(await caps.shown(scope, "sync.max_pages"))

    shop.before = look
    assert ((await _read(scope)).state, read[0][1]) == ("succeeded", 3)
    assert read[0][0] in {1, 2}, "pages that are written: the next one is on its way while one is"
    assert await caps.shown(scope, "sync.max_pages") == (0, 3), "of runs under way"
    shop.titles["p0006"] = "one more"
    assert (await _read(scope, Mode.FULL)).error_code == "TOO_MANY_PAGES"


async def test_the_reconciler_finds_runs_that_nobody_carries_on(base: Database) -> None:
    scope = given.scope(base, {"con_one": given.shelf(2)})
    system = System(scope.engine)
    run = await sync.start(scope, "con_one")
    async with system.tx() as tx:
        assert not await missing(system, tx)
        await tx.execute_sql("update sync_runs set changed_at = now() - interval '1 minute'")
    async with system.tx() as tx:
        assert [(wake.job, wake.key, wake.tenant_id) for wake in await missing(system, tx)] == [
            ("sync.run", run.id, "ten_one")
        ]


async def test_a_run_that_ends_while_another_is_asked_for_refuses_nobody(base: Database) -> None:
    """All that a connection offers begins, or is under way: that of a moment ago is neither."""
    scope = given.scope(base, {"con_one": given.shelf(1)})
    for _ in range(60):
        run = (await sync.start_all(scope, "con_one", [sync.PRODUCTS]))[0]
        asked = [asyncio.create_task(sync.start_all(scope, "con_one", [sync.PRODUCTS])) for _ in range(4)]
        await sync.cancel(scope, run.id)
        for begun in await asyncio.gather(*asked):
            assert len(begun) == 1
        with contextlib.suppress(RunEnded):
            await sync.cancel(scope, (await sync.start_all(scope, "con_one", [sync.PRODUCTS]))[0].id)


async def test_TN_02_a_wake_up_with_another_tenants_run_does_nothing(base: Database) -> None:
    scope = given.scope(base, {"con_one": given.shelf(2)})
    run = await sync.start(scope, "con_one")
    stranger = given.scope(base, {"con_one": given.shelf(2)}, "ten_two")
    await sync.work(stranger, run.id)
    assert (await sync.run(scope, run.id)).state == "queued"
    for call in (sync.run(stranger, run.id), sync.cancel(stranger, run.id), sync.start(stranger, "con_one")):
        with pytest.raises(NotFound):
            await call
    assert not (await sync.runs(stranger, sync.RunFilter(), Ask())).items


async def _next(news: AsyncIterator[Run | sync.Moved]) -> Run:
    found = await anext(news)
    assert isinstance(found, Run)
    return found


async def test_news_tell_each_change_and_go_on_where_a_reader_left(base: Database) -> None:
    scope = given.scope(base, {"con_one": given.shelf(4)}, stream_interval=timedelta(seconds=0.02))
    news = service.news(scope, None)
    waiting = asyncio.ensure_future(_next(news))
    await asyncio.sleep(0.05)
    run = await sync.start(scope, "con_one")
    first = await asyncio.wait_for(waiting, 5)
    assert (first.id, first.state) == (run.id, "queued")
    await sync.work(scope, run.id)
    assert (await asyncio.wait_for(_next(news), 5)).state == "succeeded"
    await news.aclose()
    again = service.news(scope, first.changed_at)
    assert (await asyncio.wait_for(_next(again), 5)).state == "succeeded"
    await again.aclose()


async def test_status_shows_the_newest_run_and_how_far_was_read(base: Database) -> None:
    scope = given.scope(base, {"con_one": given.shelf(1), "con_two": given.shelf(1)})
    first = await _read(scope)
    queued = await sync.start(scope, "con_one")
    await sync.start(scope, "con_two")
    one, two = await service.status(scope)
    assert (one.run.id, one.watermark, one.completed_at) == (queued.id, first.until, first.finished_at)
    assert (two.connection_id, two.watermark) == ("con_two", None)
    assert len(await service.status(scope, "con_two")) == 1


async def test_a_listing_that_comes_in_parts_is_counted_once(base: Database) -> None:
    shop = given.shelf(5)

    def fragment(record: RawRecord) -> Listing:
        part = given_records.variant(record.external_id)
        return given_records.listing("p", part, variants_complete=False)

    shop.map = fragment  # type: ignore[method-assign] # each record is one variant of the same listing
    run = await _read(given.scope(base, {"con_one": shop}))
    assert (run.state, run.records, run.listings, run.variants, run.created) == ("succeeded", 5, 1, 5, 1)


async def test_waiting_is_visible_in_the_run_and_counted_after_it(base: Database) -> None:
    shop = given.shelf(4)
    scope = given.scope(base, {"con_one": shop}, heartbeat=timedelta(seconds=0.02))
    request = Request("GET", parse("http://shop.example"), CIMultiDict())
    seen: list[Run] = []

    async def wait(cursor: str | None) -> None:
        if cursor == "2" and shop.tally is not None:
            shop.tally(Waiting(request, 60.0, "rate_limit", None))
            await asyncio.sleep(0.15)
            seen.append(await sync.run(scope, run.id))
            shop.tally(Waited(request, 0.15, "rate_limit", None))
            shop.tally(AttemptEnded(request, 1, 0.1, None, Failure(kind="throttled"), None, None))
            shop.tally(AttemptEnded(request, 2, 0.1, None, None, None, None))

    shop.before = wait
    run = await sync.start(scope, "con_one")
    await sync.work(scope, run.id)
    [waiting] = seen
    assert waiting.waiting_reason == "rate_limit"
    assert waiting.waiting_until is not None
    assert waiting.waiting_until > waiting.changed_at
    done = await sync.run(scope, run.id)
    assert (done.waited_ms, done.throttled, done.retries) == (150, 1, 1)
    assert (done.waiting_until, done.waiting_reason) == (None, None)


async def test_a_mistake_in_a_connector_is_raised_and_the_run_is_parked_after_its_third_try(base: Database) -> None:
    shop = given.shelf(4)

    async def stumble(cursor: str | None) -> None:
        raise RuntimeError("a mistake")

    shop.before = stumble
    scope = given.scope(base, {"con_one": shop}, lease=timedelta(0), max_deaths=3)
    run = await sync.start(scope, "con_one")
    for _ in range(3):
        with pytest.raises(RuntimeError):
            await sync.work(scope, run.id)
    await sync.work(scope, run.id)
    assert (await sync.run(scope, run.id)).state == "parked"


async def test_a_reader_far_behind_catches_up_with_every_run(base: Database) -> None:
    shops = {f"con_{number}": given.shelf(1) for number in range(30)}
    scope = given.scope(base, shops)
    started = [(await sync.start(scope, connection)).id for connection in shops]
    news = service.news(scope, datetime(2020, 1, 1, tzinfo=UTC))
    assert [(await anext(news)).id for _ in started] == started
    await news.aclose()
