"""The delivery worker of one process: leases shards of endpoints, sends what is due, hands over what came of it.

What is done but not yet written when a process dies is sent once more by the next owner: at least once, same id. An
owner whose lease ran out, because it was paused or cut off, starts nothing and can complete nothing.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from isthmus.engine.db import DatabaseUnavailable
from isthmus.features.webhooks_out.model import Board, Message, message_of
from isthmus.features.webhooks_out.service import planning, settling
from isthmus.features.webhooks_out.service.sending import Keys, Reply, Sender
from isthmus.features.webhooks_out.settings import Settings
from isthmus.features.webhooks_out.store import deliveries, endpoints
from isthmus.features.webhooks_out.store import dispatch as store
from isthmus.features.webhooks_out.store.dispatch import Done, Due
from isthmus.kit import chance
from isthmus.kit.errors import Problem
from isthmus.scope import System

_LOG = logging.getLogger("isthmus.features.webhooks_out")
_START: Final = datetime(1970, 1, 1, tzinfo=UTC)
_PICK: Final = 500
_PER_ENDPOINT: Final = 250
_SETTLED_AT_ONCE: Final = 256
_LAG: Final = timedelta(seconds=60)
_RESCAN: Final = 120.0
_ECHO: Final = 0.03
#: What is done within this time is written together.
_GATHER: Final = 0.01
_PATIENCE: Final = 5.0


@dataclass(frozen=True, slots=True)
class Job:
    """A delivery that may be sent: its place in the due table, the epoch of its shard, what to send and with what."""

    due: Due
    epoch: int
    message: Message
    keys: Keys
    parked: bool

    @property
    def endpoint_id(self) -> str:
        """Whose line it stands in."""
        return self.due.endpoint_id

    @property
    def attempts(self) -> int:
        """Attempts before this one."""
        return self.due.attempts


class Dispatcher:
    """One process's share of all deliveries."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._settings = system.engine.part(Settings)
        self._sender = system.engine.part(Sender)
        self.owner = system.scope("ten_platform", "webhooks_out").id("own")
        self._shards: dict[int, int] = {}
        self._valid_until = 0.0
        self._board: Board[Job] = Board(self._settings.slots, _PER_ENDPOINT)
        self._held: set[int] = set()
        self._done: list[Done] = []
        self._settle = asyncio.Event()
        self._closing = False
        self._running: set[asyncio.Task[None]] = set()
        self._low = _START
        self._rescan_at = 0.0

    async def run(self, stop: asyncio.Event) -> None:
        """Deliver until `stop` is set; then let what is under way end, write it, and give the shards back."""
        async with asyncio.TaskGroup() as group:
            settling_task = group.create_task(self._keep_settling())
            helpers = [group.create_task(self._echo()), group.create_task(self._keep_leases())]
            await self._keep_picking(stop)
            self._board.clear()
            if self._running:
                await asyncio.wait(self._running, timeout=_PATIENCE)
            for sending in self._running:
                sending.cancel()
            self._closing = True
            self._settle.set()
            await asyncio.wait([settling_task], timeout=_PATIENCE)
            for helper in (*helpers, settling_task):
                helper.cancel()
        with suppress(DatabaseUnavailable):
            async with self._system.tx() as tx:
                await store.release(tx, self.owner)

    async def _keep_picking(self, stop: asyncio.Event) -> None:
        bell = self._sender.planned
        stopped = asyncio.create_task(stop.wait())
        stopped.add_done_callback(lambda _: bell.set())
        try:
            while not stop.is_set():
                bell.clear()
                try:
                    wait = await self._pick()
                except DatabaseUnavailable:
                    wait = 1.0
                self._pump()
                if wait:
                    with suppress(TimeoutError):
                        async with asyncio.timeout(wait):
                            await bell.wait()
        finally:
            stopped.cancel()

    async def _echo(self) -> None:
        """Look for work a moment after something was written to the log, by whichever process."""
        with self._system.engine.bus.heard() as heard:
            while True:
                await heard.wait()
                heard.clear()
                await asyncio.sleep(_ECHO)
                self._sender.planned.set()

    async def _keep_leases(self) -> None:
        while True:
            await self._lease()
            await asyncio.sleep(self._settings.heartbeat.total_seconds())

    async def _lease(self) -> None:
        """Renew what is held, take what is free."""
        asked = self._system.clock.monotonic()
        try:
            async with self._system.tx() as tx:
                held = await store.lease(tx, self.owner, self._settings.lease)
        except DatabaseUnavailable:
            return
        if held.keys() - self._shards.keys():
            self._rescan_at = 0.0
            self._sender.planned.set()
        self._shards = held
        # Less than the lease itself: nothing is started that another worker may already have.
        self._valid_until = asked + self._settings.lease.total_seconds() * 0.8

    def _may_send(self) -> bool:
        return self._system.clock.monotonic() < self._valid_until

    async def _pick(self) -> float:
        """Take what is due into memory; how many seconds to wait before the next look."""
        room = self._settings.waiting - len(self._held)
        longest = self._settings.poll.total_seconds()
        if not self._shards or not self._may_send() or room <= 0:
            return min(longest, 0.05)
        now, ticks = self._system.now, self._system.clock.monotonic()
        if ticks >= self._rescan_at:
            self._low, self._rescan_at = _START, ticks + _RESCAN
        limit = min(room, _PICK)
        async with self._system.tx() as tx:
            rows = await store.due(tx, self._shards, self._low, now, self._held, limit)
            loaded = await store.load(tx, rows) if rows else {}
            upcoming = await store.next_due(tx, self._shards, now) if not rows else None
        if rows:
            await self._sort(rows, loaded)
        if len(rows) == limit:
            return 0.0
        if not self._held:
            self._low = max(self._low, now - _LAG)
        if upcoming is not None:
            longest = min(longest, max(0.001, (upcoming - now).total_seconds()))
        return min([longest, *(max(0.001, until - ticks) for until in self._board.resting.values())])

    async def _sort(self, rows: Sequence[Due], loaded: Mapping[int, Mapping[str, Any]]) -> None:
        """Queue what may be sent; take out or plan anew what may not."""
        stale: list[Due] = []
        idle: list[Due] = []
        ready: list[tuple[Due, Mapping[str, Any]]] = []
        for due in rows:
            found = loaded.get(due.number)
            if found is None or found["state"] != "pending" or found["next_at"] != due.at:
                stale.append(due)
            elif found["endpoint_state"] != "active" or not _in_turn(found):
                idle.append(due)
            else:
                ready.append((due, found))
        keys = await self._open([(due, found["version"]) for due, found in ready])
        later: list[tuple[Due, datetime | None]] = []
        for due, found in ready:
            opened = keys.get((due.tenant_id, due.endpoint_id))
            epoch = self._shards.get(due.shard)
            if opened is None or epoch is None:
                later.append((due, self._system.now + timedelta(minutes=1)))
            elif not self._queue(Job(due, epoch, message_of(found), opened, found["health"] == "parked"), found):
                later.append((due, self._system.now + timedelta(seconds=1 + 2 * chance.draw())))
        await self._put_off(stale, idle, later)

    def _queue(self, job: Job, found: Mapping[str, Any]) -> bool:
        concurrency = job.keys.concurrency
        if found["ordered"] or job.parked:
            concurrency = 1
        elif found["health"] == "slow":
            concurrency = max(1, concurrency // 5)
        if not self._board.add(job, concurrency, job.keys.rate):
            return False
        self._held.add(job.due.number)
        return True

    async def _put_off(self, stale: list[Due], idle: list[Due], later: list[tuple[Due, datetime | None]]) -> None:
        if not (stale or idle or later):
            return
        async with self._system.tx() as tx:
            if stale:
                await store.take_out(tx, stale)
            if idle or later:
                await store.postpone(tx, [*later, *((due, None) for due in idle)])
            for tenant_id, endpoint_id in sorted({(due.tenant_id, due.endpoint_id) for due in idle}):
                lowest = min(due.number for due in idle if due.endpoint_id == endpoint_id)
                await deliveries.note_waiting(tx, tenant_id, endpoint_id, lowest)
                await planning.advance(tx, tenant_id, endpoint_id, self._system.now)

    async def _open(self, wanted: Sequence[tuple[Due, int]]) -> dict[tuple[str, str], Keys]:
        """The keys of these endpoints; what is not in memory is opened tenant by tenant."""
        found: dict[tuple[str, str], Keys] = {}
        missing: dict[str, set[str]] = {}
        for due, version in wanted:
            keys = self._sender.known(due.tenant_id, due.endpoint_id, version)
            if keys is None:
                missing.setdefault(due.tenant_id, set()).add(due.endpoint_id)
            else:
                found[due.tenant_id, due.endpoint_id] = keys
        for tenant_id, ids in missing.items():
            scope = self._system.scope(tenant_id, "webhooks_out")
            try:
                async with scope.tx() as tx:
                    for endpoint in await endpoints.several(tx, sorted(ids)):
                        found[tenant_id, endpoint.id] = await self._sender.open(scope, tx, endpoint)
            except DatabaseUnavailable:
                raise
            except Problem as problem:
                _LOG.warning("the keys of endpoints cannot be opened: %s", problem.message)
        return found

    def _pump(self) -> None:
        if not self._may_send():
            for job in self._board.clear():
                self._held.discard(job.due.number)
            return
        for job in self._board.take(self._system.clock.monotonic()):
            task = asyncio.create_task(self._send(job))
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    async def _send(self, job: Job) -> None:
        started = self._system.now
        ended = False
        try:
            reply = await self._sender.post(job.keys, job.message.id, job.message.encoded(), self._system.clock)
            self._done.append(self._concluded(job, reply, started))
            self._settle.set()
            ended = True
        finally:
            self._board.end(job)
            if not ended:
                self._held.discard(job.due.number)
        self._pump()

    def _concluded(self, job: Job, reply: Reply, started: datetime) -> Done:
        age = started - datetime.fromisoformat(str(job.message.shape["timestamp"]))
        state, attempts, wait = settling.next_state(
            job.attempts, reply.outcome, parked=job.parked, age=age, draw=chance.draw()
        )
        return Done(
            due=job.due,
            epoch=job.epoch,
            attempt_id=self._system.scope(job.due.tenant_id, "webhooks_out").id("att"),
            started=started,
            url=job.keys.url,
            sent=reply.sent,
            status=reply.outcome.status,
            answered=reply.answered,
            response=reply.body,
            took_ms=reply.took_ms,
            error=reply.outcome.error,
            state=state,
            attempts=attempts,
            next_at=None if wait is None else self._system.now + wait,
        )

    async def _keep_settling(self) -> None:
        while not (self._closing and not self._done):
            await self._settle.wait()
            if len(self._done) < _SETTLED_AT_ONCE and not self._closing:
                await asyncio.sleep(_GATHER)
            self._settle.clear()
            try:
                await self._settle_some()
            except DatabaseUnavailable:
                await asyncio.sleep(0.2)
                self._settle.set()

    async def _settle_some(self) -> None:
        """Write what is done, in batches; what cannot be written stays for the next time."""
        while self._done:
            batch = self._done[:_SETTLED_AT_ONCE]
            advanced = await settling.settle(self._system, self.owner, batch)
            full = len(self._held) >= self._settings.waiting
            del self._done[: len(batch)]
            self._held.difference_update(one.due.number for one in batch)
            if advanced or full:
                self._sender.planned.set()


def _in_turn(found: Mapping[str, Any]) -> bool:
    """Whether it is this delivery's turn where only one at a time is planned."""
    return found["head"] == found["number"] or not (found["ordered"] or found["health"] == "parked")


async def run(system: System, stop: asyncio.Event) -> None:
    """Deliver until `stop` is set."""
    await Dispatcher(system).run(stop)
