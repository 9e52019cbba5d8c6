"""Single records read anew: coalesced, durable, and never back in time."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from tests.given import records as given_records
from tests.given import sync as given
from tests.given.signed_in import signed_in
from tests.given.statements import written_down
from tests.given.waiting import waiting
from tests.house_database import Copy

from isthmus.client import Disconnected, ReauthorizationRequired
from isthmus.connect.shapes import Listing
from isthmus.connect.spi import RawRecord
from isthmus.engine.db import Database
from isthmus.features import records, sync
from isthmus.features.records import ListingFilter
from isthmus.features.sync import Mode, jobs, service
from isthmus.features.sync.errors import NotReadable
from isthmus.features.sync.model import State
from isthmus.features.sync.service.refreshing import key_of
from isthmus.features.sync.service.waking import missing
from isthmus.kit.errors import Conflict, NotFound
from isthmus.kit.paging import Ask
from isthmus.scope import Scope, System

_KEY = key_of("con_one", "products")
_NOON = datetime(2026, 11, 5, 12, tzinfo=UTC)


@pytest_asyncio.fixture
async def base(database: Database, copied: Copy) -> AsyncIterator[Database]:
    yield database
    await given_records.clear(copied)


def _dated(shop: given.Shelf, times: dict[str, datetime]) -> None:
    """Let the platform tell when its records changed."""
    plain = shop.map

    def mapped(record: RawRecord) -> Listing:
        one = plain(record)
        return given_records.listing(
            one.external_id, title=one.title, platform_updated_at=times.get(one.external_id, _NOON)
        )

    shop.map = mapped  # type: ignore[method-assign]


async def _titles(scope: Scope) -> dict[str, str]:
    page = await records.listings(scope, ListingFilter(), Ask(1000))
    return {row["external_id"]: row["title"] for row in page.items}


async def _waiting(scope: Scope) -> list[dict[str, Any]]:
    async with scope.tx() as tx:
        return [dict(row) for row in await tx.fetch_sql("select * from sync_refreshes order by external_id")]


async def test_many_wishes_for_one_record_are_one_read(base: Database) -> None:
    shop = given.shelf(3)
    scope = given.scope(base, {"con_one": shop})
    for _ in range(5):
        await sync.refresh(scope, "con_one", "products", "p0001")
    await sync.refresh(scope, "con_one", "products", "p0002")
    await service.read(scope, _KEY)
    assert sorted(shop.fetched) == ["p0001", "p0002"]
    assert sorted(await _titles(scope)) == ["p0001", "p0002"]
    assert await _waiting(scope) == []
    await service.read(scope, _KEY)
    assert len(shop.fetched) == 2


async def _asked(scope: Scope, names: Sequence[str]) -> int:
    """How often the database is asked to read and write these records anew."""
    await sync.refresh_many(scope, "con_one", "products", dict.fromkeys(names))
    with written_down() as asked:
        await service.read(scope, _KEY)
    return len(asked)


async def test_records_that_are_read_anew_at_once_are_written_together(base: Database) -> None:
    shop = given.shelf(12)
    scope = given.scope(base, {"con_one": shop})
    one = await _asked(scope, ["p0000"])
    assert await _asked(scope, [f"p{number:04}" for number in range(1, 11)]) <= one + 10  # a wish each is settled
    assert len(await _titles(scope)) == 11
    assert await _waiting(scope) == []


async def test_what_was_read_before_the_connection_failed_is_kept(base: Database) -> None:
    shop = given.shelf(3)
    scope = given.scope(base, {"con_one": shop})

    async def fails(_: str | None) -> None:
        if shop.fetched:
            raise Conflict("Nobody lets us in any more.")

    shop.before = fails
    await sync.refresh_many(scope, "con_one", "products", dict.fromkeys(["p0000", "p0001"]))
    await service.read(scope, _KEY)
    assert list(await _titles(scope)) == shop.fetched
    assert len(await _waiting(scope)) == 1


async def test_a_wish_made_while_its_record_is_read_is_read_again(base: Database) -> None:
    shop = given.shelf(1)
    scope = given.scope(base, {"con_one": shop})

    async def ask_again(_: str | None) -> None:
        if not shop.fetched:
            await sync.refresh(scope, "con_one", "products", "p0000")

    shop.before = ask_again
    await sync.refresh(scope, "con_one", "products", "p0000")
    await service.read(scope, _KEY)
    assert shop.fetched == ["p0000", "p0000"]
    assert await _waiting(scope) == []


async def test_an_older_answer_never_replaces_a_newer_record(base: Database) -> None:
    shop, times = given.shelf(1), {"p0000": _NOON}
    scope = given.scope(base, {"con_one": shop})
    _dated(shop, times)
    await sync.refresh(scope, "con_one", "products", "p0000")
    await service.read(scope, _KEY)
    times["p0000"], shop.titles["p0000"] = _NOON - timedelta(minutes=1), "older"
    await sync.refresh(scope, "con_one", "products", "p0000")
    await service.read(scope, _KEY)
    run = await sync.start(scope, "con_one", mode=Mode.FULL)
    await sync.work(scope, run.id)
    assert await _titles(scope) == {"p0000": "Áo 0"}
    times["p0000"], shop.titles["p0000"] = _NOON, "as new, other content"
    await sync.refresh(scope, "con_one", "products", "p0000")
    await service.read(scope, _KEY)
    assert await _titles(scope) == {"p0000": "as new, other content"}


async def test_an_answer_behind_the_news_is_kept_and_asked_for_again(base: Database) -> None:
    shop = given.shelf(1)
    scope = given.scope(base, {"con_one": shop})
    _dated(shop, {})
    await sync.refresh(scope, "con_one", "products", "p0000", _NOON + timedelta(seconds=5))
    await sync.refresh(scope, "con_one", "products", "p0000", _NOON - timedelta(hours=5))
    for attempts in (1, 2, 3):
        await service.read(scope, _KEY)
        (waiting,) = await _waiting(scope)
        assert (waiting["attempts"], waiting["seen"]) == (attempts, _NOON + timedelta(seconds=5))
        async with scope.tx() as tx:
            await tx.execute_sql("update sync_refreshes set due_at = now() - interval '1 second'")
    await service.read(scope, _KEY)
    assert await _waiting(scope) == []
    assert len(shop.fetched) == 4
    assert await _titles(scope) == {"p0000": "Áo 0"}


async def test_a_record_that_is_gone_or_unreadable_is_told_once(base: Database) -> None:
    shop = given.shelf(1)
    shop.titles["p0000"] = "?"
    scope = given.scope(base, {"con_one": shop})
    for id_ in ("p0000", "nobody"):
        await sync.refresh(scope, "con_one", "products", id_)
    await service.read(scope, _KEY)
    told = await given_records.events(scope, "sync.refresh_failed")
    assert {(one["body"]["externalId"], one["body"]["error"]["code"]) for one in told} == {
        ("p0000", "RECORD_UNREADABLE"),
        ("nobody", "RECORD_GONE"),
    }
    assert await _waiting(scope) == []


async def test_an_outage_is_waited_out_and_the_reconciler_wakes_what_is_due(base: Database) -> None:
    shop = given.shelf(1)
    scope = given.scope(base, {"con_one": shop})

    async def down(_: str | None) -> None:
        raise Disconnected("gone")

    shop.before = down
    await sync.refresh(scope, "con_one", "products", "p0000")
    await service.read(scope, _KEY)
    (waiting,) = await _waiting(scope)
    assert waiting["attempts"] == 1
    shop.before = given._nothing
    async with scope.tx() as tx:
        await tx.execute_sql("update sync_refreshes set due_at = now() - interval '1 second'")
    system = System(scope.engine)
    async with system.tx() as across:
        wakes = await missing(system, across)
    assert [(wake.job, wake.key, wake.tenant_id) for wake in wakes] == [(service.REFRESH, _KEY, "ten_one")]
    await service.read(scope, wakes[0].key)
    assert await _titles(scope) == {"p0000": "Áo 0"}


async def test_a_dead_sign_in_parks_reads_and_runs_until_the_connection_works_again(base: Database) -> None:
    shop = given.shelf(5)
    scope = given.scope(base, {"con_one": shop})

    async def expired(place: str | None) -> None:
        if place not in {None, "2"}:
            raise ReauthorizationRequired

    shop.before = expired
    run = await sync.start(scope, "con_one")
    await sync.work(scope, run.id)
    parked = await sync.run(scope, run.id)
    assert (parked.state, parked.error_code, parked.pages) == ("parked", "CONNECTION_EXPIRED", 2)
    await sync.refresh(scope, "con_one", "products", "p0004")
    await service.read(scope, _KEY)
    assert [one["due_at"] for one in await _waiting(scope)] == [None]
    shop.before = given._nothing
    async with System(scope.engine).tx() as tx:
        await service.connected(tx, "ten_one", "con_one")
    again = await sync.run(scope, run.id)
    assert (again.state, again.cursor, again.error_code) == ("queued", parked.cursor, None)
    shop.asked.clear()
    await sync.work(scope, run.id)
    await service.read(scope, _KEY)
    assert ((await sync.run(scope, run.id)).state, shop.asked) == ("succeeded", ["4"])
    assert await _waiting(scope) == []
    assert len(await given_records.events(scope, "sync.parked")) == 1
    assert len(await _titles(scope)) == 5


async def test_what_an_old_sign_in_refuses_while_there_is_a_new_one_is_not_parked_for_ever(base: Database) -> None:
    """The new sign-in was told before anything was set aside: nobody would wake it."""
    shop = given.shelf(5)
    scope = given.scope(base, {"con_one": shop})

    async def expired(place: str | None) -> None:
        if place not in {None, "2"}:
            raise ReauthorizationRequired

    shop.before = expired
    async with signed_in(base):
        run = await sync.start(scope, "con_one")
        await sync.work(scope, run.id)
        going_on = await sync.run(scope, run.id)
        assert (going_on.state, going_on.waiting_reason, going_on.pages) == ("queued", "CONNECTION_EXPIRED", 2)
        assert going_on.retry_at is not None
        await sync.refresh(scope, "con_one", "products", "p0004")
        await service.read(scope, _KEY)
        assert [one["due_at"] is None for one in await _waiting(scope)] == [False]
        async with System(scope.engine).tx() as tx:
            await tx.execute_sql("update sync_runs set retry_at = null")
        await sync.work(scope, run.id)
        assert (await sync.run(scope, run.id)).state == "parked"


async def test_a_disconnected_shop_is_not_read_any_more(base: Database) -> None:
    shop = given.shelf(1)
    scope = given.scope(base, {"con_one": shop})
    await sync.refresh(scope, "con_one", "products", "p0000")
    async with System(scope.engine).tx() as tx:
        await service.disconnected(tx, "ten_one", "con_one")
    await service.read(scope, _KEY)
    assert shop.fetched == []


async def test_nobody_else_and_nothing_unknown_can_be_asked_for(base: Database) -> None:
    scope = given.scope(base, {"con_one": given.shelf(1)})
    with pytest.raises(NotReadable):
        await sync.refresh(scope, "con_one", "nonsense", "1")
    with pytest.raises(NotFound):
        await sync.refresh(given.scope(base, {"con_one": given.shelf(1)}, "ten_two"), "con_one", "products", "1")


async def test_a_run_of_everything_begins_what_is_offered_and_answers_what_is_under_way(base: Database) -> None:
    scope = given.scope(base, {"con_one": given.shelf(1)})
    (first,) = await sync.start_all(scope, "con_one")
    (same,) = await sync.start_all(scope, "con_one", ["products", "products"])
    assert (first.id, first.entity) == (same.id, "products")


async def test_where_one_of_several_entities_cannot_be_read_no_run_begins(base: Database) -> None:
    scope = given.scope(base, {"con_one": given.shelf(1)})
    with pytest.raises(NotReadable):
        await sync.start_all(scope, "con_one", ["products", "nonsense"])
    assert (await service.runs(scope, service.RunFilter(), Ask(5))).items == []


async def test_what_may_wait_is_read_later_unless_somebody_asks_again(base: Database) -> None:
    shop = given.shelf(3)
    scope = given.scope(base, {"con_one": shop})
    wanted = dict.fromkeys(("p0000", "p0001"), _NOON)
    await sync.refresh_many(scope, "con_one", "products", wanted, timedelta(minutes=1))
    await sync.refresh(scope, "con_one", "products", "p0002")
    await service.read(scope, _KEY)
    assert shop.fetched == ["p0002"]
    await sync.refresh_many(scope, "con_one", "products", {"p0001": None}, timedelta(minutes=1))
    await service.read(scope, _KEY)
    assert shop.fetched == ["p0002", "p0001"]
    assert [(row["external_id"], row["seen"]) for row in await _waiting(scope)] == [("p0000", _NOON)]


async def test_two_that_hear_of_the_same_records_in_another_order_do_not_cross(base: Database) -> None:
    scope = given.scope(base, {"con_one": given.shelf(2)})
    ids = dict.fromkeys(("p0", "p1"))
    await sync.refresh_many(scope, "con_one", "products", ids)
    async with base.system() as tx:
        await tx.fetch_sql("select 1 from sync_refreshes where external_id = 'p0' for update")
        one = asyncio.create_task(sync.refresh_many(scope, "con_one", "products", ids))
        await waiting(base, 1)
        other = asyncio.create_task(sync.refresh_many(scope, "con_one", "products", dict.fromkeys(reversed(ids))))
        await waiting(base, 2)
    await asyncio.gather(one, other)
    assert [row["asked"] for row in await _waiting(scope)] == [3, 3]


async def test_what_is_heard_late_ends_no_run_that_was_begun_after_it(base: Database) -> None:
    scope = given.scope(base, {"con_one": given.shelf(1), "con_two": given.shelf(1)})
    before = await sync.start(scope, "con_one")
    told = {"tenant_id": "ten_one", "at": before.created_at, "body": {"connectionIds": ["con_one", "con_two"]}}
    after = await sync.start(scope, "con_two")
    async with System(scope.engine).tx() as tx:
        await jobs.withdrawn(tx, told)
    runs = {run.id: run.state for run in (await service.runs(scope, service.RunFilter(), Ask(5))).items}
    assert (runs[before.id], runs[after.id]) == (State.CANCELLING, State.QUEUED)
