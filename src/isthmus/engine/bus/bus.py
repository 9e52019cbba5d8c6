"""Events on their way: appended with their cause, heard in this or another process, delivered once to each listener."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from types import MappingProxyType
from typing import Any, Final

from isthmus.engine import db
from isthmus.engine.bus import days, log, told
from isthmus.engine.bus.log import Envelope, Place
from isthmus.engine.db import Database, DatabaseUnavailable, Tx, close_quietly
from isthmus.kit.clock import SYSTEM, Clock
from isthmus.kit.events import Event
from isthmus.kit.waiting import first_of

_LOG = logging.getLogger("isthmus.engine.bus")

#: Called with one event, in the transaction that also moves the listener's cursor.
Listener = Callable[[Tx, Mapping[str, Any]], Awaitable[None]]
#: The same with a batch of events, for effects that are written set by set.
BatchListener = Callable[[Tx, Sequence[Mapping[str, Any]]], Awaitable[None]]

_BATCH: Final = 200
_POLL: Final = 5.0
#: How often a listener looks that nobody called: so its place moves on although nothing is said to it.
_UNCALLED: Final = 60.0
_SOON: Final = 0.02
#: What is written within this time of a look is looked at together.
_TOGETHER: Final = 0.05
_LONGEST_PAUSE: Final = 60.0
_FAR: Final = 1_000
_PAUSE: Final = 0.1
_KEPT: Final = timedelta(days=100)
_A_DAY: Final = timedelta(days=1)
#: For how long what is known of the days is used.
_DAYS_KNOWN: Final = 600.0
#: After so long every listener of this process has looked once.
_SETTLED: Final = 60.0
#: How many news are looked at for whom they are: first few, as they mostly are, then many; more are for everybody.
_NEWS: Final = (1_000, 20_000)
#: Looks take a tenth of the time at most, however much there is to be looked at.
_LOOKING: Final = 10
#: Of how many connections listeners may hold one: what they all want to read at once leaves the others free.
_CONNECTIONS_EACH: Final = 4
#: A connection that held this long was a good one: the next failure is a new one.
_STEADY: Final = 2.0


@dataclass(slots=True)
class _Waiting:
    """A listener of this process that waits to be called.

    read: it has read everything below this transaction. quiet: from the first of these to below the second one nothing
    was for it, and everything there is final.
    """

    types: frozenset[str]
    bell: asyncio.Event = field(default_factory=asyncio.Event)
    read: int = 0
    quiet: tuple[int, int] | None = None

    @property
    def past(self) -> int:
        """Nothing below this transaction is for it any more."""
        begun, end = self.quiet or (0, 0)
        return max(self.read, end) if self.read >= begun else self.read


class Bus:
    """The event log of one database, and who listens to it.

    `run()` keeps the connection that hears of new events and delivers them; without it `follow()` polls.
    `direct_url` is an address past any transaction pooler, where LISTEN works. `kept` is for how long the log keeps
    what is not audited, of tenants that chose nothing shorter; nothing: for ever.
    """

    def __init__(
        self, database: Database, *, direct_url: str | None = None, clock: Clock = SYSTEM, kept: timedelta = _KEPT
    ) -> None:
        self._database = database
        self.kept = kept
        self._url = direct_url or database.url
        self._clock = clock
        self._bells: set[asyncio.Event] = set()
        self._told = told.Told()
        self._waiting: list[_Waiting] = []
        self._turns = asyncio.Semaphore(max(1, database.pool.size // _CONNECTIONS_EACH))
        self._held_back: set[str] = set()
        self._names: set[str] = set()
        self._first_looked_at: float | None = None
        self._notes = days.Notes(())
        self._notes_until = 0.0

    async def append(self, tx: Tx, events: Sequence[Event], envelope: Envelope) -> list[str]:
        """Write facts in the transaction of their cause: they exist if and only if it commits. Answers their ids."""
        return await log.append(tx, events, envelope, self._clock)

    async def read(self, tx: Tx, tenant_id: str, after: Place, limit: int = _BATCH) -> list[dict[str, Any]]:
        """A tenant's events behind a place, in commit order; `place_of(row)` is the next `after`."""
        return await log.read(tx, tenant_id, after, limit, await self._since(tx, after))

    async def is_forgotten(self, tx: Tx, place: Place) -> bool:
        """Whether some of what stood behind the place may be gone: it is longer ago than the tenant keeps events."""
        since = await self._since(tx, place)
        newest = self._notes.newest
        if not place.xid or since is None or newest is None or since >= newest - _A_DAY:
            return False
        kept = await days.kept(tx) or self.kept.days
        return bool(kept) and since < newest - kept * _A_DAY

    async def kept_up(self, tx: Tx, place: Place, end: Place) -> Place:
        """The place of a reader to whom nothing happened up to `end`: a new one once a day, so that none grows old."""
        since, newest = await self._since(tx, place), self._notes.newest
        old = place.xid and since is not None and newest is not None and since < newest - _A_DAY
        return max(place, end) if old else place

    @property
    def listeners(self) -> frozenset[str] | None:
        """Those that this process has; None while it is too young to know them all."""
        looked = self._first_looked_at
        return None if looked is None or self._clock.monotonic() - looked < _SETTLED else frozenset(self._names)

    async def _since(self, tx: Tx, place: Place) -> date | None:
        """The first day that may hold what stands behind a place."""
        if self._clock.monotonic() >= self._notes_until:
            self._notes = await days.notes(tx)
            self._notes_until = self._clock.monotonic() + _DAYS_KNOWN
        return self._notes.since(place)

    def _knows(self, listener: str) -> None:
        self._names.add(listener)
        if self._first_looked_at is None:
            self._first_looked_at = self._clock.monotonic()

    async def end(self, tx: Tx) -> Place:
        """The place behind everything committed so far: where a reader without a past begins."""
        return await log.end(tx)

    async def follow(
        self, tenant_id: str, after: Place, *, idle: float = 15.0
    ) -> AsyncGenerator[list[dict[str, Any]], None]:
        """A tenant's events from `after` on, for ever, in batches; an empty batch every `idle` quiet seconds."""
        with self._bell() as bell:
            pause = _SOON
            quiet = self._clock.monotonic() + idle
            while True:
                bell.clear()
                async with self._database.tenant(tenant_id) as tx:
                    horizon = await log.horizon(tx)
                    since = await self._since(tx, after)
                    rows = await log.read(tx, tenant_id, after, _BATCH, since)
                    behind = not rows and await log.waiting(tx, horizon, since)
                if rows:
                    after = place_of(rows[-1])
                if rows or self._clock.monotonic() >= quiet:
                    yield rows
                    quiet = self._clock.monotonic() + idle
                if rows:
                    pause = _SOON
                    continue
                pause = min(1.0, pause * 2) if behind else _SOON
                await _rung(bell, min(pause if behind else _POLL, max(0.0, quiet - self._clock.monotonic())))

    @contextlib.contextmanager
    def _bell(self) -> Iterator[asyncio.Event]:
        bell = asyncio.Event()
        self._bells.add(bell)
        try:
            yield bell
        finally:
            self._bells.discard(bell)

    @contextlib.contextmanager
    def _waits(self, types: Sequence[str]) -> Iterator[_Waiting]:
        one = _Waiting(frozenset(types))
        self._waiting.append(one)
        try:
            yield one
        finally:
            self._waiting.remove(one)

    async def deliver(self, listener: str, types: Sequence[str], function: Listener, *, limit: int = _BATCH) -> int:
        """Hand the next events of `types` to a listener, and move its cursor, in one transaction.

        Returns how many; 0 when there are none or another process has the listener. Whatever the function
        raises undoes the whole batch.
        """
        return await self.deliver_many(listener, types, _one_by_one(function), limit=limit)

    async def deliver_many(
        self, listener: str, types: Sequence[str], function: BatchListener, *, limit: int = _BATCH
    ) -> int:
        """As `deliver`, with the whole batch at once."""
        return await self._deliver(listener, _Waiting(frozenset(types)), function, limit)

    async def _deliver(self, listener: str, waiting: _Waiting, function: BatchListener, limit: int) -> int:
        types = sorted(waiting.types)
        self._knows(listener)
        async with self._database.system() as tx:
            held = await log.hold(tx, listener)
            if held is None:
                return 0
            place, horizon = held
            place = max(place, log.before(waiting.past))
            since = await self._since(tx, place)
            rows = await log.read_all(tx, place, horizon, types, limit, since=since)
            if rows:
                await function(tx, rows)
            # Who got something looks again at once; only who got nothing needs to know whether something is held back.
            self._note(listener, behind=not rows and await log.waiting(tx, horizon, since))
            if len(rows) == limit:
                await log.move(tx, listener, place_of(rows[-1]))
            elif rows or horizon - held[0].xid > _FAR:
                await log.move(tx, listener, log.before(horizon))
        if len(rows) < limit:
            waiting.read = max(waiting.read, horizon)
        return len(rows)

    async def skip(self, listener: str, wanted: Callable[[Tx], Awaitable[bool]]) -> bool:
        """Move a listener past everything that is final, unread, unless something is `wanted`; whether it was moved.

        What is wanted is asked after the place is taken: a wish that was committed before an event is seen before
        that event is passed over.
        """
        self._knows(listener)
        async with self._database.system() as tx:
            held = await log.hold(tx, listener)
            if held is None or await wanted(tx):
                return False
            place, horizon = held
            if horizon > place.xid:
                await log.move(tx, listener, log.before(horizon))
            return True

    @contextlib.contextmanager
    def heard(self) -> Iterator[asyncio.Event]:
        """An event that is set whenever anything was written to the log, in this process or another one."""
        with self._bell() as bell:
            yield bell

    async def tell(self, tx: Tx, topic: str, key: str) -> None:
        """Have every process hear at once that this is no longer what it was, once the transaction has committed."""
        await told.tell(tx, topic, key)

    def told(self, topic: str, hear: told.Hear) -> contextlib.AbstractContextManager[None]:
        """Call `hear` with what is told of a topic, and with None where something may have been missed.

        A word may be lost while nothing listens: who hears must look by itself now and then.
        """
        return self._told.hearing(topic, hear)

    def _note(self, listener: str, *, behind: bool) -> None:
        (self._held_back.add if behind else self._held_back.discard)(listener)

    async def run(
        self,
        stop: asyncio.Event,
        listeners: Mapping[str, tuple[Sequence[str], Listener]],
        at_once: Mapping[str, tuple[Sequence[str], BatchListener]] = MappingProxyType({}),
    ) -> None:
        """Hear of new events and deliver them until `stop` is set; outages are waited out.

        `at_once` are listeners that take a batch in one go: those of what comes by the thousands.
        """
        batched = {name: (types, _one_by_one(function)) for name, (types, function) in listeners.items()} | dict(
            at_once
        )
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(self._hear(stop), name="bus-ear"),
                group.create_task(self._watch(stop), name="bus-watch"),
                group.create_task(self._call(stop), name="bus-call"),
            ]
            for name, (types, function) in batched.items():
                tasks.append(group.create_task(self._serve(stop, name, types, function), name=f"bus-{name}"))
            await stop.wait()
            self._ring()

    async def _hear(self, stop: asyncio.Event) -> None:
        """Keep a connection that listens; when it dies, make another."""
        pause = _PAUSE
        while not stop.is_set():
            started = self._clock.monotonic()
            try:
                await self._listen(stop)
            except Exception as failure:  # noqa: BLE001 - the dispatcher outlives whatever its connection dies of
                if self._clock.monotonic() - started > _STEADY:
                    pause = _PAUSE
                _LOG.warning("the bus cannot listen (%s); trying again in %g s", type(failure).__name__, pause)
                await _rung(stop, pause)
                pause = min(5.0, pause * 2)

    async def _listen(self, stop: asyncio.Event) -> None:
        connection = await db.connect(self._url)
        self._database.align(connection)
        gone = asyncio.Event()
        connection.add_termination_listener(lambda _: gone.set())
        try:
            await connection.add_listener(log.CHANNEL, lambda *_: self._ring())
            await connection.add_listener(told.CHANNEL, lambda *said: self._told.hear(str(said[-1])))
            self._ring()  # whatever was said while nobody listened
            self._told.missed()
            await first_of(stop, gone)
            if not stop.is_set():
                raise ConnectionResetError("the session was cut")
        finally:
            await close_quietly(connection)

    async def _watch(self, stop: asyncio.Event) -> None:
        """Look for all listeners at once whether anything was written that the ear was not told of."""
        seen: int | None = None
        while not stop.is_set():
            try:
                async with self._database.system() as tx:
                    horizon = await log.horizon(tx)
                    looked = horizon if seen is None else seen
                    new = await log.waiting(tx, looked, await self._since(tx, log.before(looked)))
                if seen is None or new:
                    self._ring()
                seen = horizon
            except DatabaseUnavailable:
                seen = None
            except Exception:  # noqa: BLE001 - the listeners outlive whatever this look dies of
                seen = None
                _LOG.exception("the bus cannot look for events")
            await first_of(stop, seconds=_POLL)

    def _ring(self) -> None:
        for bell in self._bells:
            bell.set()

    async def _call(self, stop: asyncio.Event) -> None:
        """Look once for all listeners what was written, and wake those that wait for it.

        Each look of a listener is a transaction that locks its place, and most events are for one or two of them.
        """
        seen: int | None = None
        with self._bell() as bell:
            while not stop.is_set():
                bell.clear()
                begun = self._clock.monotonic()
                seen = await self._look(seen) if self._waiting else None
                await first_of(stop, seconds=max(_TOGETHER, _LOOKING * (self._clock.monotonic() - begun)))
                await _rung(bell, _UNCALLED)
        for one in self._waiting:
            one.bell.set()

    async def _look(self, seen: int | None) -> int | None:
        """Wake those who wait for what was written since the last look; answers where the next one begins.

        To the others nothing was said that is final by now.
        """
        horizon, types = await self._news(seen)
        for one in self._waiting:
            if types is None or not types.isdisjoint(one.types):
                one.bell.set()
                one.read = one.past
                one.quiet = None if horizon is None else (horizon, horizon)
            elif seen is not None and horizon is not None:
                one.quiet = (one.quiet[0] if one.quiet else seen, horizon)
        return horizon

    async def _news(self, seen: int | None) -> tuple[int | None, frozenset[str] | None]:
        """The oldest transaction that may still write, and the types of what was written since that of the last look.

        None: any. What it held back then is looked at again.
        """
        try:
            async with self._database.system() as tx:
                horizon = await log.horizon(tx)
                if seen is None:
                    return horizon, None
                since = await self._since(tx, log.before(seen))
                for most in _NEWS:
                    types = await log.types(tx, seen, most, since)
                    if types is not None:
                        break
        except DatabaseUnavailable:
            return None, None
        except Exception:  # noqa: BLE001 - the listeners outlive whatever this look dies of
            _LOG.exception("the bus cannot look for news")
            return None, None
        return horizon, types

    async def _serve(self, stop: asyncio.Event, name: str, types: Sequence[str], function: BatchListener) -> None:
        """Deliver to one listener. After a failure only the event at the head is tried, with growing pauses."""
        failures = 0
        pause = _SOON
        with self._waits(types) as waiting:
            while not stop.is_set():
                waiting.bell.clear()
                try:
                    async with self._turns:
                        count = await self._deliver(name, waiting, function, 1 if failures else _BATCH)
                except DatabaseUnavailable:
                    await first_of(stop, seconds=1.0)
                    continue
                except Exception:  # noqa: BLE001 - a listener is foreign code; its failure is logged and tried again
                    failures += 1
                    _LOG.exception("listener %s failed, attempt %d", name, failures)
                    await first_of(stop, seconds=min(_LONGEST_PAUSE, 0.1 * 2**failures))
                    continue
                failures = 0
                if count:
                    pause = _SOON
                    continue
                behind = name in self._held_back
                pause = min(1.0, pause * 2) if behind else _SOON
                if not stop.is_set():
                    await _rung(waiting.bell, pause if behind else _UNCALLED)


def place_of(row: Mapping[str, Any]) -> Place:
    """The place of one row that was read."""
    return Place(row["xid"], row["id"])


def _one_by_one(function: Listener) -> BatchListener:
    async def each(tx: Tx, rows: Sequence[Mapping[str, Any]]) -> None:
        for row in rows:
            await function(tx, row)

    return each


async def _rung(bell: asyncio.Event, timeout: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(timeout):
            await bell.wait()
