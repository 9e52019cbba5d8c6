"""What failures of the driver mean to a caller, by the server's own refusals."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta, timezone

import asyncpg
import pytest
from tests.house_database import Copy

from isthmus.engine.db import (
    Database,
    DatabaseCrossed,
    DatabaseFull,
    DatabaseReadOnly,
    DatabaseUnavailable,
    DatabaseUnsuitable,
    connect,
)
from isthmus.engine.db.connections import translate


@pytest.fixture
async def admin(copied: Copy) -> AsyncIterator[asyncpg.Connection]:
    connection = await connect(copied.admin_url)
    yield connection
    await connection.execute(f"alter database {copied.name} reset all")
    await connection.execute(f"alter database {copied.name} connection limit -1")
    await connection.close()


async def test_PR_15_a_read_only_database_takes_reads_and_says_why_it_takes_no_write(
    copied: Copy, admin: asyncpg.Connection
) -> None:
    await admin.execute(f"alter database {copied.name} set default_transaction_read_only = on")
    database = await Database.connect(copied.url, size=1)
    async with database.system() as tx:
        assert await tx.fetch_sql("select count(*) from events")
    with pytest.raises(DatabaseReadOnly):
        async with database.system() as tx:
            await tx.execute_sql("insert into bus_cursors (listener, xid, id) values ('x', '0', '')")
    await database.close()


async def test_PR_15_no_places_left_on_the_server_is_unavailable(copied: Copy, admin: asyncpg.Connection) -> None:
    await admin.execute(f"alter database {copied.name} connection limit 0")
    with pytest.raises(DatabaseUnavailable):
        await Database.connect(copied.url)


async def test_a_role_that_may_not_be_entered_is_unsuitable(copied: Copy) -> None:
    with pytest.raises(DatabaseUnsuitable, match="isthmus_owner"):
        await connect(copied.url, role="isthmus_owner")


@pytest.mark.parametrize(
    ("failure", "meaning"),
    [
        (asyncpg.DiskFullError("no space"), DatabaseFull),
        (asyncpg.DeadlockDetectedError("deadlock detected"), DatabaseCrossed),
        (asyncpg.ReadOnlySQLTransactionError("no"), DatabaseReadOnly),
        (asyncpg.AdminShutdownError("bye"), DatabaseUnavailable),
        (asyncpg.CannotConnectNowError("starting"), DatabaseUnavailable),
        (asyncpg.InterfaceError("connection is closed"), DatabaseUnavailable),
        (ConnectionRefusedError(111, "refused"), DatabaseUnavailable),
        (TimeoutError(), DatabaseUnavailable),
        (asyncpg.InterfaceError("another operation is in progress"), asyncpg.InterfaceError),
        (asyncpg.UniqueViolationError("twice"), asyncpg.UniqueViolationError),
        (LookupError("ours"), LookupError),
        (ValueError("ours"), ValueError),
    ],
)
def test_a_failure_is_translated_only_when_it_is_the_databases(failure: Exception, meaning: type[Exception]) -> None:
    assert type(translate(failure)) is meaning


_TIMES = [
    datetime(2026, 11, 22, 5, 0, 0, 123456, tzinfo=UTC),
    datetime(2026, 11, 22, 5, 0, tzinfo=timezone(timedelta(hours=8))),
    datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    datetime(1, 1, 1, tzinfo=UTC),
    datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
]


async def test_times_come_back_as_they_were_aware_and_in_utc(copied: Copy) -> None:
    connection = await connect(copied.url)
    try:
        for _ in range(2):  # made, then remembered
            for time in _TIMES:
                back = await connection.fetchval("select $1::timestamptz", time)
                assert (back, back.tzinfo) == (time, UTC)
            assert await connection.fetchval("select $1::timestamptz[]", [*_TIMES, None]) == [*_TIMES, None]
        text = "select ($1::timestamptz at time zone 'utc')::text"
        assert await connection.fetchval(text, _TIMES[0]) == "2026-11-22 05:00:00.123456"
        assert await connection.fetchval("select null::timestamptz") is None
        ends = await connection.fetchrow("select 'infinity'::timestamptz, '-infinity'::timestamptz")
        assert ends is not None
        assert (ends[0].isoformat()[:10], ends[1].isoformat()[:10]) == ("9999-12-31", "0001-01-01")
        assert ends[1] < _TIMES[0] < ends[0]
        with pytest.raises(asyncpg.DataError):
            await connection.fetchval("select $1::timestamptz", "today")
    finally:
        await connection.close()
