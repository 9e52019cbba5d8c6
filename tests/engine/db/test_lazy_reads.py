"""Reads on a direct pool end with the next opening or after a moment, and nothing of them is carried over."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest
from sqlalchemy import Column, MetaData, Table, Text, bindparam, func, insert, select
from tests.house_database import Copy

from isthmus.engine.db import Database, statement
from isthmus.engine.db.migrations.ddl import protect
from isthmus.engine.db.statements import Statement

LINES = Table("lines", MetaData(), Column("tenant_id", Text, primary_key=True), Column("id", Text, primary_key=True))
_ADD = statement(insert(LINES).values(tenant_id=bindparam("tenant_id"), id=bindparam("id")))
_ADD_AND_TELL = statement(
    insert(LINES).values(tenant_id=bindparam("tenant_id"), id=bindparam("id")).returning(LINES.c.id)
)
_IDS = statement(select(LINES.c.id).order_by(LINES.c.id))
_COUNT = statement(select(func.count()).select_from(LINES))
_LOCKING = statement(select(LINES.c.id).with_for_update())
_CALLING = statement(select(func.pg_notify("x", "y")))
_DIVIDING = statement(select(LINES.c.id).where(func.count(LINES.c.id) > 0))


@pytest.fixture(scope="module")
async def owner(copied: Copy) -> AsyncIterator[asyncpg.Connection]:
    made: list[str] = []

    class Script:
        def execute(self, sqltext: str) -> None:
            made.append(sqltext)

    protect(Script(), "lines")
    connection = await asyncpg.connect(copied.owner_url)
    await connection.execute("create table lines (tenant_id text not null, id text not null)")
    await connection.execute("; ".join(made))
    await connection.close()
    beyond_the_wall = await asyncpg.connect(copied.admin_url)
    yield beyond_the_wall
    await beyond_the_wall.close()


@pytest.fixture
async def pool(copied: Copy, owner: asyncpg.Connection) -> AsyncIterator[Database]:
    await owner.execute("delete from lines; insert into lines values ('ten_a', 'one'), ('ten_b', 'two')")
    made = await Database.connect(copied.url, size=1, direct=True)
    yield made
    await made.close()


async def _state(pool: Database) -> bool:
    """Whether the only connection, at rest, is in a transaction."""
    connection = pool.pool.take()
    assert connection is not None
    open_still: bool = connection.is_in_transaction()
    pool.pool.release(connection, read=open_still)
    return open_still


@pytest.mark.parametrize(
    ("made", "harmless"), [(_IDS, True), (_COUNT, True), (_ADD_AND_TELL, False), (_LOCKING, False), (_CALLING, False)]
)
def test_only_a_plain_select_counts_as_a_read(made: Statement, harmless: bool) -> None:
    assert made.only_reads is harmless


async def test_TN_06_the_next_opening_ends_a_read_and_carries_nothing_over(pool: Database) -> None:
    async with pool.tenant("ten_a") as tx:
        assert [row["id"] for row in await tx.fetch(_IDS)] == ["one"]
    assert await _state(pool)
    async with pool.tenant("ten_b") as tx:
        assert [row["id"] for row in await tx.fetch(_IDS)] == ["two"]
    assert await _state(pool)
    async with pool.system() as tx:
        assert await tx.fetchval(_COUNT) == 2
        role = await tx.fetch_sql("select current_user::text, current_setting('isthmus.tenant', true)")
        assert tuple(role[0]) == ("isthmus_system", "")
    assert not await _state(pool)


async def test_a_write_after_a_read_has_a_transaction_of_its_own_and_is_there_at_once(
    pool: Database, owner: asyncpg.Connection
) -> None:
    async with pool.tenant("ten_a") as tx:
        await tx.fetch(_IDS)
    async with pool.tenant("ten_a") as tx:
        await tx.execute(_ADD, tenant_id="ten_a", id="three")
    assert await owner.fetchval("select count(*) from lines") == 3
    async with pool.tenant("ten_a") as tx:
        await tx.fetch(_IDS)
        assert await tx.fetchval(_ADD_AND_TELL, tenant_id="ten_a", id="four") == "four"
        await tx.fetch(_IDS)
    assert await owner.fetchval("select count(*) from lines") == 4
    assert not await _state(pool)


async def test_a_write_that_fails_after_a_read_takes_nothing_along(pool: Database, owner: asyncpg.Connection) -> None:
    async with pool.tenant("ten_a") as tx:
        await tx.fetch(_IDS)
    with pytest.raises(LookupError):
        async with pool.tenant("ten_a") as tx:
            await tx.execute(_ADD, tenant_id="ten_a", id="never")
            raise LookupError
    assert await owner.fetchval("select count(*) from lines") == 2
    assert not await _state(pool)


async def test_a_failed_read_that_is_passed_over_does_not_look_like_success(pool: Database) -> None:
    with pytest.raises(RuntimeError, match="nothing was written"):
        async with pool.tenant("ten_a") as tx:
            with pytest.raises(asyncpg.GroupingError):
                await tx.fetch(_DIVIDING)
    async with pool.tenant("ten_a") as tx:
        assert await tx.fetchval(_COUNT) == 1


async def test_a_read_that_nobody_follows_ends_after_a_moment_and_blocks_no_change_of_tables(
    pool: Database, owner: asyncpg.Connection
) -> None:
    async with pool.tenant("ten_a") as tx:
        await tx.fetch(_IDS)
    assert await _state(pool)
    async with asyncio.timeout(30):
        await owner.execute("alter table lines add column note text; alter table lines drop column note")
    async with pool.tenant("ten_a") as tx:
        await tx.fetch(_IDS)
    await asyncio.sleep(0.1)
    assert not await _state(pool)


async def test_who_waits_in_line_or_pings_ends_the_read_before(pool: Database) -> None:
    async def read(name: str) -> list[str]:
        async with pool.tenant(name) as tx:
            return [row["id"] for row in await tx.fetch(_IDS)]

    names = ["ten_a", "ten_b"] * 20
    assert await asyncio.gather(*map(read, names)) == [["one"], ["two"]] * 20
    await read("ten_a")
    assert await _state(pool)
    await pool.ping()
    assert not await _state(pool)


async def test_a_read_cut_at_rest_is_followed_by_a_new_connection(pool: Database, copied: Copy) -> None:
    async with pool.tenant("ten_a") as tx:
        await tx.fetch(_IDS)
    connection = pool.pool.take()
    assert connection is not None
    connection.terminate()
    pool.pool.release(connection, read=True)
    async with pool.tenant("ten_a") as tx:
        assert await tx.fetchval(_COUNT) == 1


async def test_closing_right_after_a_read_or_while_it_ends_leaves_nothing_open(copied: Copy, pool: Database) -> None:
    for pause in (0.0, 0.011, 0.012):
        made = await Database.connect(copied.url, size=2, direct=True)
        async with made.tenant("ten_a") as tx:
            await tx.fetch(_IDS)
        await asyncio.sleep(pause)
        async with asyncio.timeout(30):
            await made.close()
        assert not made.pool._endings


async def test_time_limits_of_a_direct_connection_are_made_once(copied: Copy) -> None:
    made = await Database.connect(copied.url, size=1, statement_timeout=7, direct=True)
    async with made.tenant("ten_a") as tx:
        found = await tx.fetch_sql(
            "select current_setting('statement_timeout'), current_setting('idle_in_transaction_session_timeout')"
        )
    assert tuple(found[0]) == ("7s", "14s")
    await made.close()


async def _beginning(pool: Database, tenant: str, *, written: bool = False) -> tuple[str, list[str]]:
    """What the connection was last begun by, and what a reader sees; a writer has a beginning of its own."""
    async with pool.tenant(tenant) as tx:
        seen = [row["id"] for row in await tx.fetch(_IDS)]
        if written:
            return str((await tx.fetch_sql("select now()::text"))[0][0]), seen
    connection = pool.pool.take()
    assert connection is not None
    begun = str(await connection.fetchval("select now()::text"))
    pool.pool.release(connection, read=True)
    return begun, seen


async def test_readers_of_one_tenant_share_a_beginning_for_a_moment_and_see_what_others_commit(
    pool: Database, owner: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("isthmus.engine.db.pool._SHARED_SECONDS", 60.0)
    monkeypatch.setattr("isthmus.engine.db.pool._READ_SECONDS", 60.0)
    first = await _beginning(pool, "ten_a")
    await owner.execute("insert into lines values ('ten_a', 'three')")
    second = await _beginning(pool, "ten_a")
    assert second == (first[0], ["one", "three"])
    written = await _beginning(pool, "ten_a", written=True)
    assert written[0] != first[0]
    third = await _beginning(pool, "ten_a")
    assert third[0] != written[0]
    monkeypatch.setattr("isthmus.engine.db.pool._SHARED_SECONDS", 0.0)
    assert (await _beginning(pool, "ten_a"))[0] != third[0]


async def test_TN_06_another_tenant_or_the_system_never_goes_on_in_a_read(
    pool: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("isthmus.engine.db.pool._SHARED_SECONDS", 60.0)
    first = await _beginning(pool, "ten_a")
    other = await _beginning(pool, "ten_b")
    assert other[0] != first[0]
    assert other[1] == ["two"]
    async with pool.system() as tx:
        assert await tx.fetchval(_COUNT) == 2
    assert (await _beginning(pool, "ten_a"))[1] == ["one"]


async def test_a_write_that_fails_in_a_gone_on_read_leaves_nothing(pool: Database, owner: asyncpg.Connection) -> None:
    await _beginning(pool, "ten_a")
    with pytest.raises(LookupError):
        async with pool.tenant("ten_a") as tx:
            await tx.fetch(_IDS)
            await tx.execute(_ADD, tenant_id="ten_a", id="never")
            raise LookupError
    assert await owner.fetchval("select count(*) from lines") == 2
