"""The embedded PostgreSQL in test mode: one server per test process, migrated once, copied per module."""

import asyncio
import itertools
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable

from isthmus.engine.db import METADATA, EmbeddedPostgres, migrate

_NUMBERS = itertools.count(1)
#: Seconds until everybody who was cut has heard of it.
_HEARD = 0.1


@dataclass(frozen=True)
class Copy:
    """A migrated database of one's own: `url` for the pool, the others for tests that look behind it."""

    name: str
    url: str
    owner_url: str
    admin_url: str


def place() -> Path:
    """As root the server runs as another user, who must be able to pass through."""
    made = Path(tempfile.mkdtemp(prefix="isthmus-test-"))
    made.chmod(0o755)
    return made


@asynccontextmanager
async def server() -> AsyncIterator[EmbeddedPostgres]:
    """A server whose database `isthmus` is migrated and serves as the template; nobody else connects to it."""
    home = place()
    try:
        async with EmbeddedPostgres(home / "postgres", test_mode=True) as running:
            await migrate(running.owner_url)
            yield running
    finally:
        shutil.rmtree(home, ignore_errors=True)


@asynccontextmanager
async def copy(running: EmbeddedPostgres) -> AsyncIterator[Copy]:
    """A fresh migrated database, dropped at the end."""
    name = f"copy_{next(_NUMBERS)}"
    admin = await asyncpg.connect(running.address("postgres", "postgres"))
    try:
        await admin.execute(f"create database {name} template isthmus owner isthmus_owner strategy file_copy")
        # The rights on a database are not copied with it.
        await admin.execute(f"revoke all on database {name} from public")
        await admin.execute(f"grant connect on database {name} to isthmus_service")
        yield Copy(
            name,
            running.address("isthmus_service", name),
            running.address("isthmus_owner", name),
            running.address("postgres", name),
        )
        left = await admin.fetchval("select count(*) from pg_stat_activity where datname = $1", name)
        await admin.execute(f"drop database {name} with (force)")
        if left:
            await asyncio.sleep(_HEARD)  # whoever was cut hears of it while there is a loop to hear it in
    finally:
        await admin.close()


_SHAPE = {
    "column": """
        select c.relname || '.' || a.attname as name,
               format_type(a.atttypid, a.atttypmod) || case when a.attnotnull then ' not null' else '' end
                 || coalesce(' default ' || pg_get_expr(d.adbin, d.adrelid), '') as shape
        from pg_attribute a join pg_class c on c.oid = a.attrelid
        left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
        where c.relnamespace = $1::regnamespace and c.relkind in ('r', 'p') and a.attnum > 0 and not a.attisdropped
    """,
    "constraint": """
        select c.relname || '.' || k.conname as name, pg_get_constraintdef(k.oid) as shape
        from pg_constraint k join pg_class c on c.oid = k.conrelid
        where c.relnamespace = $1::regnamespace and k.contype <> 'n'
    """,
    "index": """
        select c.relname as name, pg_get_indexdef(c.oid) as shape
        from pg_class c where c.relnamespace = $1::regnamespace and c.relkind in ('i', 'I')
    """,
}


async def shape(connection: asyncpg.Connection, schema: str) -> dict[str, str]:
    """Every column, constraint and index of a schema, as the database itself describes it."""
    found = {}
    for kind, query in _SHAPE.items():
        for row in await connection.fetch(query, schema):
            found[f"{kind} {row['name']}"] = row["shape"].replace(f"{schema}.", "")
    return found


async def differences(connection: asyncpg.Connection) -> list[str]:
    """Where the migrated database is not what the tables in the code say; they are made in a schema beside it."""
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call] # SQLAlchemy leaves its dialects untyped
    await connection.execute("create schema beside; set search_path to beside, public")
    try:
        for table in METADATA.sorted_tables:
            await connection.execute(str(CreateTable(table).compile(dialect=dialect)))
            for index in sorted(table.indexes, key=lambda index: str(index.name)):
                await connection.execute(str(CreateIndex(index).compile(dialect=dialect)))
        said, real = await shape(connection, "beside"), await shape(connection, "public")
    finally:
        await connection.execute("set search_path to public; drop schema beside cascade")
    ours = {name: text for name, text in real.items() if "alembic_version" not in name}
    return [
        f"{name}: migrated {ours.get(name)}, in the code {said.get(name)}"
        for name in sorted(ours.keys() | said.keys())
        if ours.get(name) != said.get(name)
    ]
