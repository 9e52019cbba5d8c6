"""The event log: a fact exists if and only if its cause committed, in an order without later gaps."""

import asyncio
import contextlib
import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import asyncpg
import pytest
from tests.given.statements import written_down
from tests.house_database import Copy

from isthmus.engine.bus import Bus, Envelope, Place, log, place_of
from isthmus.engine.db import Database, Tx
from isthmus.kit.events import Event

ME = Envelope(actor="user:test:me", address="192.0.2.1", request_id="req_1")


@dataclass(frozen=True, slots=True, kw_only=True)
class ShelfFilled(Event):
    """A fact of this test."""

    type: ClassVar[str] = "shelf.filled"
    public: ClassVar[bool] = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ShelfEmptied(Event):
    """Another one, kept from the audit log."""

    type: ClassVar[str] = "shelf.emptied"
    audited: ClassVar[bool] = False


@pytest.fixture
def bus(database: Database) -> Bus:
    return Bus(database)


async def _emit(database: Database, bus: Bus, tenant: str, *subjects: str) -> None:
    async with database.tenant(tenant) as tx:
        await bus.append(tx, [ShelfFilled(subject=subject, body={"n": 1}) for subject in subjects], ME)


async def _subjects(database: Database, bus: Bus, tenant: str) -> list[str]:
    async with database.tenant(tenant) as tx:
        return [row["subject"] for row in await bus.read(tx, tenant, Place())]


async def test_an_event_is_kept_with_its_envelope_and_only_for_its_tenant(database: Database, bus: Bus) -> None:
    async with database.tenant("ten_kept") as tx:
        fact = ShelfFilled(subject="she_1", body={"size": 2}, before={"full": False}, after={"full": True})
        await bus.append(tx, [fact, ShelfEmptied(subject="she_2")], ME)
    async with database.tenant("ten_kept") as tx:
        first, second = await bus.read(tx, "ten_kept", Place())
    assert (first["type"], first["subject"], first["body"]) == ("shelf.filled", "she_1", {"size": 2})
    assert (first["before"], first["after"]) == ({"full": False}, {"full": True})
    assert (first["actor"], first["address"], first["request_id"]) == ("user:test:me", "192.0.2.1", "req_1")
    assert (first["public"], first["audited"]) == (True, True)
    assert (second["subject"], second["audited"], second["before"]) == ("she_2", False, None)
    assert first["id"].startswith("evt_")
    assert place_of(first) < place_of(second)
    assert await _subjects(database, bus, "ten_other") == []


async def test_the_log_takes_no_change_and_no_removal_by_a_tenant(database: Database, bus: Bus) -> None:
    await _emit(database, bus, "ten_fixed", "a")
    for statement in ("update events set subject = 'b'", "delete from events", "truncate events"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with database.tenant("ten_fixed") as tx:
                await tx.execute_sql(statement)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with database.system() as tx:
            await tx.execute_sql("update events set subject = 'b'")


async def test_an_event_without_a_tenant_is_refused(database: Database, bus: Bus) -> None:
    with pytest.raises(ValueError, match="tenant"):
        async with database.system() as tx:
            await bus.append(tx, [ShelfFilled(subject="x")], ME)


async def test_PR_03_a_reader_never_passes_a_gap_that_is_filled_later(database: Database, bus: Bus) -> None:
    """The older transaction commits last: nothing of the younger one is seen before that."""
    slow = database.tenant("ten_gap")
    older = await slow.__aenter__()
    await bus.append(older, [ShelfFilled(subject="older")], ME)
    await _emit(database, bus, "ten_gap", "younger")
    assert await _subjects(database, bus, "ten_gap") == []
    await slow.__aexit__(None, None, None)
    assert await _subjects(database, bus, "ten_gap") == ["older", "younger"]


@pytest.mark.parametrize("seed", range(4))
async def test_PR_03_events_exist_if_and_only_if_their_transaction_committed(
    database: Database, bus: Bus, seed: int
) -> None:
    """Writers abort at any statement while a reader moves along: it sees each committed event once, in order."""
    dice = random.Random(seed)
    tenant = f"ten_seed{seed}"
    committed: set[str] = set()
    running = True

    async def write(number: int) -> None:
        plan = [dice.random() for _ in range(3)]
        names = [f"{number}.{step}" for step in range(3)]
        try:
            async with database.tenant(tenant) as tx:
                for name, chance in zip(names, plan, strict=True):
                    await bus.append(tx, [ShelfFilled(subject=name)], ME)
                    await asyncio.sleep(chance / 200)
                    if chance < 0.15:
                        raise LookupError  # noqa: TRY301 - the abort of this schedule
            committed.update(names)
        except LookupError:
            pass

    seen: list[str] = []

    async def follow() -> None:
        place = Place()
        while True:
            last = not running
            async with database.tenant(tenant) as tx:
                rows = await bus.read(tx, tenant, place, 7)
            assert [place_of(row) for row in rows] == sorted(place_of(row) for row in rows)
            seen.extend(row["subject"] for row in rows)
            if rows:
                place = place_of(rows[-1])
            elif last:
                return
            await asyncio.sleep(0.001)

    reader = asyncio.create_task(follow())
    for round_ in range(12):
        await asyncio.gather(*(write(round_ * 8 + number) for number in range(8)))
    running = False
    await asyncio.wait_for(reader, 10)
    assert len(seen) == len(set(seen))
    assert set(seen) == committed
    assert 0 < len(committed) < 12 * 8 * 3


async def test_a_listener_gets_each_event_of_its_types_once_and_a_failure_undoes_its_effect(
    database: Database, bus: Bus
) -> None:
    await _emit(database, bus, "ten_listen", "one", "two")
    got: list[str] = []

    async def fail(tx: Tx, row: Mapping[str, Any]) -> None:
        got.append(row["subject"])
        if row["subject"] == "two":
            raise LookupError

    async def take(tx: Tx, row: Mapping[str, Any]) -> None:
        if row["tenant_id"] == "ten_listen":
            got.append(row["subject"])

    async def drain(name: str, types: list[str]) -> None:
        while await bus.deliver(name, types, take):
            pass

    with pytest.raises(LookupError):
        while await bus.deliver("failing", ["shelf.filled"], fail):
            got.clear()
    got.clear()
    await drain("failing", ["shelf.filled"])
    await drain("failing", ["shelf.filled"])
    assert got == ["one", "two"]
    await drain("uninterested", ["shelf.emptied"])
    assert got == ["one", "two"]


async def test_every_process_hears_at_once_what_is_told_once_it_is_committed(database: Database, copied: Copy) -> None:
    here, there = Bus(database), Bus(await Database.connect(copied.url))
    heard: list[tuple[str, str | None]] = []
    arrived, stop = asyncio.Event(), asyncio.Event()

    def ear(name: str) -> Callable[[str | None], None]:
        def hear(key: str | None) -> None:
            heard.append((name, key))
            arrived.set()

        return hear

    async def until(count: int) -> None:
        async with asyncio.timeout(30):
            while len(heard) < count:
                arrived.clear()
                await arrived.wait()

    with here.told("shelf", ear("here")), there.told("shelf", ear("there")), there.told("wall", ear("wall")):
        async with asyncio.TaskGroup() as group:
            for one in (here, there):
                group.create_task(one.run(stop, {}))
            # whoever begins to listen may have missed something
            await until(3)
            assert sorted(heard) == [("here", None), ("there", None), ("wall", None)]
            heard.clear()
            with contextlib.suppress(LookupError):
                async with database.system() as tx:
                    await here.tell(tx, "shelf", "undone")
                    raise LookupError
            async with database.tenant("ten_told") as tx:
                await here.tell(tx, "shelf", "ten_told/one")
                await here.tell(tx, "nobody", "listens")
            await until(2)
            assert sorted(heard) == [("here", "ten_told/one"), ("there", "ten_told/one")]
            stop.set()
    there._told.hear("shelf\x1flate")
    assert len(heard) == 2


async def test_two_processes_deliver_to_one_listener_without_repeating(database: Database, copied: Copy) -> None:
    first, second = Bus(database), Bus(await Database.connect(copied.url))
    await _emit(database, first, "ten_twice", *(str(number) for number in range(60)))
    got: list[str] = []

    async def take(tx: Tx, row: Mapping[str, Any]) -> None:
        if row["tenant_id"] == "ten_twice":
            await asyncio.sleep(0)
            got.append(row["subject"])

    async def work(bus: Bus) -> None:
        async with asyncio.timeout(60):
            while len(got) < 60:
                await bus.deliver("twice", ["shelf.filled"], take, limit=19)

    await asyncio.gather(work(first), work(second))
    assert got == [str(number) for number in range(60)]
    await second._database.close()


async def test_listeners_hear_of_commits_at_once_and_a_poisoned_one_delays_nobody(copied: Copy) -> None:
    database = await Database.connect(copied.url)
    bus = Bus(database)
    stop, got = asyncio.Event(), asyncio.Event()

    async def poisoned(tx: Tx, row: Mapping[str, Any]) -> None:
        raise LookupError("never")

    async def take(tx: Tx, row: Mapping[str, Any]) -> None:
        if row["subject"] == "at once":
            got.set()

    listeners = {"poisoned": (["shelf.filled"], poisoned), "healthy": (["shelf.filled"], take)}
    running = asyncio.create_task(bus.run(stop, listeners))
    await asyncio.sleep(0.15)
    await _emit(database, bus, "ten_live", "at once")
    await asyncio.wait_for(got.wait(), 2)
    stop.set()
    await asyncio.wait_for(running, 2)
    await database.close()


async def test_following_wakes_by_notify_survives_a_lost_connection_and_stays_in_order(copied: Copy) -> None:
    database = await Database.connect(copied.url)
    bus = Bus(database)
    stop = asyncio.Event()
    running = asyncio.create_task(bus.run(stop, {}))
    seen: list[str] = []

    async def follow() -> None:
        async for rows in bus.follow("ten_follow", Place(), idle=0.05):
            seen.extend(row["subject"] for row in rows)
            if "last" in seen:
                return

    reader = asyncio.create_task(follow())
    await _emit(database, bus, "ten_follow", "first")
    await asyncio.sleep(0.1)
    admin = await asyncpg.connect(copied.admin_url)
    await admin.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity where query ilike 'listen%' and datname = $1",
        copied.name,
    )
    await admin.close()
    await asyncio.sleep(0.15)
    await _emit(database, bus, "ten_follow", "last")
    await asyncio.wait_for(reader, 3)
    assert seen == ["first", "last"]
    stop.set()
    await running
    await database.close()


@pytest.mark.parametrize("held_back", [False, True], ids=["at once", "behind an older transaction"])
async def test_what_the_ear_was_not_told_of_is_heard_all_the_same(
    copied: Copy, monkeypatch: pytest.MonkeyPatch, held_back: bool
) -> None:
    monkeypatch.setattr("isthmus.engine.bus.bus._POLL", 0.1)
    database = await Database.connect(copied.url)
    bus = Bus(database, direct_url="postgresql://nobody@127.0.0.1:1/nothing")
    stop, began, got = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def take(tx: Tx, row: Mapping[str, Any]) -> None:
        if row["subject"] == f"unheard {held_back}":
            got.set()
        elif row["subject"] == "before":
            began.set()

    await _emit(database, bus, "ten_deaf", "before")
    running = asyncio.create_task(bus.run(stop, {f"deaf_{held_back}": (["shelf.filled"], take)}))
    await asyncio.wait_for(began.wait(), 5)
    await asyncio.sleep(0.2)
    older = await asyncpg.connect(copied.admin_url)
    async with older.transaction():
        if held_back:
            await older.execute("select pg_current_xact_id()")
        await _emit(database, bus, "ten_deaf", f"unheard {held_back}")
        if held_back:
            await asyncio.sleep(0.2)
            assert not got.is_set()
    await asyncio.wait_for(got.wait(), 3)
    await older.close()
    stop.set()
    await asyncio.wait_for(running, 5)
    await database.close()


async def test_only_those_listeners_look_for_whom_something_was_written(copied: Copy) -> None:
    database = await Database.connect(copied.url)
    bus = Bus(database)
    stop, got = asyncio.Event(), asyncio.Queue[str]()

    async def take(tx: Tx, row: Mapping[str, Any]) -> None:
        if row["tenant_id"] == "ten_few":
            got.put_nowait(row["subject"])

    others = {f"idle_{number}": (["shelf.emptied"], take) for number in range(12)}
    running = asyncio.create_task(bus.run(stop, {"busy": (["shelf.filled"], take), **others}))
    await _emit(database, bus, "ten_few", "first")
    assert await asyncio.wait_for(got.get(), 5) == "first"
    await asyncio.sleep(0.2)  # all have looked once, since nobody knows what was written before
    with written_down() as asked:
        for number in range(5):
            await _emit(database, bus, "ten_few", f"more {number}")
            assert await asyncio.wait_for(got.get(), 5) == f"more {number}"
    looks = sum("from bus_cursors where listener" in one for one in asked)
    stop.set()
    await asyncio.wait_for(running, 5)
    await database.close()
    assert 5 <= looks <= 25  # each is heard by one, which looks once more; all of them would have looked 65 times


async def test_TN_10_the_wake_up_carries_no_data(copied: Copy, database: Database, bus: Bus) -> None:
    heard: list[object] = []
    ear = await asyncpg.connect(copied.url)
    await ear.add_listener("isthmus_events", lambda *said: heard.append(said[3]))
    await _emit(database, bus, "ten_secret", "hidden subject")
    async with asyncio.timeout(30):
        while not heard:  # noqa: ASYNC110 - the driver calls back, there is no event to wait for
            await asyncio.sleep(0.01)
    assert heard == [""]
    await ear.close()


def test_a_place_reads_back_and_refuses_anything_else() -> None:
    place = Place(42, "evt_01k00000000000000000000000")
    assert Place.of(str(place)) == place
    assert Place.of(str(Place())) == Place()
    for text in ("", "42", "x-evt_1", "-1-", "9" * 30 + "-", "1-evt_1'; drop", f"{1 << 63}-", "٤-"):
        with pytest.raises(ValueError, match="place"):
            Place.of(text)


async def test_PR_03_what_nobody_wants_is_passed_over_and_nothing_else(database: Database, bus: Bus) -> None:
    seen: list[str] = []

    async def note(_: Tx, rows: Sequence[Mapping[str, Any]]) -> None:
        seen.extend(row["subject"] for row in rows)

    async def wanted_after_all(tx: Tx) -> bool:
        await _emit(database, bus, "ten_skip", "she_late")
        return True

    async def unwanted(tx: Tx) -> bool:
        await _emit(database, bus, "ten_skip", "she_between")
        return False

    await _emit(database, bus, "ten_skip", "she_before")
    assert await bus.skip("skipper", unwanted)
    assert not await bus.skip("skipper", wanted_after_all)
    await bus.deliver_many("skipper", ["shelf.filled"], note)
    assert seen == ["she_between", "she_late"]


@pytest.mark.parametrize("analyzed", [True, False])
async def test_a_batch_costs_as_much_behind_a_large_backlog_as_behind_none(
    database: Database, copied: Copy, bus: Bus, analyzed: bool
) -> None:
    """Whatever the planner knows of the day: rows are read in order up to the limit, never all of them to be sorted."""
    async with database.tenant("ten_many") as tx:
        await bus.append(tx, [ShelfEmptied(subject="she") for _ in range(1_500)], ME)
    if analyzed:
        admin = await asyncpg.connect(copied.admin_url)
        await admin.execute("vacuum analyze events")
        await admin.close()
    async with database.system() as tx:
        place = await log.end(tx)
    async with database.tenant("ten_many") as tx:
        await bus.append(tx, [ShelfEmptied(subject="she") for _ in range(3_000)], ME)
    async with database.system() as tx:
        wanted = (place.xid, place.id, await log.horizon(tx), ["shelf.emptied"], 20)
        await tx.fetch_sql("set local plan_cache_mode = force_custom_plan")
        explain = f"explain (analyze, buffers, timing off, format json) {log._of(log._READ_ALL, None)}"
        await tx.fetch_sql(explain, *wanted)
        row = (await tx.fetch_sql(explain, *wanted))[0][0]
    plan: Any = (row if isinstance(row, list) else json.loads(row))[0]["Plan"]
    assert plan["Actual Rows"] == 20
    assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] < 60


async def test_while_there_are_no_listeners_nobody_looks_what_was_written(database: Database, copied: Copy) -> None:
    opened = 0

    @contextlib.contextmanager
    def note() -> Iterator[None]:
        nonlocal opened
        opened += 1
        yield

    own = await Database.connect(copied.url, on_open=note)
    bus, stop = Bus(own), asyncio.Event()
    running = asyncio.create_task(bus.run(stop, {}))
    with bus.heard() as heard:
        await heard.wait()
        for number in range(10):
            heard.clear()
            await _emit(database, bus, "ten_quiet", f"she_{number}")
            await heard.wait()
    stop.set()
    await running
    await own.close()
    assert opened <= 2, "the watch looks by itself, every few seconds"
