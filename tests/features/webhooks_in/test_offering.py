"""Functions of services that other processes plan for: what waits for them, who is told, and what ends that."""

import asyncio
import json
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
import pytest_asyncio
from tests.given import webhooks_in as given
from tests.given.statements import written_down
from tests.given.webhooks_in import World

from isthmus.engine.db import Database
from isthmus.engine.queue import Wake
from isthmus.features.webhooks_in.errors import FunctionNotFound
from isthmus.features.webhooks_in.service import looking, offering, replaying, routing, rules, waking, working
from isthmus.features.webhooks_in.service.handlers import Handler, Handlers, Told
from isthmus.features.webhooks_in.service.managing import Seen
from isthmus.features.webhooks_in.store.log import Filters
from isthmus.kit import ids
from isthmus.kit.clock import ManualClock
from isthmus.kit.paging import Ask
from isthmus.scope import Scope

TEN = "ten_one"
TOLD: list[int] = []
NAME = "on_issue"
MISSING = f"No running process has the function {NAME}. Start the service that registers it, or retire it."


async def function(_scope: Scope, told: Told) -> None:
    """Notes what it was told of."""
    TOLD.append(told.payload["n"])


def handler(name: str = NAME, pattern: str = "github.issues", **more: Any) -> Handler:
    return Handler(name, pattern, function, **{"tenant_id": TEN, **more})


@pytest_asyncio.fixture(loop_scope="module")
async def service(database: Database) -> World:
    """A process that has a function."""
    return given.world(database, ManualClock(), {Handlers: Handlers([handler()])})


@pytest_asyncio.fixture(loop_scope="module")
async def plain(service: World, database: Database) -> World:
    """One that knows none, as `isthmus up` is, after the service has come up."""
    await offering.settle(service.system)
    return given.world(database, service.system.clock, {Handlers: Handlers()})


@pytest_asyncio.fixture(autouse=True, loop_scope="module")
async def emptied(database: Database) -> AsyncIterator[None]:
    yield
    TOLD.clear()
    async with database.system() as tx:
        for table in ("inbox", "seen", "mail", "steps", "tasks", "handlers", "functions", "sources"):
            await tx.execute_sql(f"delete from webhook_{table}")  # noqa: S608 - names of ours
        await tx.execute_sql("delete from queue.pgqueuer")


async def push(world: World, *numbers: int, event: str = "issues") -> Seen:
    seen, token = await world.source(TEN)
    for number in numbers:
        world.system.clock.advance(0.01)  # type: ignore[attr-defined] # the clock of these worlds is moved by hand
        headers = {"x_github_event": event, "x_github_delivery": ids.new("dlv")}
        body = json.dumps({"n": number}).encode()
        assert (await world.push(TEN, seen, token, body, **headers)).status == 200
    await routing.route(world.scope(TEN), seen.source.id)
    return seen


async def silent(world: World, since: timedelta = timedelta(minutes=3)) -> None:
    """Nobody has said for so long that they have it."""
    async with world.system.tx() as tx:
        await tx.execute_sql("update webhook_functions set offered_at = now() - $1::interval", since)


async def deliveries(world: World) -> list[tuple[str, str | None]]:
    rows = await world.rows("select state, reason from webhook_inbox order by id")
    return [(row["state"], row["reason"]) for row in rows]


async def told_of(world: World) -> Counter[str]:
    rows = await world.rows("select type from events where type like 'webhook_function.%'")
    return Counter(row["type"].partition(".")[2] for row in rows)


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while True:
            if holds():
                return
            await asyncio.sleep(0.02)


async def test_what_another_process_plans_is_left_to_the_one_that_has_the_function(
    plain: World, service: World
) -> None:
    await push(plain, 1, 2)
    await plain.work(TEN)
    assert (TOLD, await deliveries(plain)) == ([], [("waiting", None)] * 2)
    attempts = await plain.rows("select distinct attempts, state from webhook_tasks")
    assert [(row["attempts"], row["state"]) for row in attempts] == [(0, "waiting")]
    woken = await plain.rows("select distinct entrypoint from queue.pgqueuer where entrypoint like '%call%'")
    assert [row["entrypoint"] for row in woken] == [f"webhooks_in.call/{TEN}/{NAME}"]
    await service.work(TEN)
    assert (TOLD, await deliveries(plain)) == ([1, 2], [("done", None)] * 2)


async def test_planning_for_functions_takes_no_statement_more(plain: World, database: Database) -> None:
    counts = []
    for several in ([], [f"other_{number}" for number in range(20)]):
        await offering.settle(
            given.world(database, plain.system.clock, {Handlers: Handlers([handler(n) for n in several])}).system
        )
        seen, token = await plain.source(TEN)
        assert (await plain.push(TEN, seen, token, b'{"n": 1}', x_github_event="issues")).status == 200
        with written_down() as told:
            await routing.route(plain.scope(TEN), seen.source.id)
        counts.append(len(told))
    assert counts[0] == counts[1]


async def test_a_function_that_no_process_has_is_told_of_and_holds_no_other_handler_up(plain: World) -> None:
    await rules.add(plain.scope(TEN), {**dict.fromkeys(
        ("filter", "transform", "retries", "ordered_by", "source_id")), "name": "on", "pattern": "github.issues",
        "priority": 200, "paused": False})  # fmt: skip
    before = await told_of(plain)
    await push(plain, 1)
    await plain.work(TEN)
    assert await deliveries(plain) == [("waiting", None)]
    await silent(plain, timedelta(minutes=1))
    await offering.look(plain.system)
    assert await told_of(plain) - before == Counter([])
    await silent(plain)
    for _ in range(2):
        await offering.look(plain.system)
    assert await told_of(plain) - before == Counter(["missed"])
    # the forwarder behind it goes on, and what comes in from now on says at once what it waits for
    await plain.work(TEN)
    states = "select handler like 'hdl%' as forwards, state from webhook_tasks order by delivery_id, forwards"
    assert [row["state"] for row in await plain.rows(states)] == ["waiting", "done"]
    assert await deliveries(plain) == [("waiting", MISSING)]
    await push(plain, 2)
    await plain.work(TEN)
    assert await deliveries(plain) == [("waiting", MISSING)] * 2
    assert [row["state"] for row in await plain.rows(states)] == ["waiting", "done"] * 2
    (one,) = (await offering.functions(plain.scope(TEN), Ask())).items
    assert (one["name"], one["offered"], one["waiting"]) == (NAME, False, 2)
    figures = await measured(plain)
    assert figures == {"yes": 0, "no": 1}


async def measured(world: World) -> dict[str, float]:
    async with world.system.tx() as tx:
        return {one.labels["offered"]: one.value for one in await offering.measure(world.system, tx)}


async def test_a_function_that_somebody_has_again_is_told_of_and_gets_what_waited(plain: World, service: World) -> None:
    await push(plain, 1)
    await silent(plain)
    await offering.look(plain.system)
    await plain.work(TEN)
    before = await told_of(plain)
    stop = asyncio.Event()
    keeping = asyncio.create_task(offering.keep_offering(service.system, stop))
    async with asyncio.timeout(60):
        while True:
            if await told_of(plain) > before:
                break
            await asyncio.sleep(0.02)
    stop.set()
    await keeping
    assert await told_of(plain) - before == Counter(["back"])
    await service.work(TEN)
    assert (TOLD, await deliveries(plain)) == ([1], [("done", None)])
    assert await measured(plain) == {"yes": 1, "no": 0}


async def test_what_waits_for_a_retired_function_is_dropped_by_any_process_and_nothing_more_is_planned(
    plain: World, service: World
) -> None:
    await push(plain, 1, 2)
    (one,) = (await offering.functions(plain.scope(TEN), Ask())).items
    await offering.retire(plain.scope(TEN), one["id"])
    with pytest.raises(FunctionNotFound):
        await offering.retire(plain.scope(TEN), one["id"])
    with pytest.raises(FunctionNotFound):
        await offering.retire_named(plain.scope(TEN), "nobody")
    await plain.work(TEN)
    await push(plain, 3)
    ended = ("ignored", "The function was retired.")
    assert await deliveries(plain) == [ended, ended, ("ignored", "No handler wants this event.")]
    assert TOLD == []
    # what woke only those who have it is taken out of the queue
    await offering.look(plain.system)
    assert await plain.rows("select id from queue.pgqueuer where entrypoint like '%call%'") == []


async def test_a_process_stops_calling_what_was_retired_until_it_is_registered_anew(
    plain: World, service: World, caplog: pytest.LogCaptureFixture
) -> None:
    given_here = service.system.engine.part(Handlers)
    await offering.retire_named(plain.scope(TEN), NAME)
    with caplog.at_level(logging.WARNING):
        keeping = asyncio.create_task(offering.keep_offering(service.system, asyncio.Event()))
        await _until(lambda: not given_here.of(TEN))
    assert f"the webhook function {NAME} was retired" in caplog.text
    assert given_here.remove(TEN, NAME) is True
    given_here.add(handler())
    await _until(lambda: bool(given_here.written))
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)
    await push(plain, 1)
    await service.work(TEN)
    assert TOLD == [1]


async def test_what_nobody_has_for_as_long_as_deliveries_are_kept_is_retired(plain: World) -> None:
    await push(plain, 1)
    before = await told_of(plain)
    await silent(plain, timedelta(days=31))
    await offering.look(plain.system)
    assert await told_of(plain) - before == Counter(["retired"])
    await plain.work(TEN)
    assert await deliveries(plain) == [("ignored", "The function was retired.")]


async def test_work_of_a_function_that_was_never_written_down_waits_for_it(plain: World, service: World) -> None:
    """As an older version of Isthmus left it, whose services come up later."""
    seen = await push(plain, 1)
    async with plain.system.tx() as tx:
        await tx.execute_sql("delete from webhook_functions")
    for _ in range(2):
        await plain.work(TEN)
        await working.work(plain.scope(TEN), f"{seen.source.id}/{NAME}")
    assert await deliveries(plain) == [("waiting", None)]
    await service.work(TEN)
    assert TOLD == [1]


async def test_a_retry_and_a_replay_reach_functions_of_other_processes_too(plain: World, service: World) -> None:
    await push(plain, 1)
    await service.work(TEN)
    (row,) = await plain.rows("select id from webhook_inbox")
    await looking.retry(plain.scope(TEN), row["id"])
    await plain.work(TEN)
    await service.work(TEN)
    assert TOLD == [1, 1]
    now = plain.system.now
    wanted = Filters(since=now - timedelta(days=1), until=now + timedelta(days=1))
    await replaying.carry_on(plain.scope(TEN), (await replaying.begin(plain.scope(TEN), wanted))["id"])
    await plain.work(TEN)
    await service.work(TEN)
    assert TOLD == [1, 1, 1]


async def test_a_function_that_several_processes_register_at_once_is_added_once(
    plain: World, database: Database
) -> None:
    same = [given.world(database, plain.system.clock, {Handlers: Handlers([handler("at_once")])}) for _ in range(4)]
    before = await told_of(plain)
    await asyncio.gather(*(offering.settle(one.system) for one in same for _ in range(2)))
    assert await told_of(plain) - before == Counter(["added"])
    (event,) = await plain.rows("select subject from events where after ->> 'name' = 'at_once'")
    (row,) = await plain.rows("select id from webhook_functions where name = 'at_once'")
    assert event["subject"] == row["id"]


async def test_TN_01_a_tenant_sees_and_retires_its_own_functions_alone(plain: World) -> None:
    (one,) = (await offering.functions(plain.scope(TEN), Ask())).items
    other = plain.scope("ten_two")
    assert (await offering.functions(other, Ask())).items == []
    for lacking in (offering.function(other, one["id"]), offering.retire(other, one["id"])):
        with pytest.raises(FunctionNotFound):
            await lacking
    with pytest.raises(FunctionNotFound):
        await offering.retire_named(other, NAME)
    async with other.tx() as tx:
        assert await tx.fetch_sql("select id from webhook_functions") == []
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with other.tx() as tx:
            await tx.execute_sql("insert into webhook_functions select * from webhook_functions")
            await tx.execute_sql(
                "insert into webhook_functions (tenant_id, id, name, pattern, priority, created_at, offered_at) "
                "values ('ten_one', 'fun_x', 'x', '*', 1, now(), now())"
            )


async def test_another_pattern_under_a_name_that_a_running_process_has_is_warned_of_in_both(
    plain: World, service: World, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    other = given.world(database, plain.system.clock, {Handlers: Handlers([handler(pattern="shopee.*")])})
    with caplog.at_level(logging.WARNING):
        await offering.settle(other.system)
    assert f"{NAME} wants shopee.* from now on, and a running process has it for github.issues" in caplog.text
    (told,) = await plain.rows("select body, before, after from events where type = 'webhook_function.changed'")
    patterns = {"pattern": "shopee.*", "previous": "github.issues"}
    assert told["body"] == {"name": NAME, **patterns, "contested": True}
    assert (told["before"]["pattern"], told["after"]["pattern"]) == ("github.issues", "shopee.*")
    stop = asyncio.Event()
    with caplog.at_level(logging.WARNING):
        keeping = asyncio.create_task(offering.keep_offering(service.system, stop))
        await _until(lambda: "what fits github.issues comes to it no more" in caplog.text)
    stop.set()
    await keeping


@pytest.mark.parametrize("name", ["", "sync", "privacy", "hdl_1", "a\x00b", "x" * 201])
def test_a_name_that_cannot_be_kept_is_refused_at_once(name: str) -> None:
    with pytest.raises(ValueError, match="cannot be named"):
        Handlers().add(handler(name))


def test_patterns_are_texts_and_functions_are_counted() -> None:
    with pytest.raises(ValueError, match="no pattern"):
        Handlers().add(handler(pattern=""))
    many = Handlers(handler(f"n{number}") for number in range(200))
    with pytest.raises(ValueError, match="200"):
        many.add(handler("one_more"))


def test_a_name_with_a_slash_is_told_apart_from_its_place() -> None:
    assert waking.wake(TEN, "con_1/a/b") == Wake(f"webhooks_in.call/{TEN}/a/b", "con_1/a/b", TEN)
    assert [waking.job(TEN, f"con_1/{name}") for name in ("sync", "privacy", "hdl_1")] == ["webhooks_in.handle"] * 3
