"""Brings a database's schema up to date: in one transaction, one process at a time, embedded or external."""

from pathlib import Path
from typing import Final

import asyncpg

from isthmus.engine.db import binaries, connections
from isthmus.engine.db.errors import DatabaseUnsuitable
from isthmus.engine.db.upgrade import script

_FOLDER: Final = Path(__file__).with_name("migrations")
_ONE_AT_A_TIME: Final = "select pg_advisory_xact_lock(359923713)"
_THERE: Final = "select to_regclass('public.alembic_version') is not null"
_DONE: Final = "select version_num from public.alembic_version"
_EXTENSIONS: Final = ("pg_trgm", "unaccent")


def latest() -> str:
    """The newest step that this code knows."""
    return max(path.name.split("_", 1)[0] for path in (_FOLDER / "versions").glob("[0-9]*_*.py"))


async def migrate(url: str) -> str:
    """Run the steps that are missing and return the number of the newest.

    `url` is that of the owner, who needs no superuser rights but CREATEROLE and CREATE on the database; where no step
    is missing, that of the service will do. Raises DatabaseUnavailable, or DatabaseUnsuitable with what is missing.
    """
    connection = await connections.connect(url, statement_cache_size=0, command_timeout=None)
    try:
        if await _state(connection) != latest():
            await _upgrade(connection)
    except (asyncpg.InsufficientPrivilegeError, asyncpg.InvalidGrantOperationError) as failure:
        if await _is_done(url):
            return latest()
        raise DatabaseUnsuitable(
            f"the database user lacks a right that migrations need (CREATEROLE, CREATE on the database): {failure}"
        ) from failure
    finally:
        await connection.close()
    return latest()


async def _is_done(url: str) -> bool:
    """Whether no step is missing, as the service sees it."""
    try:
        await require(url)
    except (DatabaseUnsuitable, asyncpg.PostgresError):
        return False
    return True


async def require(url: str) -> None:
    """Whether the steps that this code needs were made; for processes that do not make them themselves.

    `url` is that of the service. Raises DatabaseUnsuitable with what to do, or DatabaseUnavailable.
    """
    connection = await connections.connect(url, statement_cache_size=0)
    try:
        done = "0000"
        if await connection.fetchval(_THERE):
            async with connection.transaction():
                await connection.execute("set local role isthmus_system")
                done = await connection.fetchval(_DONE)
    finally:
        await connection.close()
    if done < latest():
        state = "has no tables yet" if done == "0000" else f"is at step {done} and this Isthmus needs {latest()}"
        raise DatabaseUnsuitable(f"the database {state}: run `isthmus migrate`, or start `isthmus up`")


async def _state(connection: asyncpg.Connection) -> str | None:
    """The newest step done, None on an empty database. Raises DatabaseUnsuitable."""
    version = connection.get_server_version()
    if version.major < binaries.OLDEST:
        raise DatabaseUnsuitable(f"the database server is PostgreSQL {version.major}; {binaries.OLDEST} is the oldest")
    there = "select name from pg_available_extensions where name = any($1::text[])"
    missing = set(_EXTENSIONS) - {row["name"] for row in await connection.fetch(there, list(_EXTENSIONS))}
    if missing:
        raise DatabaseUnsuitable(
            f"the database server has no extension {', '.join(sorted(missing))}: install PostgreSQL's contrib package"
        )
    if not await connection.fetchval(_THERE):
        return None
    done: str | None = await connection.fetchval(_DONE)
    if done is not None and done > latest():
        raise DatabaseUnsuitable(
            f"the database is at step {done}, this Isthmus knows steps up to {latest()}: it is older than the database"
        )
    return done


async def _upgrade(connection: asyncpg.Connection) -> None:
    async with connection.transaction():
        await connection.execute("set local statement_timeout = 0; set local client_min_messages = warning")
        await connection.execute(_ONE_AT_A_TIME)
        done = await _state(connection)  # another process may have been first
        if done != latest():
            await connection.execute(script(_FOLDER, done))
