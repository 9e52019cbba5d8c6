"""Old events go by days, behind every listener; what a tenant wants gone sooner goes first, what is audited stays."""

import importlib
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta

import asyncpg
import pytest
from tests.engine.bus.test_bus import ME, ShelfEmptied, ShelfFilled
from tests.house_database import Copy

from isthmus.engine import bus as engine_bus
from isthmus.engine.bus import Bus, Place, days, drop_missing, place_of, prune
from isthmus.engine.db import Database

KEEP = timedelta(days=10)
_DAYS = "select relname from pg_class where relnamespace = 'event_days'::regnamespace and relkind = 'r' order by 1"
_OLD = """
insert into events (tenant_id, id, type, subject, at, public, audited, body, actor, day)
select $1, $2 || d, 'shelf.emptied', $2 || d, now(), true, false, '{}', 'user:x', $3::date - d
from generate_series(0, $4::int) d
"""


@pytest.fixture(autouse=True)
async def empty(copied: Copy) -> None:
    admin = await asyncpg.connect(copied.admin_url)
    await admin.execute("truncate events, bus_cursors, bus_days, event_retention")
    await admin.close()


async def _owner(copied: Copy, *statements: str) -> None:
    admin = await asyncpg.connect(copied.admin_url)
    for statement in statements:
        await admin.execute(statement)
    await admin.close()


async def _left(database: Database, like: str = "%") -> list[str]:
    async with database.system() as tx:
        sql = "select subject from events where subject like $1 order by subject"
        return [row["subject"] for row in await tx.fetch_sql(sql, like)]


async def _today(database: Database) -> date:
    async with database.system() as tx:
        return await days.today(tx)


async def _past(database: Database, copied: Copy, back: int) -> date:
    """So many days back there are days, each noted as it began, and each with an event of two tenants."""
    today = await _today(database)
    await _owner(copied, f"select event_days.keep(current_date - {back}, current_date + 3)")
    # The function makes days from yesterday on: those before are there after a while only.
    for day in (today - timedelta(days=n) for n in range(2, back + 1)):
        await _owner(
            copied,
            f"create table if not exists event_days.day_{day:%Y%m%d} partition of events"
            f" for values from ('{day}') to ('{day + timedelta(days=1)}')",
        )
    async with database.system() as tx:
        for tenant in ("ten_long", "ten_short"):
            await tx.execute_sql(_OLD, tenant, f"{tenant}_", today, back)
    await _owner(
        copied,
        "insert into bus_days (day, xid)"  # noqa: S608 - a number of ours
        " select current_date - d, pg_snapshot_xmin(pg_current_snapshot())"
        f" from generate_series(0, {back}) d",
    )
    return today


async def _names(database: Database) -> Sequence[str]:
    async with database.system() as tx:
        return [row["relname"] for row in await tx.fetch_sql(_DAYS)]


async def test_days_are_made_ahead_and_dropped_whole_when_they_are_over(database: Database, copied: Copy) -> None:
    today = await _past(database, copied, 14)
    await prune(database, KEEP)
    kept = [today + timedelta(days=n) for n in range(-10, 4)]
    assert await _names(database) == [*(f"day_{day:%Y%m%d}" for day in kept), "kept", "rest"]
    assert sorted(int(one.rpartition("_")[2]) for one in await _left(database, "ten_long_%")) == list(range(11))


async def test_what_is_audited_has_no_day_on_which_it_goes(database: Database, copied: Copy) -> None:
    bus = Bus(database)
    async with database.tenant("ten_old") as tx:
        await bus.append(tx, [ShelfFilled(subject="sealed"), ShelfEmptied(subject="passing")], ME)
        rows = await tx.fetch_sql("select subject, day::text as day from events where tenant_id = 'ten_old'")
    assert {row["subject"]: row["day"] for row in rows} == {
        "sealed": "infinity",
        "passing": str(await _today(database)),
    }


async def test_a_tenant_that_wants_its_events_forgotten_sooner_has_them_forgotten(
    database: Database, copied: Copy
) -> None:
    await _past(database, copied, 9)
    async with database.tenant("ten_short") as tx:
        await engine_bus.keep(tx, 4)
        assert await engine_bus.kept(tx) == 4
    await prune(database, KEEP, limit=2)
    assert sorted(await _left(database, "ten_short_%")) == [f"ten_short_{n}" for n in range(5)]
    assert len(await _left(database, "ten_long_%")) == 10
    async with database.tenant("ten_short") as tx:
        await engine_bus.keep(tx, None)
        assert await engine_bus.kept(tx) is None


async def test_without_an_end_only_what_tenants_want_gone_goes(database: Database, copied: Copy) -> None:
    await _past(database, copied, 14)
    async with database.tenant("ten_short") as tx:
        await engine_bus.keep(tx, 4)
    await prune(database, timedelta(0))
    assert (len(await _left(database, "ten_short_%")), len(await _left(database, "ten_long_%"))) == (5, 15)


async def test_a_day_that_some_listener_has_not_heard_stays(database: Database, copied: Copy) -> None:
    today = await _past(database, copied, 14)
    # The slow one stands where twelve days ago began; whatever began later may hold what it has not heard.
    await _owner(
        copied,
        f"update bus_days set xid = (xid::text::bigint + 100)::text::xid8 where day > date '{today}' - 12",  # noqa: S608 - a day
        "insert into bus_cursors (listener, xid, id) select 'slow', xid, '' from bus_days order by day limit 1",
    )
    async with database.tenant("ten_short") as tx:
        await engine_bus.keep(tx, 4)
    await prune(database, KEEP)
    assert sorted(int(one.rpartition("_")[2]) for one in await _left(database, "ten_long_%")) == list(range(14))
    assert len(await _left(database, "ten_short_%")) == 14
    await _owner(copied, "delete from bus_cursors")
    await prune(database, KEEP)
    assert (len(await _left(database, "ten_long_%")), len(await _left(database, "ten_short_%"))) == (11, 5)


async def test_a_listener_that_no_process_has_is_forgotten_after_its_time_and_holds_nothing_back(
    database: Database, copied: Copy
) -> None:
    await _owner(copied, "insert into bus_cursors (listener, xid, id) values ('here', '5', ''), ('gone', '5', '')")
    grace = timedelta(days=7)
    for known, wait, gone in (
        ({"here"}, "0", []),
        ({"here"}, "6 days", []),
        ({"here", "gone"}, "8 days", []),  # it came back with another version of the code
        ({"here"}, "0", []),
        ({"here"}, "8 days", ["gone"]),
    ):
        await _owner(copied, f"update bus_cursors set missing_since = missing_since - interval '{wait}'")  # noqa: S608 - a text of ours
        async with database.system() as tx:
            assert await drop_missing(tx, known, grace) == gone
    async with database.system() as tx:
        assert [row["listener"] for row in await tx.fetch_sql("select listener from bus_cursors")] == ["here"]


class Ticking:
    """A clock that stands until it is told."""

    def __init__(self) -> None:
        self.ticks = 100.0

    def now(self) -> datetime:
        """The time of day."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """What was told."""
        return self.ticks

    async def sleep(self, seconds: float) -> None:
        """Go on at once."""
        self.ticks += seconds


async def test_a_process_tells_whom_it_has_only_once_all_have_looked(database: Database) -> None:
    clock = Ticking()
    bus = Bus(database, clock=clock)

    async def ignore(_tx: object, _event: object) -> None:
        """Nothing is done."""

    assert bus.listeners is None
    await bus.deliver("one", ["shelf.emptied"], ignore)
    clock.ticks += 30
    await bus.deliver("other", ["shelf.emptied"], ignore)
    assert bus.listeners is None
    clock.ticks += 31
    assert bus.listeners == {"one", "other"}


async def test_what_came_while_no_day_was_made_is_read_and_goes_in_its_time(database: Database, copied: Copy) -> None:
    """As after a week in which nothing but the API ran."""
    bus, today = Bus(database), await _today(database)
    tables = ", ".join(f"event_days.{name}" for name in await _names(database) if name.startswith("day_"))
    await _owner(copied, f"drop table {tables}")
    async with database.tenant("ten_long") as tx:
        await bus.append(tx, [ShelfEmptied(subject=f"late_{n}") for n in range(3)], ME)
    await prune(database, KEEP)
    assert f"day_{today:%Y%m%d}" not in await _names(database)
    assert f"day_{today + timedelta(days=1):%Y%m%d}" in await _names(database)
    async with database.tenant("ten_long") as tx:
        rows = await bus.read(tx, "ten_long", Place())
        assert [row["subject"] for row in rows] == ["late_0", "late_1", "late_2"]
        assert await bus.read(tx, "ten_long", place_of(rows[0])) == rows[1:]
    await _owner(copied, "update events set day = day - 30")
    await prune(database, KEEP, limit=2)
    assert await _left(database) == []
    await prune(database, KEEP)
    assert f"day_{today:%Y%m%d}" in await _names(database)


async def test_whoever_reads_holds_no_writer_up_by_a_day_that_should_go(database: Database, copied: Copy) -> None:
    today = await _past(database, copied, 12)
    reader = await asyncpg.connect(copied.admin_url)
    async with reader.transaction():
        await reader.fetch("select count(*) from events")
        await prune(database, KEEP)
        assert len(await _names(database)) > 16
    await reader.close()
    await prune(database, KEEP)
    assert f"day_{today - timedelta(days=12):%Y%m%d}" not in await _names(database)


async def test_PR_03_what_stands_behind_a_place_is_read_from_the_day_before_it_on(
    database: Database, copied: Copy
) -> None:
    notes = days.Notes([(date(2026, 1, 1), 100), (date(2026, 1, 2), 200), (date(2026, 1, 3), 300)])
    assert notes.since(Place(99)) is None
    assert notes.since(Place(100)) == date(2025, 12, 31)
    assert notes.since(Place(299, "~")) == date(2026, 1, 1)
    assert notes.since(Place(5_000)) == date(2026, 1, 2)
    # After a move into another cluster transactions count anew: the last note that fits tells.
    moved = days.Notes([(date(2026, 1, 1), 900), (date(2026, 1, 2), 50)])
    assert moved.since(Place(60)) == date(2026, 1, 1)
    bus = Bus(database)
    async with database.system() as tx:
        await days.make(tx)
    async with database.tenant("ten_a") as tx:
        await bus.append(tx, [ShelfEmptied(subject="new")], ME)
    async with database.tenant("ten_a") as tx:
        end = await bus.end(tx)
        assert [row["subject"] for row in await bus.read(tx, "ten_a", Place())] == ["new"]
        assert await bus.read(tx, "ten_a", end) == []
        since = (await days.notes(tx)).since(end)
        assert since == await days.today(tx) - timedelta(days=1)
        plan = await tx.fetch_sql(
            "explain select id from events where tenant_id = 'ten_a' and (xid, id) > ('5', '')"  # noqa: S608 - a day
            f" and day >= '{since}' order by xid, id limit 5"
        )
    told = "\n".join(row[0] for row in plan)
    assert f"day_{since - timedelta(days=1):%Y%m%d}" not in told


async def test_an_event_is_found_by_its_name_wherever_its_clock_stood(database: Database, copied: Copy) -> None:
    bus = Bus(database)
    async with database.tenant("ten_a") as tx:
        await bus.append(tx, [ShelfEmptied(subject="right"), ShelfFilled(subject="sealed")], ME)
        await tx.fetch_sql("select 1")
    async with database.system() as tx:
        today = await days.today(tx)
        await tx.execute_sql(_OLD, "ten_a", "evt_0000000000000000000000000", today, 0)
        rows = await tx.fetch_sql("select id, subject from events where tenant_id = 'ten_a'")
        names = [("ten_a", row["id"]) for row in rows]
        found = await engine_bus.named(tx, [*names, ("ten_a", "evt_nothing"), ("ten_b", names[0][1])])
        alone = [await engine_bus.named(tx, [name]) for name in names]
    assert {row["subject"] for row in found.values()} == {row["subject"] for row in rows}
    assert [[*one] for one in alone] == [[name] for name in names]
    assert len(found) == 3


class _Statements:
    """What a migration would run."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def execute(self, sqltext: str) -> None:
        """Note it."""
        self.told.append(sqltext)


async def test_what_was_there_before_the_days_lies_in_them_and_goes_back(
    database: Database, copied: Copy, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = importlib.import_module("isthmus.engine.db.migrations.versions.0021_event_retention")
    noted = _Statements()
    monkeypatch.setattr(step, "op", noted)
    bus = Bus(database)
    async with database.tenant("ten_a") as tx:
        await bus.append(
            tx, [ShelfFilled(subject="sealed"), ShelfEmptied(subject="new"), ShelfEmptied(subject="old")], ME
        )
    await _owner(copied, "update events set at = at - interval '50 days' where subject = 'old'")
    places = (
        "select subject, xid::text as xid, day::text as day, tableoid::regclass::text as place from events order by id"
    )
    owner = await asyncpg.connect(copied.owner_url)
    before = [tuple(row) for row in await _as_system(owner, places)]
    async with owner.transaction():
        for statement in (*_told(step.downgrade, noted), *_told(step.upgrade, noted)):
            await owner.execute(statement)
    after = [tuple(row) for row in await _as_system(owner, places)]
    await owner.close()
    assert [row[:2] for row in after] == [row[:2] for row in before]
    today = await _today(database)
    assert [row[2:] for row in after] == [
        ("infinity", "event_days.kept"),
        (str(today), f"event_days.day_{today:%Y%m%d}"),
        (str(today - timedelta(days=50)), "event_days.rest"),
    ]
    async with database.system() as tx:
        assert await tx.execute_sql("delete from events where subject = 'sealed'") == 0


def _told(way: Callable[[], None], noted: _Statements) -> list[str]:
    noted.told.clear()
    way()
    return [*noted.told]


async def _as_system(owner: asyncpg.Connection, sql: str) -> Sequence[asyncpg.Record]:
    async with owner.transaction():
        await owner.execute("set local role isthmus_system")
        rows: Sequence[asyncpg.Record] = await owner.fetch(sql)
    return rows
