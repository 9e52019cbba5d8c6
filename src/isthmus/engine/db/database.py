"""The pool, and the only two ways into the database: as one tenant, or as the system.

A transaction enters its role and tenant by `set local` in the trip that opens it, so nothing stays on
the connection and a transaction pooler in between does no harm (design/engine.md 5).
"""

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from types import TracebackType
from typing import Any, Self

import asyncpg

from isthmus.engine.db import connections, lower
from isthmus.engine.db.pool import Pool
from isthmus.engine.db.statements import Statement
from isthmus.engine.db.turns import Turns

TENANT_ROLE, SYSTEM_ROLE = "isthmus_tenant", "isthmus_system"
_TENANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,99}", re.ASCII)
_ROLLBACK_DEADLINE = 5.0
OnOpen = Callable[[], AbstractContextManager[object]]


def is_tenant_id(text: str) -> bool:
    """Whether this has the form of a tenant's id."""
    return _TENANT.fullmatch(text) is not None


class Tx:
    """One open transaction: a role, perhaps a tenant, and the connection they hold on."""

    __slots__ = ("_opening", "tenant_id")

    def __init__(self, opening: "Opening") -> None:
        self._opening = opening
        self.tenant_id = opening.tenant_id

    async def connection(self) -> asyncpg.Connection:
        """The connection. Raises RuntimeError once the transaction has ended: it may be somebody else's by then.

        Nobody watches what is done on it: such a transaction counts as one that wrote.
        """
        return await self._opening.to_write()

    async def fetch(self, st: Statement, /, **parameters: object) -> list[asyncpg.Record]:
        """All rows."""
        opening = self._opening
        connection = opening.connection if st.only_reads else await opening.to_write()
        reads, opening.only_reads = opening.only_reads, False
        rows: list[asyncpg.Record] = await connection.fetch(st.sql, *st.bind(parameters))
        opening.only_reads = reads  # not before it has come back: a failed statement spoils the transaction
        if opening.gate is not None:
            await opening.gate()
        return rows

    async def fetchrow(self, st: Statement, /, **parameters: object) -> asyncpg.Record | None:
        """The first row, or None."""
        opening = self._opening
        connection = opening.connection if st.only_reads else await opening.to_write()
        reads, opening.only_reads = opening.only_reads, False
        row: asyncpg.Record | None = await connection.fetchrow(st.sql, *st.bind(parameters))
        opening.only_reads = reads
        return row

    async def fetchval(self, st: Statement, /, **parameters: object) -> Any:  # noqa: ANN401 - a column of any type
        """The first value of the first row, or None."""
        opening = self._opening
        connection = opening.connection if st.only_reads else await opening.to_write()
        reads, opening.only_reads = opening.only_reads, False
        value = await connection.fetchval(st.sql, *st.bind(parameters))
        opening.only_reads = reads
        return value

    async def execute(self, st: Statement, /, **parameters: object) -> int:
        """The number of rows touched."""
        return _count(await (await self.connection()).execute(st.sql, *st.bind(parameters)))

    async def execute_many(self, st: Statement, rows: Sequence[Mapping[str, object]]) -> None:
        """The same statement for many rows, in one trip."""
        await (await self.connection()).executemany(st.sql, [st.bind(row) for row in rows])

    async def fetch_sql(self, sql: str, *arguments: object) -> list[asyncpg.Record]:
        """A hand-written, set-based statement; `sql` is a literal constant."""
        rows: list[asyncpg.Record] = await (await self.connection()).fetch(sql, *arguments)
        if self._opening.gate is not None:
            await self._opening.gate()
        return rows

    async def execute_sql(self, sql: str, *arguments: object) -> int:
        """A hand-written, set-based statement; the number of rows touched."""
        return _count(await (await self.connection()).execute(sql, *arguments))


def _count(status: str) -> int:
    last = status.rpartition(" ")[2]
    return int(last) if last.isdecimal() else 0


def _limits(statement_timeout: float) -> tuple[tuple[str, int], ...]:
    """The server's own time limits, in milliseconds."""
    return (
        ("statement_timeout", int(statement_timeout * 1000)),
        ("idle_in_transaction_session_timeout", int(statement_timeout * 2000)),
    )


def _raise_meaning(failure: BaseException) -> None:
    """Raise what a failure of the driver means; a failure that means itself is left to the caller."""
    meaning = connections.translate(failure)
    if meaning is not failure:
        raise meaning from failure


class Opening:
    """Opens a transaction, commits it on a clean exit, rolls it back on any other, cancellation included."""

    __slots__ = (
        "_begin",
        "_connection",
        "_goes_on",
        "_hook",
        "_on_open",
        "_pool",
        "_timeout",
        "_turns",
        "gate",
        "only_reads",
        "tenant_id",
    )

    def __init__(self, database: "Database", begin: str, tenant_id: str | None) -> None:
        #: Waits until others have gone by; None where nobody has to be.
        self.gate = lower.gate()
        self._pool = database.pool if self.gate is None or database.lower is None else database.lower
        self._begin = begin
        self.tenant_id = tenant_id
        self._timeout = database.acquire_timeout
        #: Whether nothing but reads was done, so that the end may wait for whoever takes the connection next.
        self.only_reads = database.lazy
        self._on_open = database.on_open
        #: The tenant's part of the pool, while the transaction may still take a turn of it.
        self._turns = database.turns if tenant_id is not None else None
        #: Whether the transaction is one that a reader before began: good enough to read in, not to write in.
        self._goes_on = False
        self._connection: asyncpg.Connection | None = None
        self._hook: AbstractContextManager[object] | None = None

    @property
    def connection(self) -> asyncpg.Connection:
        """The connection, while the transaction is open. Raises RuntimeError after it."""
        if self._connection is None:
            raise RuntimeError("the transaction has ended")
        return self._connection

    async def __aenter__(self) -> Tx:
        if self._turns is not None and self.tenant_id is not None and not self._turns.take(self.tenant_id):
            await self._wait(self._turns, self.tenant_id)
        try:
            connection = self._connection = self._pool.take() or await self._pool.acquire(self._timeout)
            self._goes_on = self.only_reads and self._pool.goes_on(connection, self._begin)
            if not self._goes_on:
                await self._open(connection)
            if self._on_open is not None:
                self._hook = self._on_open()
                self._hook.__enter__()
        except BaseException as failure:
            try:
                await self._abandon()
            finally:
                self._leave()
            _raise_meaning(failure)
            raise
        return Tx(self)

    async def _wait(self, turns: Turns, tenant_id: str) -> None:
        try:
            await turns.wait(tenant_id, self._timeout)
        except BaseException:
            self._turns = None  # there is none to leave
            raise

    def _leave(self) -> None:
        """The tenant's next one may have the turn."""
        turns, self._turns = self._turns, None
        if turns is not None and self.tenant_id is not None:
            turns.leave(self.tenant_id)

    async def to_write(self) -> asyncpg.Connection:
        """The connection in a transaction of our own: it has a beginning, and a time, that nobody else had."""
        connection = self.connection
        self.only_reads = False
        if self._goes_on:
            self._goes_on = False
            await self._open(connection)
        return connection

    async def _open(self, connection: asyncpg.Connection) -> None:
        """Begin, in the same trip that ends the read of somebody before."""
        open_still = connection.is_in_transaction()
        await connection.execute(self._begin.replace("begin", "commit and chain", 1) if open_still else self._begin)
        if self.only_reads:
            self._pool.began(connection, self._begin)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._hook is not None:
                self._hook.__exit__(None, None, None)
            if error is not None:
                await self._abandon()
                _raise_meaning(error)
                return  # the failure goes on its way
            await self._commit()
        finally:
            self._leave()

    async def _commit(self) -> None:
        connection = self.connection
        if self.only_reads:
            self._connection = None
            self._pool.release(connection, read=True)
            return
        try:
            status = await connection.execute("commit")
        except BaseException as failure:
            await self._abandon()
            _raise_meaning(failure)
            raise
        self._connection = None
        self._pool.release(connection)
        if status != "COMMIT":
            raise RuntimeError("a statement of this transaction failed and was passed over: nothing was written")

    async def _abandon(self) -> None:
        """Roll back and give the connection back; when that is not certain, cut it."""
        connection = self._connection
        if connection is None:
            return
        self._connection = None
        try:
            await asyncio.wait_for(connection.execute("rollback"), _ROLLBACK_DEADLINE)
        except BaseException as failure:
            connection.terminate()
            if isinstance(failure, asyncio.CancelledError):
                raise
        finally:
            self._pool.release(connection)


class Database:
    """A pool of connections that log in as a user without rights of its own."""

    def __init__(
        self,
        url: str,
        pool: Pool,
        *,
        acquire_timeout: float,
        statement_timeout: float,
        on_open: OnOpen | None = None,
        direct: bool = False,
        tenant_share: int | None = None,
    ) -> None:
        self.url = url
        self.pool = pool
        #: Connections of their own for what is heavy; None where it has the same as all else.
        self.lower: Pool | None = None
        self._nice = 0
        self.acquire_timeout = acquire_timeout
        self.on_open = on_open
        #: Whether a transaction that only read may be gone on in.
        self.lazy = direct
        #: The part of the pool that one tenant may have at a time; None for all of it.
        self.turns = Turns(tenant_share) if tenant_share is not None else None
        limits = "" if direct else "".join(f"; set local {name} = {ms}" for name, ms in _limits(statement_timeout))
        self._limits = limits
        self._as_system = f"begin; set local role {SYSTEM_ROLE}{limits}"

    @classmethod
    async def connect(
        cls,
        url: str,
        *,
        size: int = 10,
        acquire_timeout: float = 5.0,
        statement_timeout: float = 30.0,
        statement_cache_size: int = 400,
        on_open: OnOpen | None = None,
        direct: bool = False,
        tenant_share: int | None = None,
    ) -> Self:
        """Open the pool. `statement_cache_size=0` behind a transaction pooler that knows no prepared statements.

        direct: nothing stands between this pool and PostgreSQL, so a connection is one session for life. Limits are
        then made once, and a transaction that only read is gone on in by readers of the same tenant for a moment; it
        ends in the trip that opens another one on its connection, or when nobody comes. tenant_share: the most
        transactions of one tenant at a time. Raises DatabaseUnavailable or DatabaseUnsuitable when the first connection
        fails.
        """
        limits = {name: str(ms) for name, ms in _limits(statement_timeout)} if direct else None

        async def open_one() -> asyncpg.Connection:
            connection = await asyncpg.connect(
                url,
                timeout=connections.CONNECT_TIMEOUT,
                command_timeout=statement_timeout + 5.0,
                statement_cache_size=statement_cache_size,
                max_cached_statement_lifetime=0,
                server_settings=limits,
            )
            try:
                await connections.prepare(connection)
            except BaseException:
                connection.terminate()
                raise
            return connection

        with connections.translated(url):
            first = await open_one()
        pool = Pool(open_one, size, first)
        return cls(
            url,
            pool,
            acquire_timeout=acquire_timeout,
            statement_timeout=statement_timeout,
            on_open=on_open,
            direct=direct,
            tenant_share=tenant_share,
        )

    def tenant(self, tenant_id: str) -> Opening:
        """A transaction that sees one tenant's rows, by row-level security. Raises ValueError for a malformed id."""
        if not is_tenant_id(tenant_id):
            raise ValueError("not a tenant id")
        begin = f"begin; set local role {TENANT_ROLE}; set local isthmus.tenant = '{tenant_id}'{self._limits}"
        return Opening(self, begin, tenant_id)

    def system(self) -> Opening:
        """A transaction for statements that span tenants by nature; every caller is on a list a check holds."""
        return Opening(self, self._as_system, None)

    @property
    def use(self) -> tuple[int, int, int]:
        """How many connections are lent, how many rest, and how many callers wait for one."""
        if self.lower is None:
            return self.pool.use
        (lent, idle, waiting), (more, resting, others) = self.pool.use, self.lower.use
        return lent + more, idle + resting, waiting + others

    def step_back(self, nice: int) -> None:
        """Have the server's processes behind this pool give way to those of others; only on the server's machine."""
        self._nice = nice
        self.pool.each(self.align)

    def align(self, connection: asyncpg.Connection) -> None:
        """Have a session beside the pool give way as those of the pool do."""
        connections.step_back(connection, self._nice)

    def have_lower(self, size: int, nice: int) -> None:
        """Have connections beside the others, at most so many, for what is opened in a `lower_lane`.

        They are opened when they are asked for, and the server's processes behind them give way; only on the server's
        machine.
        """
        self.lower = self.pool.beside(size)
        self.lower.each(partial(connections.step_back, nice=nice))

    async def ping(self, timeout: float = 2.0) -> None:
        """Whether the database answers. Raises DatabaseUnavailable."""
        with connections.translated("the configured address"):
            async with asyncio.timeout(timeout):
                connection = await self.pool.acquire(timeout)
                try:
                    await connection.execute("commit" if connection.is_in_transaction() else "select")
                except BaseException:
                    connection.terminate()
                    raise
                finally:
                    self.pool.release(connection)

    async def close(self, timeout: float = 5.0) -> None:
        """Wait for open transactions, then close; cut what is still open after `timeout` seconds."""
        pools = [pool for pool in (self.pool, self.lower) if pool is not None]
        closing = [asyncio.wait_for(pool.close(), timeout) for pool in pools]
        for pool, failed in zip(pools, await asyncio.gather(*closing, return_exceptions=True), strict=True):
            if isinstance(failed, BaseException):
                pool.terminate()
                if not isinstance(failed, TimeoutError | OSError | asyncpg.PostgresError | asyncpg.InterfaceError):
                    raise failed
