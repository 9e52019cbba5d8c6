"""How what is due comes into memory and what was done is written: in few statements, and behind the fence."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import timedelta
from math import inf

import pytest_asyncio
from aiohttp import web
from tests.given import vault as given_vault
from tests.given import webhooks_out as given
from tests.house_database import Copy

from isthmus.engine.db import Database
from isthmus.features.webhooks_out.model import Draft, shard_of
from isthmus.features.webhooks_out.service import deliveries, endpoints, fanning
from isthmus.features.webhooks_out.service.deliveries import DeliveryFilters
from isthmus.features.webhooks_out.service.dispatching import Dispatcher
from isthmus.kit.paging import Ask
from isthmus.scope import Scope, System

TENANT = "ten_a"


@pytest_asyncio.fixture(autouse=True)
async def clean(copied: Copy) -> AsyncIterator[None]:
    yield
    await given.clear(copied)


@pytest_asyncio.fixture
async def counted(copied: Copy) -> AsyncIterator[tuple[Database, Counter[str]]]:
    """A database, and how many transactions were opened in it."""
    opened: Counter[str] = Counter()

    @contextmanager
    def note() -> Iterator[None]:
        opened["transactions"] += 1
        yield

    database = await Database.connect(copied.url, on_open=note)
    yield database, opened
    await database.close()


async def _endpoint(scope: Scope, url: str) -> str:
    draft = Draft(url=url, types=["shelf.filled"], concurrency=100)
    return (await endpoints.create(scope, draft, verify=False)).endpoint.id


async def _rows(scope: Scope, endpoint_id: str) -> list[dict[str, object]]:
    page = await deliveries.listing(scope, Ask(100), DeliveryFilters(endpoint_id=endpoint_id))
    return [dict(row) for row in page.items]


async def _sent(worker: Dispatcher) -> None:
    worker.pump()
    await asyncio.wait(worker._running)


async def _leads(system: System, scope: Scope, numbers: range) -> Dispatcher:
    """A worker that holds all shards, with these events handed over to it."""
    worker = Dispatcher(system)
    await worker.leases.renew(Counter())
    await given.emit(scope, *numbers)
    await fanning.fan_out_once(system)
    return worker


async def test_what_ended_alike_and_what_did_not_is_written_as_it_was(database: Database) -> None:
    async def by_path(request: web.Request) -> web.StreamResponse:
        if request.path == "/good":
            return web.Response(status=200, text="fine", headers={"X-Far": "1"})
        return web.Response(status=503, text="later")

    async with given.sink(answer=by_path) as sink, given.process(database) as system:
        scope, base = given_vault.scope(system, TENANT), sink.url.removesuffix("/hook")
        good, bad = await _endpoint(scope, f"{base}/good"), await _endpoint(scope, f"{base}/bad")
        worker = await _leads(system, scope, range(12))
        await worker.picker.take_handed()
        await _sent(worker)
        await worker.settle_some()
        for endpoint_id, state, status, said in ((good, "delivered", 200, b"fine"), (bad, "pending", 503, b"later")):
            rows = await _rows(scope, endpoint_id)
            assert {(row["state"], row["attempts"], row["last_status"]) for row in rows} == {(state, 1, status)}
            assert {(row["next_at"] is None, row["done_at"] is None) for row in rows} == {
                (state == "delivered", state == "pending")
            }
            for row in rows:
                (attempt,) = (await deliveries.inspect(scope, str(row["id"]))).attempts
                assert (attempt["status"], attempt["response"], attempt["trigger"]) == (status, said, "schedule")
                assert ("X-Far" in {**attempt["response_headers"]}) == (status == 200)
        fares = [await endpoints.get(scope, one) for one in (good, bad)]
        assert [(one.delivered, one.failed) for one in fares] == [(12, 0), (0, 12)]
        async with system.tx() as tx:
            assert (await tx.fetch_sql("select count(*) as n from webhook_due"))[0]["n"] == 12


async def test_PR_04_of_a_batch_only_what_is_still_the_owners_is_written(database: Database) -> None:
    async with given.sink() as sink, given.process(database) as system:
        scope = given_vault.scope(system, TENANT)
        mine, theirs = await _endpoint(scope, sink.url), await _endpoint(scope, sink.url)
        while shard_of(theirs) == shard_of(mine):
            theirs = await _endpoint(scope, sink.url)
        worker = await _leads(system, scope, range(5))
        await worker.picker.take_handed()
        await _sent(worker)
        async with system.tx() as tx:
            taken = "update webhook_shards set owner = 'own_other', epoch = epoch + 1 where shard = $1"
            await tx.execute_sql(taken, shard_of(theirs))
        await worker.settle_some()
        assert {row["state"] for row in await _rows(scope, mine)} == {"delivered"}
        assert {row["state"] for row in await _rows(scope, theirs)} == {"pending"}
        assert [(await endpoints.get(scope, one)).delivered for one in (mine, theirs)] == [5, 0]


async def test_a_line_that_is_full_and_moves_is_not_looked_for_until_it_has_room(
    counted: tuple[Database, Counter[str]],
) -> None:
    database, opened = counted
    async with given.sink() as sink, given.process(database, waiting=40, slots=4) as system:
        scope = given_vault.scope(system, TENANT)
        await _endpoint(scope, sink.url)
        worker = await _leads(system, scope, range(30))
        assert 1.0 <= await worker.picker.take_handed() < inf
        waiting = worker.picker.board.length
        assert waiting < 30
        opened.clear()
        assert await worker.picker.pick() >= 0.04
        assert opened["transactions"] == 1
        while not worker.picker.board.opened():
            assert worker.picker.board.length > 0
            await _sent(worker)
        assert await worker.picker.pick() >= 0.04
        while worker.picker.board.length or worker._running:
            await _sent(worker)
        opened.clear()
        await worker.settle_some()
        assert opened["transactions"] == 1, "one batch, and its endpoint is healthy"
        await worker.picker.pick()
        await _sent(worker)
        await worker.settle_some()
        assert len(sink.bodies) == 30


async def test_a_failure_is_tried_again_on_time_and_not_with_the_next_look(database: Database) -> None:
    async with (
        given.sink(status=500) as sink,
        given.process(database, poll=timedelta(hours=1)) as system,
    ):
        scope = given_vault.scope(system, TENANT)
        await _endpoint(scope, sink.url)
        worker = await _leads(system, scope, range(1))
        await worker.picker.take_handed()
        worker._look_at = inf
        await _sent(worker)
        await worker.settle_some()
        wait = worker._look_at - system.clock.monotonic()
        assert 2 < wait <= 6


async def test_an_idle_worker_says_that_it_is_there_and_asks_for_nothing_else(
    counted: tuple[Database, Counter[str]],
) -> None:
    database, opened = counted
    beat, never = timedelta(seconds=0.2), timedelta(hours=1)
    async with given.sink() as sink, given.process(database, heartbeat=beat, poll=never) as system:
        scope = given_vault.scope(system, TENANT)
        await _endpoint(scope, sink.url)
        async with given.working(system):
            await given.emit(scope, 1)
            await sink.wait_for(1)
            await asyncio.sleep(0.5)
            opened.clear()
            await asyncio.sleep(1.0)
            assert opened["transactions"] <= 1.0 / 0.2 + 2
