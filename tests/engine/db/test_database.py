"""Transactions: the tenant wall, clean connections, and a database that is away."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal

import asyncpg
import pytest
from sqlalchemy import Column, DateTime, Integer, MetaData, Numeric, Table, Text, bindparam, func, insert, select
from sqlalchemy.dialects.postgresql import JSONB
from tests.given.pooling import Pooler
from tests.house_database import Copy

from isthmus.engine.db import Database, DatabaseSlow, DatabaseUnavailable, DatabaseUnsuitable, statement
from isthmus.engine.db.migrations.ddl import protect

NOTES = Table(
    "notes",
    MetaData(),
    Column("tenant_id", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("size", Integer),
    Column("price", Numeric),
    Column("at", DateTime(timezone=True)),
    Column("body", JSONB),
)
_ADD = statement(insert(NOTES).values({name: bindparam(name) for name in NOTES.c.keys()}))  # noqa: SIM118
_SLIM = statement(insert(NOTES).values(tenant_id=bindparam("tenant_id"), id=bindparam("id"), size=7))
_ALL = statement(select(NOTES.c.tenant_id, NOTES.c.id).order_by(NOTES.c.id))
_ONE = statement(
    select(NOTES).where(NOTES.c.tenant_id == bindparam("tenant_id"), NOTES.c.id == bindparam("id"), NOTES.c.size == 7)
)
_COUNT = statement(select(func.count()).select_from(NOTES))


@pytest.fixture(scope="module")
async def notes(copied: Copy, database: Database) -> Database:
    """The pool, beside a table protected as migrations protect it."""
    lines: list[str] = []

    class Script:
        def execute(self, sqltext: str) -> None:
            lines.append(sqltext)

    protect(Script(), "notes")
    owner = await asyncpg.connect(copied.owner_url)
    await owner.execute(
        "create table notes (tenant_id text not null, id text not null, size int, price numeric, at timestamptz,"
        " body jsonb, primary key (tenant_id, id))"
    )
    await owner.execute("; ".join(lines))
    await owner.close()
    return database


async def test_values_come_back_as_they_went(notes: Database) -> None:
    at = datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)
    row = {"tenant_id": "ten_v", "id": "a", "size": 7, "price": Decimal("1.10"), "at": at, "body": {"x": [1, None]}}
    async with notes.tenant("ten_v") as tx:
        assert await tx.execute(_ADD, **row) == 1
        await tx.execute_many(_ADD, [row | {"id": "b", "body": b'{"ready":true}'}])
    async with notes.tenant("ten_v") as tx:
        found = await tx.fetchrow(_ONE, tenant_id="ten_v", id="a")
        assert found is not None
        assert dict(found) == row
        assert str(found["price"]) == "1.10"
        assert found["at"].tzinfo is not None
        assert await tx.fetchval(_COUNT) == 2
        assert (await tx.fetch_sql("select body from notes where id = $1", "b"))[0][0] == {"ready": True}
        assert await tx.execute_sql("delete from notes where tenant_id = $1", "ten_v") == 2


@pytest.mark.parametrize(
    ("body", "kept"),
    [
        ({"a\x00": ["\x00\x00", "b"]}, {"a\ufffd": ["\ufffd\ufffd", "b"]}),
        (b'{"a":"\\u0000\\\\u0000\\\\\\u0000"}', {"a": "\ufffd\\u0000\\\ufffd"}),
        ({"a": "\\u0000", "b": "\\"}, {"a": "\\u0000", "b": "\\"}),
    ],
)
async def test_PA_03_what_the_database_cannot_hold_undoes_nothing_that_is_written_with_it(
    notes: Database, body: object, kept: object
) -> None:
    async with notes.tenant("ten_nul") as tx:
        await tx.execute_sql("insert into notes (tenant_id, id, body) values ($1, 'a', $2)", "ten_nul", body)
        assert (await tx.fetch_sql("select body from notes where tenant_id = $1", "ten_nul"))[0][0] == kept
        await tx.execute_sql("delete from notes where tenant_id = $1", "ten_nul")


async def test_a_statement_names_what_it_takes(notes: Database) -> None:
    async with notes.tenant("ten_v") as tx:
        with pytest.raises(TypeError, match=r"takes \['id', 'tenant_id'\]"):
            await tx.execute(_SLIM, id="a")
        with pytest.raises(TypeError):
            await tx.execute(_SLIM, id="a", tenant_id="ten_v", size=1)
    growing = statement(select(NOTES.c.id).where(NOTES.c.id.in_(["a"])))
    with pytest.raises(ValueError, match="in_"):
        growing.bind({})


async def test_TN_06_one_tenant_never_sees_or_writes_another(notes: Database) -> None:
    async with notes.tenant("ten_a") as tx:
        await tx.execute(_SLIM, tenant_id="ten_a", id="mine")
    async with notes.tenant("ten_b") as tx:
        assert await tx.fetch(_ALL) == []
        assert await tx.execute_sql("update notes set size = 0") == 0
        assert await tx.execute_sql("delete from notes") == 0
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
        async with notes.tenant("ten_b") as tx:
            await tx.execute(_SLIM, tenant_id="ten_a", id="planted")
    async with notes.system() as tx:
        assert await tx.fetchval(_COUNT) == 1


async def test_TN_06_a_tenant_that_was_never_set_or_ended_is_an_error(copied: Copy, notes: Database) -> None:
    raw = await asyncpg.connect(copied.url)
    try:
        await raw.execute("set role isthmus_tenant")
        with pytest.raises(asyncpg.UndefinedObjectError):
            await raw.fetch("select id from notes")
        await raw.execute("begin; set local isthmus.tenant = 'ten_a'; commit")
        with pytest.raises(asyncpg.CheckViolationError, match="tenant_is_set"):
            await raw.fetch("select id from notes")
        with pytest.raises(asyncpg.CheckViolationError, match="tenant_is_set"):
            await raw.execute("insert into notes (tenant_id, id) values ('', 'x')")
    finally:
        await raw.close()


@pytest.mark.parametrize("text", ["", "a'b", "a b", "'; drop table notes", "é", "x" * 101])
async def test_a_malformed_tenant_id_never_reaches_sql(notes: Database, text: str) -> None:
    with pytest.raises(ValueError, match="tenant"):
        notes.tenant(text)


async def _thousands(pool: Database, count: int, mark: str) -> None:
    """Tasks of twenty tenants; a fifth of them fail and a fifth are cancelled half-way; none sees a foreign row."""
    tenants = [f"ten_{mark}_{number}" for number in range(20)]
    for name in tenants:
        async with pool.tenant(name) as tx:
            await tx.execute(_SLIM, tenant_id=name, id="row")
    seen: list[tuple[str, str]] = []

    async def visit(number: int) -> None:
        name = tenants[number % len(tenants)]
        async with pool.tenant(name) as tx:
            seen.extend((name, row["tenant_id"]) for row in await tx.fetch(_ALL))
            if number % 5 == 0:
                raise LookupError
            if number % 5 == 1:
                await tx.execute(_SLIM, tenant_id=name, id=f"never_{number}")
                tasks[number].cancel()
                await tx.fetch_sql("select pg_sleep(5)")

    tasks = [asyncio.create_task(visit(number)) for number in range(count)]
    results = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 60 + count / 50)
    assert sum(isinstance(result, LookupError) for result in results) == count // 5
    assert sum(isinstance(result, asyncio.CancelledError) for result in results) == count // 5
    assert sum(result is None for result in results) == count * 3 // 5
    assert len(seen) == count
    assert all(asked == got for asked, got in seen)
    async with pool.system() as tx:
        assert await tx.fetch_sql("select id from notes where id like 'never%'") == []


@pytest.mark.parametrize("count", [2_000, pytest.param(10_000, marks=pytest.mark.proof)])
async def test_TN_06_thousands_of_tasks_over_four_connections_carry_nothing_over(
    copied: Copy, notes: Database, count: int
) -> None:
    pool = await Database.connect(copied.url, size=4, acquire_timeout=60)
    try:
        await _thousands(pool, count, f"own_{count}")
    finally:
        await pool.close()


@pytest.mark.parametrize("count", [500, pytest.param(10_000, marks=pytest.mark.proof)])
async def test_TN_06_nothing_is_carried_over_where_a_pooler_lends_four_sessions_by_transaction(
    copied: Copy, notes: Database, count: int
) -> None:
    """As behind PgBouncer: the next transaction on a session may be anybody's, and nothing is cleaned in between."""
    async with Pooler(copied.url, 4).running() as pooler:
        pool = await Database.connect(pooler.url, size=12, acquire_timeout=300, statement_cache_size=0)
        try:
            await _thousands(pool, count, f"lent_{count}")
        finally:
            await pool.close()
        assert pooler.cancelled
        lent = [len(set(session.lent)) for session in pooler.sessions]
        assert sum(lent) > 12, "sessions went from hand to hand"


async def test_a_pooler_by_transaction_carries_over_what_is_set_for_longer(copied: Copy) -> None:
    """Which is why nothing of ours is."""
    async with Pooler(copied.url, 1).running() as pooler:
        one, other = await asyncpg.connect(pooler.url), await asyncpg.connect(pooler.url)
        await one.execute("set isthmus.tenant = 'ten_left'")
        assert await other.fetchval("select current_setting('isthmus.tenant')") == "ten_left"
        await one.close()
        await other.close()


async def test_cancelled_at_any_moment_a_transaction_is_whole_or_not_there(copied: Copy, notes: Database) -> None:
    pool = await Database.connect(copied.url, size=2)
    loop = asyncio.get_running_loop()
    outcomes = []

    async def pair(number: int) -> None:
        async with pool.tenant("ten_cancel") as tx:
            await tx.execute(_SLIM, tenant_id="ten_cancel", id=f"{number}a")
            await tx.execute(_SLIM, tenant_id="ten_cancel", id=f"{number}b")

    try:
        for number in range(120):
            task = asyncio.create_task(pair(number))
            loop.call_later(number * 0.00002, task.cancel)
            outcomes.append((await asyncio.gather(task, return_exceptions=True))[0])
        async with pool.tenant("ten_cancel") as tx:
            found = [row["id"] for row in await tx.fetch(_ALL)]
        assert {name[:-1] for name in found if name.endswith("a")} == {
            name[:-1] for name in found if name.endswith("b")
        }
        assert {type(outcome) for outcome in outcomes} <= {type(None), asyncio.CancelledError}
        committed = {str(number) for number, outcome in enumerate(outcomes) if outcome is None}
        assert committed <= {name[:-1] for name in found}
    finally:
        await pool.close()


async def test_a_failed_statement_that_is_passed_over_does_not_look_like_success(notes: Database) -> None:
    with pytest.raises(RuntimeError, match="nothing was written"):
        async with notes.tenant("ten_c") as tx:
            with pytest.raises(asyncpg.UndefinedTableError):
                await tx.execute_sql("select missing from nowhere")


async def test_a_slow_statement_ends_with_a_clear_problem(copied: Copy) -> None:
    pool = await Database.connect(copied.url, size=1, statement_timeout=0.05)
    try:
        with pytest.raises(DatabaseSlow):
            async with pool.system() as tx:
                await tx.fetch_sql("select pg_sleep(5)")
        async with pool.system() as tx:
            assert (await tx.fetch_sql("select 1"))[0][0] == 1
    finally:
        await pool.close()


async def test_PR_15_no_free_connection_and_a_cut_session_are_unavailable_then_heal(copied: Copy) -> None:
    pool = await Database.connect(copied.url, size=1, acquire_timeout=0.3)
    try:
        async with pool.system() as tx:
            with pytest.raises(DatabaseUnavailable):
                async with pool.system():
                    raise AssertionError("there is only one connection")
            pid = (await tx.fetch_sql("select pg_backend_pid()"))[0][0]
        admin = await asyncpg.connect(copied.admin_url)
        with pytest.raises(DatabaseUnavailable):
            async with pool.system() as tx:
                await admin.execute("select pg_terminate_backend($1)", pid)
                await tx.fetch_sql("select pg_sleep(1)")
        await admin.close()
        async with pool.system() as tx:
            assert (await tx.fetch_sql("select 1"))[0][0] == 1
        await pool.ping()
    finally:
        await pool.close()


async def test_a_wrong_address_says_so_without_the_password() -> None:
    for url in (
        "postgresql://someone:hunter22@127.0.0.1:1/none",
        "postgresql://x@/none?host=/nowhere&password=hunter22",
    ):
        with pytest.raises(DatabaseUnavailable) as caught:
            await Database.connect(url)
        assert "hunter22" not in str(caught.value)
    for url in ("http://someone:hunter22@nowhere", "postgresql://someone:hunter22/x@nowhere/y", "hunter22"):
        with pytest.raises(DatabaseUnsuitable) as refused:
            await Database.connect(url)
        assert "hunter22" not in str(refused.value)


async def test_the_hook_spans_exactly_the_transaction(copied: Copy) -> None:
    steps: list[str] = []

    @contextmanager
    def hook() -> Iterator[None]:
        steps.append("open")
        yield
        steps.append("closed")

    pool = await Database.connect(copied.url, on_open=hook)
    async with pool.system():
        assert steps == ["open"]
    assert steps == ["open", "closed"]
    with pytest.raises(LookupError):
        async with pool.system():
            raise LookupError
    assert steps == ["open", "closed"] * 2
    await pool.close()


async def test_works_as_a_transaction_pooler_needs_it(copied: Copy, notes: Database) -> None:
    """No statement is kept on the server and nothing is set for longer than a transaction."""
    pool = await Database.connect(copied.url, size=1, statement_cache_size=0)
    try:
        async with pool.tenant("ten_p") as tx:
            await tx.execute(_SLIM, tenant_id="ten_p", id="a")
            assert len(await tx.fetch(_ALL)) == 1
            assert await tx.fetch_sql("select name from pg_prepared_statements where not from_sql") == []
        async with pool.system() as tx:
            assert (await tx.fetch_sql("select current_setting('isthmus.tenant', true)"))[0][0] in (None, "")
    finally:
        await pool.close()


async def test_TN_10_nobody_sees_what_other_sessions_do(copied: Copy, notes: Database) -> None:
    for look in ("select query from pg_stat_activity", "select query from pg_stat_statements"):
        for opened in (notes.tenant("ten_a"), notes.system()):
            with pytest.raises((asyncpg.InsufficientPrivilegeError, asyncpg.UndefinedTableError)):
                async with opened as tx:
                    await tx.execute_sql(look)
    # nor by the function behind the view: of every other session it tells that there is one
    other = await asyncpg.connect(copied.url)
    await other.execute("set role isthmus_tenant; select 'of another tenant'")
    told = "select query from pg_stat_get_activity(null) where pid <> pg_backend_pid()"
    for opened in (notes.tenant("ten_a"), notes.system()):
        async with opened as tx:
            seen = {row["query"] for row in await tx.fetch_sql(told)}
        assert seen == {"<insufficient privilege>"}
    await other.close()
