"""What was sent is written down behind what is still to be sent: one round at a time, and never far behind."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest
import pytest_asyncio
from tests.given import records as given_records
from tests.given.pushes import Given, given_pushes
from tests.house_database import Copy

from isthmus.connect.edits import Edit, EditField, Outcome
from isthmus.engine.db import Database
from isthmus.features import pushes, sync
from isthmus.features.pushes.service.backlog import Backlog
from isthmus.features.pushes.service.deciding import Plan
from isthmus.features.pushes.service.keeping import Ledger
from isthmus.features.pushes.service.settling import Round
from isthmus.features.pushes.service.shops import ENTITY
from isthmus.features.pushes.settings import Settings
from isthmus.features.pushes.store.edits import TOGETHER


def _round(name: str) -> Round:
    return Round(name, datetime(2026, 1, 1, tzinfo=UTC), Plan(), {}, {})


@pytest_asyncio.fixture
async def at(database: Database, copied: Copy) -> AsyncIterator[Given]:
    yield given_pushes(database)
    await given_records.clear(copied)
    async with database.system() as tx:
        await tx.execute_sql("delete from pushes")


async def test_rounds_of_all_lines_are_written_down_one_at_a_time() -> None:
    backlog, most, now, told = Backlog(), 0, 0, list[str]()

    async def settle(one: Round) -> None:
        nonlocal most, now
        now += 1
        most = max(most, now)
        await asyncio.sleep(0)
        now -= 1
        told.append(one.claim)

    several = [Ledger(settle, backlog) for _ in range(3)]
    for number, ledger in enumerate(several):
        ledger.add(_round(f"{number} first"), 10)
        ledger.add(_round(f"{number} then"), 10)
        ledger.close()
    await asyncio.gather(*(ledger.keep() for ledger in several))
    assert most == 1
    assert all(told.index(f"{number} first") < told.index(f"{number} then") for number in range(3))


async def test_a_round_that_cannot_be_written_down_keeps_no_other_from_it_and_is_told() -> None:
    told = list[str]()

    async def settle(one: Round) -> None:
        if one.claim == "bad":
            raise ConnectionError("the database is away")
        told.append(one.claim)

    ledger = Ledger(settle, Backlog())
    ledger.add(_round("bad"), 1)
    ledger.add(_round("good"), 1)
    ledger.close()
    with pytest.raises(ConnectionError):
        await ledger.keep()
    assert (told, ledger.broken) == (["good"], True)


async def test_who_asks_whether_something_is_due_anew_waits_for_what_is_not_written_down() -> None:
    gate, told = asyncio.Event(), list[str]()

    async def settle(one: Round) -> None:
        await gate.wait()
        told.append(one.claim)

    ledger = Ledger(settle, Backlog())
    assert await ledger.catch_up() is False
    keeping = asyncio.create_task(ledger.keep())
    ledger.add(_round("one"), 1)
    asking = asyncio.create_task(ledger.catch_up())
    await asyncio.sleep(0.01)
    assert not asking.done()
    gate.set()
    assert (await asking, told, await ledger.catch_up()) == (True, ["one"], False)
    ledger.close()
    await keeping


async def test_nothing_more_is_sent_while_too_much_is_not_written_down() -> None:
    gate, backlog = asyncio.Event(), Backlog()

    async def settle(_one: Round) -> None:
        await gate.wait()

    ledger = Ledger(settle, backlog)
    keeping = asyncio.create_task(ledger.keep())
    ledger.add(_round("much"), 10_000)
    waiting = asyncio.create_task(backlog.has_room())
    await asyncio.sleep(0.01)
    assert not waiting.done()
    gate.set()
    async with asyncio.timeout(5):
        await waiting
    ledger.close()
    await keeping


async def test_a_line_that_is_cut_off_leaves_its_room_to_the_others() -> None:
    backlog = Backlog()

    async def settle(_one: Round) -> None:
        await asyncio.Event().wait()

    ledger = Ledger(settle, backlog)
    keeping = asyncio.create_task(ledger.keep())
    for number in range(3):
        ledger.add(_round(str(number)), 5_000)
    await asyncio.sleep(0)
    assert backlog.is_full
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)
    assert not backlog.is_full


async def test_who_takes_what_is_sent_next_goes_before_what_is_written_down() -> None:
    backlog, told = Backlog(), list[str]()

    async def write_down() -> None:
        async with backlog.turn():
            told.append("written")

    with backlog.ahead():
        writing = asyncio.create_task(write_down())
        await asyncio.sleep(0.01)
        told.append("taken")
    await writing
    assert told == ["taken", "written"]


async def test_values_are_sent_while_those_before_them_cannot_be_written_down_yet(at: Given) -> None:
    """Somebody reads the connection's products for long: six rounds leave all the same, each value once."""
    ids = await at.stock(*(given_records.listing(f"p{number}") for number in range(12)))
    await pushes.want(at.scope, [pushes.Want(id_, EditField.STOCK, 50) for id_ in ids.values()])
    parts = {**at.scope.engine.parts, Settings: Settings(taken=2)}
    at.scope = replace(at.scope, engine=replace(at.scope.engine, parts=parts))
    plain, all_sent = at.far.write, asyncio.Event()

    async def counting(batch: Sequence[Edit]) -> Sequence[Outcome]:
        outcomes = await plain(batch)
        if len(at.far.effects) == len(ids):
            all_sent.set()
        return outcomes

    at.far.write = counting  # type: ignore[method-assign]
    async with at.scope.tx() as tx:
        await sync.lock(tx, "con_one", ENTITY)
        working = asyncio.create_task(at.work())
        async with asyncio.timeout(30):
            await all_sent.wait()
    assert await working
    assert (len(at.far.effects), await at.edits()) == (12, [])


async def test_a_push_of_several_thousand_values_keeps_its_items_in_their_order(at: Given) -> None:
    ids = await at.stock(given_records.listing("p1"))
    count = 2 * TOGETHER + 1
    wishes = [
        pushes.Wish(f"edt_{number:05}", "con_one", pushes.Place(ids["p1"], "p1", EditField.STOCK, f"at {number}"), 7)
        for number in range(count)
    ]
    async with at.scope.tx() as tx:
        push_id = await pushes.note(tx, at.scope, list(reversed(wishes)), "api")
        rows = await tx.fetch_sql("select number, location from push_items where push_id = $1 order by number", push_id)
    assert [(row["number"], row["location"]) for row in rows] == [
        (number, f"at {count - number}") for number in range(1, count + 1)
    ]
