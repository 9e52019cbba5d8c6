"""Delivery: at least once with the same id, on the schedule, and nobody slows another down."""

import asyncio
import contextlib
import gzip
import statistics
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import asyncpg
import msgspec
import pytest
import pytest_asyncio
from aiohttp import web
from tests.given import vault as given_vault
from tests.given import webhooks_out as given
from tests.house_database import Copy

from isthmus.engine.db import Database
from isthmus.features.webhooks_out import Sender, jobs
from isthmus.features.webhooks_out.errors import WrongRetention
from isthmus.features.webhooks_out.model import SHARDS, Draft, Endpoint
from isthmus.features.webhooks_out.service import deliveries, dispatching, endpoints, fanning, retaining
from isthmus.features.webhooks_out.service.deliveries import DeliveryFilters
from isthmus.features.webhooks_out.service.dispatching import Dispatcher
from isthmus.features.webhooks_out.service.leasing import Leases
from isthmus.kit import webhooks
from isthmus.kit.clock import SYSTEM
from isthmus.kit.paging import Ask
from isthmus.kit.permissions import PLATFORM_TENANT
from isthmus.kit.secret import Secret
from isthmus.scope import Scope, System

TENANT = "ten_a"
#: What the deployment says of it.
_SAID = {"tenant_id": PLATFORM_TENANT, "subject": TENANT}


@pytest_asyncio.fixture
async def clean(copied: Copy) -> AsyncIterator[None]:
    yield
    await given.clear(copied)


@asynccontextmanager
async def working(system: System) -> AsyncIterator[None]:
    """The bus, the fan-out and the sender of one process."""
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(system.engine.bus.run(stop, {}))
        group.create_task(fanning.run(system, stop))
        group.create_task(dispatching.run(system, stop))
        try:
            yield
        finally:
            stop.set()


async def _endpoint(scope: Scope, url: str, **more: Any) -> tuple[Endpoint, Secret]:
    made = await endpoints.create(scope, Draft(url=url, types=["shelf.filled"], **more), verify=False)
    assert made.secret is not None
    return made.endpoint, made.secret


async def _rows(scope: Scope, **wanted: Any) -> list[Any]:
    page = await deliveries.listing(scope, Ask(100), DeliveryFilters(**wanted))
    return page.items


async def _until(told: Callable[[], Awaitable[bool]], seconds: float = 60) -> None:
    async with asyncio.timeout(seconds):
        while True:
            if await told():
                return
            await asyncio.sleep(0.03)


async def _all_are(scope: Scope, state: str, count: int) -> None:
    async def told() -> bool:
        return len(await _rows(scope, state=state)) >= count

    await _until(told)


@pytest.mark.usefixtures("clean")
async def test_an_event_is_delivered_once_signed_and_every_attempt_is_kept(database: Database) -> None:
    async with given.sink() as sink, given.process(database) as system, working(system):
        scope = given_vault.scope(system, TENANT)
        _, secret = await _endpoint(scope, sink.url)
        await given.emit(scope, *range(20))
        await sink.wait_for(20)
        await _all_are(scope, "delivered", 20)
        ids = {
            webhooks.verify(head, body, [secret], SYSTEM.now())
            for head, body in zip(sink.heads, sink.bodies, strict=True)
        }
        assert len(ids) == len(sink.bodies) == 20
        assert sorted(msgspec.json.decode(body)["data"]["n"] for body in sink.bodies) == list(range(20))
        found = await deliveries.inspect(scope, (await _rows(scope))[0]["id"])
    assert found.message is not None
    (attempt,) = found.attempts
    assert (attempt["status"], attempt["error"], attempt["url"]) == (204, None, sink.url)
    assert attempt["request_headers"]["webhook-id"] == found.message["id"]
    async with database.system() as tx:
        assert (await tx.fetch_sql("select count(*) from webhook_due"))[0][0] == 0


@pytest.mark.usefixtures("clean")
async def test_PR_04_a_failure_is_tried_again_with_the_same_id_and_410_disables_at_once(database: Database) -> None:
    async with given.sink(status=500) as sink, given.process(database) as system, working(system):
        scope = given_vault.scope(system, TENANT)
        endpoint, _ = await _endpoint(scope, sink.url)
        await given.emit(scope, 1)
        await sink.wait_for(1)

        async def failed() -> bool:
            return bool([one for one in await _rows(scope) if one["attempts"] == 1])

        await _until(failed)
        (row,) = await _rows(scope)
        wait = (row["next_at"] - SYSTEM.now()).total_seconds()
        assert (row["state"], row["last_status"]) == ("pending", 500)
        assert 2 < wait <= 6
        sink.status = 410
        await deliveries.retry(scope, row["id"])
        await sink.wait_for(2)
        assert sink.heads[0]["webhook-id"] == sink.heads[1]["webhook-id"]
        assert sink.bodies[0] == sink.bodies[1]
        await _all_are(scope, "dead", 1)

        async def disabled() -> bool:
            return (await endpoints.get(scope, endpoint.id)).state == "disabled"

        await _until(disabled)
        assert (await endpoints.get(scope, endpoint.id)).state_reason == "gone"
        async with scope.tx() as tx:
            notices = await tx.fetch_sql("select type from events where type = 'webhook.endpoint_disabled'")
        assert len(notices) == 1


async def _drip(request: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse()
    await answer.prepare(request)
    with contextlib.suppress(ConnectionError):
        while True:
            await answer.write(b"x")
            await asyncio.sleep(0.05)
    return answer


async def _endless(request: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse()
    await answer.prepare(request)
    with contextlib.suppress(ConnectionError):
        while True:
            await answer.write(b"x" * 65_536)
    return answer


async def _silent(_: web.Request) -> web.StreamResponse:
    await asyncio.sleep(5)
    return web.Response()


async def _redirect(_: web.Request) -> web.StreamResponse:
    return web.Response(status=302, headers={"location": "http://169.254.169.254/latest/meta-data"})


async def _heads(_: web.Request) -> web.StreamResponse:
    return web.Response(headers={f"x-{number}": "y" * 4000 for number in range(25)})


async def _dies(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.close()
    return web.Response()


async def _torn(request: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse(headers={"content-length": "100"})
    await answer.prepare(request)
    await answer.write(b"x" * 10)
    assert request.transport is not None
    request.transport.close()
    return answer


_PACKED = gzip.compress(bytes(20_000_000), 1)


async def _bomb(_: web.Request) -> web.StreamResponse:
    return web.Response(body=_PACKED, headers={"content-encoding": "gzip"})


@pytest.mark.parametrize(
    ("answer", "status", "error", "deadline"),
    [
        (_drip, 200, "timeout", 0.5),
        (_endless, 200, None, 20),
        (_silent, None, "timeout", 0.5),
        (_redirect, 302, None, 20),
        (_heads, None, "bad_reply", 20),
        (_dies, None, "disconnected", 20),
        (_torn, 200, "disconnected", 20),
        (_bomb, 200, None, 20),
    ],
    ids=["drip", "endless", "silent", "redirect", "heads", "dies", "torn", "bomb"],
)
@pytest.mark.usefixtures("clean")
async def test_SS_10_a_hostile_receiver_costs_bounded_time_and_memory(
    database: Database, answer: Any, status: int | None, error: str | None, deadline: float
) -> None:
    async with (
        given.sink(answer=answer) as sink,
        given.process(database, deadline=timedelta(seconds=deadline)) as system,
    ):
        scope = given_vault.scope(system, TENANT)
        endpoint, _ = await _endpoint(scope, sink.url)
        started = time.monotonic()
        reply = await endpoints.test(scope, endpoint.id)
        assert time.monotonic() - started < 10
    assert (reply.outcome.status, reply.outcome.error) == (status, error)
    assert len(reply.body or b"") <= 16 * 1024
    assert sum(len(value) for value in (reply.answered or {}).values()) <= 16 * 1024
    assert reply.outcome.delivered is (answer in {_endless, _bomb})


@pytest.mark.usefixtures("clean")
async def test_SS_09_a_refused_address_looks_like_a_closed_port(database: Database) -> None:
    async with given.process(database, allow_networks=("127.0.0.1/32",)) as system:
        scope = given_vault.scope(system, TENANT)
        replies = []
        for url in ("http://127.0.0.1:1/x", "http://localhost:8089/x"):
            endpoint, _ = await _endpoint(scope, url)
            reply = await endpoints.test(scope, endpoint.id)
            replies.append((reply.outcome, reply.answered, reply.body, reply.took_ms))
    assert len(set(replies)) == 1
    assert replies[0][0].error == "unreachable"


@pytest.mark.usefixtures("clean")
async def test_PR_05_a_dead_endpoint_does_not_slow_a_healthy_one(database: Database) -> None:
    async with given.sink() as good, given.sink(answer=_silent) as dead, given.process(database) as system:
        scope = given_vault.scope(system, TENANT)
        await _endpoint(scope, good.url)
        async with working(system):
            alone = await _latencies(scope, good)
            await _endpoint(scope, dead.url)
            await given.emit(scope, *range(300))
            await dead.wait_for(5)
            together = await _latencies(scope, good)
    assert together < alone * 1.5 + 0.15


async def _latencies(scope: Scope, sink: given.Sink) -> float:
    """The slowest of some lone events, from emit to arrival, in seconds; the median of three rounds."""
    rounds = []
    for _ in range(3):
        slowest = 0.0
        for number in range(5):
            marker = 10_000 + number
            before = len(sink.bodies)
            started = time.monotonic()
            await given.emit(scope, marker)
            while not any(b'"n":%d' % marker in body for body in sink.bodies[before:]):
                await sink.wait_for(len(sink.bodies) + 1)
            slowest = max(slowest, time.monotonic() - started)
        rounds.append(slowest)
    return statistics.median(rounds)


@pytest.mark.usefixtures("clean")
async def test_PR_04_an_owner_whose_lease_ran_out_completes_nothing(database: Database) -> None:
    """As after SIGSTOP: the message was sent, the lease went to another, and what is written is written once."""
    release = asyncio.Event()

    async def slow(_: web.Request) -> web.StreamResponse:
        await release.wait()
        return web.Response(status=200)

    async with (
        given.sink(answer=slow) as sink,
        given.process(database, deadline=timedelta(seconds=8), lease=timedelta(seconds=0.3)) as first,
        given.process(database, lease=timedelta(seconds=5)) as second,
    ):
        scope = given_vault.scope(first, TENANT)
        await _endpoint(scope, sink.url)
        await given.emit(scope, 1)
        await fanning.fan_out_once(first)
        paused, taker = Dispatcher(first), Dispatcher(second)
        await paused.leases.renew(Counter())
        await paused.picker.pick()
        paused.pump()
        await sink.wait_for(1)
        await asyncio.sleep(0.35)
        await taker.leases.renew(Counter())
        assert len(taker.leases.held) == 16
        release.set()
        await asyncio.wait(paused._running)
        await paused.settle_some()
        (row,) = await _rows(scope)
        assert (row["state"], row["attempts"]) == ("pending", 0)
        assert not paused.leases.certain()
        await taker.picker.pick()
        taker.pump()
        await asyncio.wait(taker._running)
        await taker.settle_some()
        (row,) = await _rows(scope)
        assert (row["state"], row["attempts"]) == ("delivered", 1)
        assert sink.heads[0]["webhook-id"] == sink.heads[1]["webhook-id"]
        assert len((await deliveries.inspect(scope, row["id"])).attempts) == 1


@pytest.mark.usefixtures("clean")
async def test_an_ordered_endpoint_gets_its_messages_one_after_the_other(database: Database) -> None:
    state = {"running": 0, "most": 0, "left": 2}

    async def one_by_one(_: web.Request) -> web.StreamResponse:
        state["running"] += 1
        state["most"] = max(state["most"], state["running"])
        await asyncio.sleep(0.003)
        state["running"] -= 1
        return web.Response(status=200)

    async with given.sink(answer=one_by_one) as sink, given.process(database) as system, working(system):
        scope = given_vault.scope(system, TENANT)
        await _endpoint(scope, sink.url, ordered=True)
        for number in range(0, 30, 3):
            await given.emit(scope, number, number + 1, number + 2)
        await sink.wait_for(30)
    assert [msgspec.json.decode(body)["data"]["n"] for body in sink.bodies] == list(range(30))
    assert state["most"] == 1


@pytest.mark.usefixtures("clean")
async def test_what_waits_while_paused_is_sent_after_it(database: Database) -> None:
    async with given.sink() as sink, given.process(database) as system, working(system):
        scope = given_vault.scope(system, TENANT)
        endpoint, _ = await _endpoint(scope, sink.url)
        await endpoints.change(scope, endpoint.id, {"state": "paused"})
        await given.emit(scope, *range(10))
        await _all_are(scope, "pending", 10)
        assert sink.bodies == []
        await endpoints.change(scope, endpoint.id, {"state": "active"})
        await sink.wait_for(10)


@pytest.mark.usefixtures("clean")
async def test_the_deliveries_of_a_suspended_tenant_wait_until_it_is_let_in_again(database: Database) -> None:
    async def told(system: System, status: str) -> None:
        async with system.tx() as tx:
            await jobs.tenant_changed(tx, {**_SAID, "after": {"status": status}})

    async with given.sink() as sink, given.process(database) as system, working(system):
        scope = given_vault.scope(system, TENANT)
        endpoint, _ = await _endpoint(scope, sink.url)
        await told(system, "suspended")
        assert (await endpoints.get(scope, endpoint.id)).state_reason == "tenant_suspended"
        await given.emit(scope, *range(3))
        await _all_are(scope, "pending", 3)
        assert sink.bodies == []
        await told(system, "active")
        await deliveries.catch_up(system)
        await sink.wait_for(3)
        assert (await endpoints.get(scope, endpoint.id)).state == "active"


@pytest.mark.usefixtures("clean")
async def test_no_more_at_once_than_an_endpoint_wants(database: Database) -> None:
    running = {"now": 0, "most": 0}

    async def slow(_: web.Request) -> web.StreamResponse:
        running["now"] += 1
        running["most"] = max(running["most"], running["now"])
        await asyncio.sleep(0.01)
        running["now"] -= 1
        return web.Response()

    async with given.sink(answer=slow) as sink, given.process(database) as system, working(system):
        scope = given_vault.scope(system, TENANT)
        await _endpoint(scope, sink.url, concurrency=3)
        await given.emit(scope, *range(30))
        await sink.wait_for(30)
        assert running["most"] == 3


@pytest.mark.usefixtures("clean")
async def test_a_delivery_whose_event_is_forgotten_ends(database: Database, copied: Copy) -> None:
    async with given.sink() as sink, given.process(database) as system:
        scope = given_vault.scope(system, TENANT)
        await _endpoint(scope, sink.url)
        await given.emit(scope, 1)
        await fanning.fan_out_once(system)
        system.engine.part(Sender).handed.clear()
        admin = await asyncpg.connect(copied.admin_url)
        await admin.execute("truncate events")
        await admin.close()
        async with working(system):
            await _all_are(scope, "dead", 1)
        (row,) = await _rows(scope)
    assert (row["last_error"], sink.bodies) == ("event_forgotten", [])


@pytest.mark.usefixtures("clean")
async def test_a_rate_is_held(database: Database) -> None:
    async with given.sink() as sink, given.process(database) as system, working(system):
        scope = given_vault.scope(system, TENANT)
        await _endpoint(scope, sink.url, rate=20)
        await given.emit(scope, *range(15))
        await sink.wait_for(1)
        started = time.monotonic()
        await sink.wait_for(15)
        assert time.monotonic() - started > 0.5


@pytest.mark.usefixtures("clean")
async def test_PR_04_one_event_reaches_many_endpoints_and_two_workers_send_each_once(database: Database) -> None:
    async with given.sink() as sink, given.process(database) as one, given.process(database) as other:
        scope = given_vault.scope(one, TENANT)
        for number in range(60):
            await _endpoint(scope, f"{sink.url}/{number}")
        async with working(one), working(other):
            await given.emit(scope, 1, 2)
            await sink.wait_for(120)
            await _all_are(scope, "delivered", 100)
    assert len(sink.bodies) == 120


@pytest.mark.usefixtures("clean")
async def test_finished_deliveries_are_forgotten_in_time(database: Database) -> None:
    async with given.sink() as sink, given.process(database, keep_days=0) as system:
        scope = given_vault.scope(system, TENANT)
        await _endpoint(scope, sink.url)
        async with working(system):
            await given.emit(scope, 1, 2)
            await _all_are(scope, "delivered", 2)
        await asyncio.sleep(0.01)
        await retaining.sweep(system)
        assert await _rows(scope) == []


@pytest.mark.usefixtures("clean")
async def test_WH_13_what_is_sent_anew_is_marked_and_says_why(database: Database) -> None:
    async with given.sink() as sink, given.process(database) as system, working(system):
        scope = given_vault.scope(system, TENANT)
        await _endpoint(scope, sink.url)
        await given.emit(scope, 1)
        await _all_are(scope, "delivered", 1)
        (row,) = await _rows(scope)
        await deliveries.retry(scope, row["id"])
        await sink.wait_for(2)
        await _all_are(scope, "delivered", 1)
        assert [one.get("isthmus-replay") for one in sink.heads] == [None, "true"]
        assert sink.bodies[0] == sink.bodies[1]

        async def written() -> bool:
            return len((await deliveries.inspect(scope, row["id"])).attempts) == 2

        await _until(written)
        first, second = (await deliveries.inspect(scope, row["id"])).attempts
    assert (first["trigger"], second["trigger"], first["address"]) == ("schedule", "manual", "127.0.0.1")
    assert second["request_headers"]["Isthmus-Replay"] == "true"


@pytest.mark.usefixtures("clean")
async def test_the_shards_are_shared_fairly_between_workers_and_handed_on_when_idle(database: Database) -> None:
    async with given.process(database, lease=timedelta(seconds=30)) as one, given.process(database) as other:
        first, second = Leases(one, "own_first"), Leases(other, "own_second")
        await first.renew(Counter())
        assert len(first.held) == SHARDS
        await second.renew(Counter())
        assert second.held == {}
        await first.renew(Counter({0: 3}))
        assert len(first.leaving) == SHARDS // 2
        assert len(first.open) == SHARDS // 2
        # One of those that leave is still at work: it stays until that is done.
        await first.renew(Counter({0: 3}))
        await second.renew(Counter())
        assert (len(first.held), len(second.held), 0 in first.held) == (SHARDS // 2 + 1, SHARDS // 2 - 1, True)
        await first.renew(Counter())
        await second.renew(Counter())
        assert first.held.keys() | second.held.keys() == set(range(SHARDS))
        assert len(second.held) == SHARDS // 2
        await second.release()
        await first.renew(Counter())
        assert len(first.held) == SHARDS


@pytest.mark.usefixtures("clean")
async def test_attempts_lie_in_days_that_are_made_ahead_and_dropped_on_time(database: Database) -> None:
    clock = given.Shifted()
    async with given.sink() as sink, given.process(database, clock=clock) as system:
        scope = given_vault.scope(system, TENANT)
        assert (await retaining.kept(scope)).days == 30
        with pytest.raises(WrongRetention):
            await retaining.keep(scope, 91)
        await retaining.keep(scope, 2)
        await _endpoint(scope, sink.url)
        async with working(system):
            await given.emit(scope, 1)
            await _all_are(scope, "delivered", 1)
        clock.ahead = timedelta(days=1, hours=12)
        await retaining.sweep(system)
        (row,) = await _rows(scope)
        assert len((await deliveries.inspect(scope, row["id"])).attempts) == 1
        clock.ahead = timedelta(days=4)
        await retaining.sweep(system)
        assert await _rows(scope) == []
        async with system.tx() as tx:
            assert (await tx.fetch_sql("select count(*) as n from webhook_attempts"))[0]["n"] == 0
            days = await tx.fetch_sql(
                "select min(relname) as first, max(relname) as last from pg_class c"
                " join pg_namespace n on n.oid = c.relnamespace where nspname = 'webhook_days' and relkind = 'r'"
            )
        today = clock.now().date()
        assert days[0]["first"] == f"attempts_{today:%Y%m%d}"
        assert days[0]["last"] >= f"attempts_{today + timedelta(days=31):%Y%m%d}"
        clock.ahead = timedelta(0)
        await retaining.make_days(system)


@pytest.mark.usefixtures("clean")
async def test_full_lines_of_some_never_keep_another_out(database: Database) -> None:
    """Endpoints that never answer fill their lines; what is due for another one is found and sent all the same."""
    async with (
        given.sink() as good,
        given.sink(answer=_silent) as dead,
        given.process(database, waiting=40, slots=64, deadline=timedelta(seconds=1)) as system,
        working(system),
    ):
        scope = given_vault.scope(system, TENANT)
        for number in range(4):
            await _endpoint(scope, f"{dead.url}/{number}", concurrency=2)
        await given.emit(scope, *range(100))
        await dead.wait_for(8)
        await _endpoint(scope, good.url)
        await given.emit(scope, 1000, 1001)
        await good.wait_for(2, seconds=4)
