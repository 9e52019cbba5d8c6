"""Connections kept open between transactions: an idle one is handed over at once, without a task or a timer.

The driver's own pool makes both for each loan, which costs more than the transaction around a small read.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

import asyncpg

from isthmus.engine.db import connections

_IDLE_SECONDS = 300.0
#: How long a transaction that only read may wait for the next one, whose opening trip ends it. Requests come in
#: bunches: the connections that only some of these need are not to be ended and begun anew between two of them. All
#: that it holds meanwhile are shared locks, no snapshot: a change of the schema waits for it, a vacuum does not.
_READ_SECONDS = 0.04
#: How long readers of one role and tenant may go on in a transaction that the first of them began. Each statement sees
#: what is committed when it starts, as in a transaction of its own.
_SHARED_SECONDS = 0.05
_END_DEADLINE = 5.0


class Pool:
    """At most `size` connections; the one that was used last goes out first, so that the others may grow old."""

    def __init__(
        self, connect: Callable[[], Awaitable[asyncpg.Connection]], size: int, first: asyncpg.Connection | None = None
    ) -> None:
        self._connect = connect
        self.size = size
        self._places = size if first is None else size - 1
        #: Connections at rest and since when, the longest first.
        self._idle: deque[tuple[float, asyncpg.Connection]] = deque()
        self._lent: set[asyncpg.Connection] = set()
        #: By which words the transaction on a connection was begun, and when.
        self._begun: dict[asyncpg.Connection, tuple[str, float]] = {}
        #: Who waits: for a connection, or for None, which is a place to open one.
        self._line: deque[asyncio.Future[asyncpg.Connection | None]] = deque()
        self._loop = asyncio.get_running_loop()
        self._sweep: asyncio.TimerHandle | None = None
        self._ender: asyncio.TimerHandle | None = None
        self._endings: set[asyncio.Task[None]] = set()
        self._closing = False
        self._returned = asyncio.Event()
        self._each: Callable[[asyncpg.Connection], None] | None = None
        if first is not None:
            self.release(first)

    def beside(self, size: int) -> "Pool":
        """Another pool of the same kind of connections, none of which is open yet."""
        return Pool(self._connect, size)

    @property
    def use(self) -> tuple[int, int, int]:
        """How many connections are lent, how many rest, and how many callers wait for one."""
        return len(self._lent), len(self._idle), sum(not one.done() for one in self._line)

    def each(self, function: Callable[[asyncpg.Connection], None]) -> None:
        """Call this for every connection, those that are opened later too."""
        self._each = function
        for connection in (*self._lent, *(connection for _, connection in self._idle)):
            function(connection)

    def take(self) -> asyncpg.Connection | None:
        """A connection at rest, if there is one."""
        while self._idle and not self._closing:
            _, connection = self._idle.pop()
            if not connection.is_closed():
                self._lent.add(connection)
                return connection
            self._drop(connection)
        return None

    async def acquire(self, timeout: float) -> asyncpg.Connection:
        """A connection at rest, a new one, or the next that comes back. Raises DatabaseUnavailable after `timeout`."""
        with connections.translated("the configured address"):
            connection = self.take()
            if connection is None:
                async with asyncio.timeout(timeout):
                    connection = await self._reserve()
                    if connection is None:
                        connection = await self._open()
        return connection

    def release(self, connection: asyncpg.Connection, *, read: bool = False) -> None:
        """Take a connection back; one that is not clean is cut.

        read: its transaction is open and has only read. Who takes the connection next ends it, in the same trip that
        opens theirs; when nobody comes, the pool does.
        """
        self._lent.discard(connection)
        if self._closing or connection.is_closed() or (connection.is_in_transaction() and not read):
            self._drop(connection)
            return
        waiting = self._next_in_line()
        if waiting is not None:
            self._lent.add(connection)
            waiting.set_result(connection)
            return
        self._idle.append((self._loop.time(), connection))
        if self._sweep is None:
            self._sweep = self._loop.call_later(_IDLE_SECONDS, self._drop_old)
        if read and self._ender is None:
            self._ender = self._loop.call_later(_READ_SECONDS, self._end_reads)

    def began(self, connection: asyncpg.Connection, words: str) -> None:
        """Note by which words the transaction on a lent connection has just been begun."""
        self._begun[connection] = (words, self._loop.time())

    def goes_on(self, connection: asyncpg.Connection, words: str) -> bool:
        """Whether a read that was begun a moment ago by the very same words, role and tenant among them, is open."""
        known = self._begun.get(connection)
        if known is None or known[0] != words or not connection.is_in_transaction():
            return False
        return self._loop.time() - known[1] < _SHARED_SECONDS

    async def close(self) -> None:
        """Lend no more, wait until all have come back, and say goodbye to them."""
        self._shut()
        while self._lent:
            self._returned.clear()
            await self._returned.wait()
        while self._idle:
            _, connection = self._idle.pop()
            await connection.close()

    def terminate(self) -> None:
        """Cut every connection."""
        self._shut()
        for connection in (*self._lent, *(connection for _, connection in self._idle)):
            connection.terminate()
        self._lent.clear()
        self._idle.clear()
        self._begun.clear()

    async def _reserve(self) -> asyncpg.Connection | None:
        """A place to open a connection, or a connection that came back first."""
        if self._closing:
            raise asyncpg.InterfaceError("the pool is closing")
        if self._places:
            self._places -= 1
            return None
        waiting: asyncio.Future[asyncpg.Connection | None] = self._loop.create_future()
        self._line.append(waiting)
        try:
            return await waiting
        except BaseException:
            if waiting.done() and not waiting.cancelled() and waiting.exception() is None:
                self._pass_on(waiting.result())
            raise

    async def _open(self) -> asyncpg.Connection:
        try:
            connection = await self._connect()
        except BaseException:
            self._pass_on(None)
            raise
        self._lent.add(connection)
        if self._each is not None:
            self._each(connection)
        if self._closing:
            self.release(connection)
            raise asyncpg.InterfaceError("the pool is closing")
        return connection

    def _pass_on(self, unused: asyncpg.Connection | None) -> None:
        """What was meant for somebody who has gone: a connection, or a place."""
        if unused is not None:
            self.release(unused, read=unused.is_in_transaction())  # nobody has used it since it rested
            return
        waiting = self._next_in_line()
        if waiting is not None:
            waiting.set_result(None)
        else:
            self._places += 1

    def _drop(self, connection: asyncpg.Connection) -> None:
        self._begun.pop(connection, None)
        connection.terminate()
        self._pass_on(None)
        self._returned.set()

    def _next_in_line(self) -> "asyncio.Future[asyncpg.Connection | None] | None":
        while self._line:
            waiting = self._line.popleft()
            if not waiting.done():
                return waiting
        return None

    def _drop_old(self) -> None:
        self._sweep = None
        oldest = self._loop.time() - _IDLE_SECONDS
        while self._idle and self._idle[0][0] <= oldest:
            self._drop(self._idle.popleft()[1])
        if self._idle:
            self._sweep = self._loop.call_at(self._idle[0][0] + _IDLE_SECONDS, self._drop_old)

    def _end_reads(self) -> None:
        """End the reads that nobody has followed up; the younger ones have until the next time."""
        self._ender = None
        waiting = [rest for rest in self._idle if rest[1].is_in_transaction()]
        oldest = self._loop.time() - _READ_SECONDS
        for rest in waiting:
            if rest[0] <= oldest:
                self._idle.remove(rest)
                self._lent.add(rest[1])
                ending = self._loop.create_task(self._end(rest[1]))
                self._endings.add(ending)
                ending.add_done_callback(self._endings.discard)
        if waiting:
            self._ender = self._loop.call_later(_READ_SECONDS, self._end_reads)

    async def _end(self, connection: asyncpg.Connection) -> None:
        try:
            await connection.execute("commit", timeout=_END_DEADLINE)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            connection.terminate()
        finally:
            self.release(connection)

    def _shut(self) -> None:
        self._closing = True
        if self._ender is not None:
            self._ender.cancel()
        if self._sweep is not None:
            self._sweep.cancel()
        while (waiting := self._next_in_line()) is not None:
            waiting.set_exception(asyncpg.InterfaceError("the pool is closing"))
