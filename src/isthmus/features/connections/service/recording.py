"""Keeps sums and a short log of the calls of every connection, best effort: no call waits for it or fails by it."""

import asyncio
import logging
from collections import deque
from contextvars import Context
from dataclasses import dataclass, field
from datetime import datetime

from isthmus.client import AttemptEnded, CallEnded
from isthmus.client.events import Hook
from isthmus.features.connections.errors import ConnectionNotFound
from isthmus.features.connections.model import recording as model
from isthmus.features.connections.model.connection import reachable
from isthmus.features.connections.model.recording import KEPT, Counts, Entry, Hour
from isthmus.features.connections.service import hearing
from isthmus.features.connections.store import connections
from isthmus.features.connections.store import recording as store
from isthmus.kit import ids
from isthmus.kit.paging import Ask, Page
from isthmus.scope import Scope, Tx

_LOG = logging.getLogger("isthmus.connections")
_FLUSH_SECONDS = 3.0
#: Most sums that wait in memory, by tenant, connection and hour, and most connections whose entries do.
MOST_SUMS, MOST_LOGS = 10_000, 500


@dataclass(slots=True)
class _Waiting:
    """What one tenant's calls have left and what is not written yet."""

    scope: Scope
    sums: dict[tuple[str, datetime], Counts] = field(default_factory=dict)
    logs: dict[str, deque[Entry]] = field(default_factory=dict)


class Recorder:
    """Hears every call of this process's bound clients; writes what it heard after a few seconds.

    What cannot be written waits for the next time, up to a bound; beyond it, what comes new is not kept.
    """

    def __init__(self, *, seconds: float = _FLUSH_SECONDS) -> None:
        self._seconds = seconds
        self._waiting: dict[str, _Waiting] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._flush: asyncio.Task[None] | None = None
        self._closed = False

    def hook(self, scope: Scope, connection_id: str) -> Hook:
        """What a client tells; `scope` is the room's own, since clients outlive requests."""

        def heard(event: object) -> None:
            if isinstance(event, CallEnded):
                entry = hearing.entry_of(event, ids.new("cll", scope.clock), connection_id, scope.now)
                self._keep(scope, connection_id, hearing.counts_of(event), entry)
            elif isinstance(event, AttemptEnded) and event.failure is not None and event.failure.kind == "throttled":
                self._keep(scope, connection_id, Counts(throttled=1), None)

        return heard

    @property
    def waiting(self) -> tuple[int, int]:
        """How many sums and entries are not written yet."""
        held = self._waiting.values()
        return sum(len(one.sums) for one in held), sum(len(log) for one in held for log in one.logs.values())

    async def flush(self) -> None:
        """Write what waits, one transaction for each tenant."""
        waiting, self._waiting = self._waiting, {}
        for one in waiting.values():
            try:
                await _write(one)
            except store.FAILURES as failed:
                _LOG.warning("the calls of connections could not be written down: %s", type(failed).__name__)
                self._take_back(one)

    async def aclose(self) -> None:
        """Write what waits, once more, and listen no longer."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        if self._flush is not None:
            await self._flush
        await self.flush()
        self._waiting.clear()

    def _keep(self, scope: Scope, connection_id: str, counts: Counts, entry: Entry | None) -> None:
        if self._closed:
            return
        waiting = self._waiting.setdefault(scope.tenant_id, _Waiting(scope))
        self._add(waiting, (connection_id, model.hour_of(scope.now)), counts)
        if entry is not None:
            self._note(waiting, entry)
        if self._timer is None:
            # An empty context: what is written later belongs to no request.
            self._timer = asyncio.get_running_loop().call_later(self._seconds, self._begin, context=Context())

    def _add(self, waiting: _Waiting, place: tuple[str, datetime], counts: Counts) -> None:
        if place in waiting.sums:
            waiting.sums[place].add(counts)
        elif sum(len(one.sums) for one in self._waiting.values()) < MOST_SUMS:
            waiting.sums[place] = counts

    def _note(self, waiting: _Waiting, entry: Entry) -> None:
        log = waiting.logs.get(entry.connection_id)
        if log is None:
            if sum(len(one.logs) for one in self._waiting.values()) >= MOST_LOGS:
                return
            log = waiting.logs[entry.connection_id] = deque(maxlen=KEPT)
        log.append(entry)

    def _begin(self) -> None:
        self._timer = None
        if self._flush is None or self._flush.done():
            self._flush = asyncio.get_running_loop().create_task(self.flush())

    def _take_back(self, unwritten: _Waiting) -> None:
        waiting = self._waiting.setdefault(unwritten.scope.tenant_id, _Waiting(unwritten.scope))
        for place, counts in unwritten.sums.items():
            self._add(waiting, place, counts)
        for connection_id, log in unwritten.logs.items():
            newer = waiting.logs.pop(connection_id, ())
            for entry in (*log, *newer):
                self._note(waiting, entry)


async def _write(waiting: _Waiting) -> None:
    async with waiting.scope.tx() as tx:
        await store.add_hours(tx, waiting.sums)
        await store.insert_calls(tx, [entry for log in waiting.logs.values() for entry in log])


async def _there(scope: Scope, tx: Tx, connection_id: str) -> None:
    found = await connections.by_id(tx, connection_id)
    if found is None or not reachable(found, scope.principal):
        raise ConnectionNotFound


async def hours(scope: Scope, connection_id: str, starts: datetime | None, ends: datetime | None) -> list[Hour]:
    """The sums of a connection's hours, the oldest first. Raises ConnectionNotFound, Invalid."""
    since, until = model.span(starts, ends, scope.now)
    async with scope.tx() as tx:
        await _there(scope, tx, connection_id)
        return await store.hours(tx, connection_id, since, until)


async def calls(scope: Scope, connection_id: str, level: str | None, ask: Ask) -> Page[Entry]:
    """The log of a connection, the newest first. Raises ConnectionNotFound, Invalid."""
    model.check_place(ask.after)
    async with scope.tx() as tx:
        await _there(scope, tx, connection_id)
        found = await store.calls(tx, connection_id, level, ask)
    kept, more = found[: ask.limit], len(found) > ask.limit
    return Page(kept, next_after=kept[-1].id if more else None, has_more=more)
