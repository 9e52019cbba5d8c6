"""Old events go, behind every listener and in batches; what is audited stays."""

from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from tests.engine.bus.test_bus import ME, ShelfEmptied, ShelfFilled
from tests.house_database import Copy

from isthmus.engine.bus import Bus, prune
from isthmus.engine.db import Database

LATER = datetime.now(UTC) + timedelta(hours=1)


@pytest.fixture(autouse=True)
async def empty(copied: Copy) -> None:
    admin = await asyncpg.connect(copied.admin_url)
    await admin.execute("truncate events, bus_cursors")
    await admin.close()


async def _fill(database: Database, bus: Bus, count: int) -> None:
    for n in range(count):
        async with database.tenant("ten_old") as tx:
            await bus.append(tx, [ShelfFilled(subject=f"kept_{n}"), ShelfEmptied(subject=f"gone_{n}")], ME)


async def _left(database: Database) -> list[str]:
    async with database.system() as tx:
        return [row["subject"] for row in await tx.fetch_sql("select subject from events order by xid, id")]


async def test_old_events_go_in_batches_and_audited_ones_stay(database: Database) -> None:
    bus = Bus(database)
    await _fill(database, bus, 5)
    rounds = []
    for _ in range(4):
        async with database.system() as tx:
            rounds.append(await prune(tx, LATER, limit=4))
    assert rounds == [(2, True), (2, True), (1, False), (0, False)]
    assert await _left(database) == [f"kept_{n}" for n in range(5)]


async def test_what_a_listener_has_not_heard_stays(database: Database) -> None:
    bus = Bus(database)
    heard: list[str] = []

    async def listen(_tx: object, event: object) -> None:
        heard.append(event["subject"])  # type: ignore[index]  # a row of the log

    await _fill(database, bus, 3)
    assert await bus.deliver("slow", ["shelf.emptied"], listen, limit=1) == 1
    async with database.system() as tx:
        await prune(tx, LATER)
    assert "gone_1" in await _left(database)
    while await bus.deliver("slow", ["shelf.emptied"], listen, limit=1):
        pass
    assert heard == ["gone_0", "gone_1", "gone_2"]
    async with database.system() as tx:
        await prune(tx, LATER)
    assert [subject for subject in await _left(database) if subject.startswith("gone_")] == ["gone_2"]


async def test_young_events_stay_and_are_looked_at_again_when_they_are_old(database: Database) -> None:
    bus = Bus(database)
    await _fill(database, bus, 2)
    async with database.system() as tx:
        assert await prune(tx, LATER - timedelta(days=1)) == (0, False)
    assert len(await _left(database)) == 4
    async with database.system() as tx:
        assert await prune(tx, LATER) == (2, False)
