"""Single asyncpg connections, and what their failures mean to a caller."""

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import asyncpg
import msgspec

from isthmus.engine.db.errors import (
    DatabaseCrossed,
    DatabaseFull,
    DatabaseReadOnly,
    DatabaseSlow,
    DatabaseUnavailable,
    DatabaseUnsuitable,
)
from isthmus.kit import priority
from isthmus.kit.errors import Problem

CONNECT_TIMEOUT = 5.0
_ENCODER = msgspec.json.Encoder(decimal_format="string")
_DECODER = msgspec.json.Decoder()
#: Where PostgreSQL counts its microseconds from.
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_FIRST, _LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
_NUL = re.compile(rb"(?<!\\)((?:\\\\)*)\\u0000")
_LOST = re.compile("closed|closing|released back")
_PASSWORD = re.compile(r"(?<=://).*@|(?<=password=)[^&]*")

#: The server is there but cannot serve: starting, stopping, out of places, or it cut the session.
_AWAY = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.TooManyConnectionsError,
    asyncpg.ConnectionDoesNotExistError,
    # What the driver says between the server's farewell and the end of the stream.
    asyncpg.InternalClientError,
)
_REFUSED = (
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InsufficientPrivilegeError,
)


def _encode(value: object) -> bytes:
    text = value if isinstance(value, bytes) else _ENCODER.encode(value)
    # What a platform sent may hold it, and PostgreSQL cannot: one such text would undo all that is written with it.
    return b"\x01" + (_NUL.sub(rb"\1\\ufffd", text) if b"\\u0000" in text else text)


def _decode(data: bytes) -> object:
    found: object = _DECODER.decode(memoryview(data)[1:])
    return found


def _microseconds(moment: datetime) -> tuple[int]:
    since = moment.astimezone(UTC) - _EPOCH
    return ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds,)


@lru_cache(maxsize=4_096)
def _moment(sent: tuple[int]) -> datetime:
    """Rows that were written together share their times: one that is known costs a fifth of one that is made."""
    try:
        return _EPOCH + timedelta(0, 0, sent[0])
    except OverflowError:  # infinity
        return _LAST if sent[0] > 0 else _FIRST


async def prepare(connection: asyncpg.Connection) -> None:
    """JSON by msgspec: bytes are taken as ready JSON, everything else is encoded; U+0000 becomes U+FFFD (PA-03).

    Times as the driver has them, aware and in UTC, each made once.
    """
    await connection.set_type_codec(
        "timestamptz", schema="pg_catalog", encoder=_microseconds, decoder=_moment, format="tuple"
    )
    await connection.set_type_codec("jsonb", schema="pg_catalog", encoder=_encode, decoder=_decode, format="binary")


def step_back(connection: asyncpg.Connection, nice: int) -> None:
    """Have the server's process of this session give way to others. Only for a server on this machine."""
    priority.step_back(connection.get_server_pid(), nice)


async def connect(
    url: str,
    *,
    statement_cache_size: int = 100,
    command_timeout: float | None = 60.0,
    role: str | None = None,
    json: bool = True,
) -> asyncpg.Connection:
    """One direct connection, for LISTEN and for the queue. Raises DatabaseUnavailable or DatabaseUnsuitable."""
    with translated(url):
        connection = await asyncpg.connect(
            url,
            timeout=CONNECT_TIMEOUT,
            statement_cache_size=statement_cache_size,
            command_timeout=command_timeout,
        )
        try:
            if json:
                await prepare(connection)
            if role is not None:
                await connection.execute(f"set role {role}")
        except BaseException:
            connection.terminate()
            raise
    return connection


async def close_quietly(connection: asyncpg.Connection) -> None:
    """Close a connection that may be dead already."""
    with suppress(OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError):
        await connection.close(timeout=1.0)


@contextmanager
def translated(url: str = "") -> Iterator[None]:
    """Failures of the driver leave as what they mean; mistakes of ours as they are."""
    try:
        yield
    except BaseException as failure:
        meaning = translate(failure, url)
        if meaning is failure:
            raise
        raise meaning from failure


def translate(failure: BaseException, url: str = "") -> BaseException:
    """The Problem a failure of the driver means, or the failure itself when it is a mistake of ours."""
    found: Problem | None = None
    if isinstance(failure, asyncpg.QueryCanceledError):
        found = DatabaseSlow()
    elif isinstance(failure, asyncpg.DiskFullError | asyncpg.OutOfMemoryError):
        found = DatabaseFull()
    elif isinstance(failure, asyncpg.DeadlockDetectedError | asyncpg.SerializationError):
        found = DatabaseCrossed(retry_after=1.0)
    elif isinstance(failure, asyncpg.ReadOnlySQLTransactionError):
        found = DatabaseReadOnly()
    elif isinstance(failure, asyncpg.InterfaceError) and not isinstance(failure, asyncpg.ClientConfigurationError):
        found = DatabaseUnavailable(retry_after=1.0) if _LOST.search(str(failure)) else None
    elif isinstance(failure, _AWAY):
        said = f"The database at {_PASSWORD.sub('***', url)} cannot be reached; try again shortly." if url else None
        found = DatabaseUnavailable(said, retry_after=1.0)
    elif url and isinstance(failure, asyncpg.ClientConfigurationError | ValueError):
        found = DatabaseUnsuitable("the address of the database is not one of PostgreSQL: postgresql://user@host/name")
    elif url and isinstance(failure, _REFUSED):
        found = DatabaseUnsuitable(f"the database at {_PASSWORD.sub('***', url)} cannot be used: {failure}")
    return found or failure
