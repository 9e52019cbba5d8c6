"""The delivery worker of one process: leases shards of endpoints, sends what is due, hands over what came of it.

What is done but not yet written when a process dies is sent once more by the next owner: at least once, same id. An
owner whose lease ran out, because it was paused or cut off, starts nothing and can complete nothing.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from math import inf
from typing import Final

from isthmus.engine.db import DatabaseUnavailable
from isthmus.features.webhooks_out.service import retaining, settling
from isthmus.features.webhooks_out.service.leasing import Leases
from isthmus.features.webhooks_out.service.picking import Job, Picker
from isthmus.features.webhooks_out.service.sending import Outgoing, Reply, Sender
from isthmus.features.webhooks_out.settings import Settings
from isthmus.features.webhooks_out.store.settling import Done
from isthmus.kit import chance
from isthmus.scope import System

_SETTLED_AT_ONCE: Final = 256
_ECHO: Final = 0.03
_LONGEST_ECHO: Final = 0.5
_QUIET: Final = 1.0
#: What is done within this time is written together; where many are done in it, what follows for a while longer.
_GATHER: Final = ((0.01, 0), (0.015, 48))
_PATIENCE: Final = 5.0


class Dispatcher:
    """One process's share of all deliveries."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._settings = system.engine.part(Settings)
        self._sender = system.engine.part(Sender)
        self.owner = system.scope("ten_platform", "webhooks_out").id("own")
        self.leases = Leases(system, self.owner)
        self.picker = Picker(system, self.leases)
        self._done: list[Done] = []
        self._settle = asyncio.Event()
        #: When to look for work that nobody told of, by the monotonic clock.
        self._look_at = 0.0
        self._closing = False
        self._running: set[asyncio.Task[None]] = set()

    async def run(self, stop: asyncio.Event) -> None:
        """Deliver until `stop` is set; then let what is under way end, write it, and give the shards back."""
        await self._days(stop)
        async with asyncio.TaskGroup() as group:
            settling_task = group.create_task(self._keep_settling())
            helpers = [group.create_task(self._echo()), group.create_task(self._keep_leases())]
            await self._keep_picking(stop)
            self.picker.clear()
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
            await self.leases.release()

    async def _days(self, stop: asyncio.Event) -> None:
        """Nothing is sent before there is a place for what comes of it."""
        while not stop.is_set():
            try:
                await retaining.make_days(self._system)
            except DatabaseUnavailable:
                with suppress(TimeoutError):
                    async with asyncio.timeout(1.0):
                        await stop.wait()
            else:
                return

    async def _keep_picking(self, stop: asyncio.Event) -> None:
        bell = self._sender.planned
        stopped = asyncio.create_task(stop.wait())
        stopped.add_done_callback(lambda _: bell.set())
        clock = self._system.clock
        try:
            while not stop.is_set():
                looking = self._sender.look
                bell.clear()
                self._sender.look = False
                try:
                    within = await self.picker.take_handed()
                    self.pump()
                    now = clock.monotonic()
                    self._look_at = min(self._look_at, now + within)
                    if looking or now >= self._look_at:
                        self._look_at = inf
                        wait = await self.picker.pick()
                        self._look_at = min(self._look_at, now + wait)
                except DatabaseUnavailable:
                    self._look_at = clock.monotonic() + 1.0
                self.pump()
                wait = min(self._look_at - clock.monotonic(), self._rested())
                if wait > 0:
                    with suppress(TimeoutError):
                        async with asyncio.timeout(wait):
                            await bell.wait()
        finally:
            stopped.cancel()

    def _rested(self) -> float:
        """After how many seconds an endpoint that waits for its own rate may be sent to again."""
        ticks, resting = self._system.clock.monotonic(), self.picker.board.resting.values()
        return max(0.001, min(resting) - ticks) if resting and self.leases.certain() else inf

    async def _echo(self) -> None:
        """Look for work a moment after something was written to the log, unless this process fanned it out itself.

        While nobody else delivers, what is written all the time is seldom work that this process does not know of.
        """
        pause, found, clock = _ECHO, 0, self._system.clock
        with self._system.engine.bus.heard() as heard:
            while True:
                quiet_since = clock.monotonic()
                await heard.wait()
                heard.clear()
                was_quiet = clock.monotonic() - quiet_since > _QUIET
                news, found = self.picker.found > found, self.picker.found
                pause = _ECHO if was_quiet or news or not self.leases.alone else min(_LONGEST_ECHO, 2 * pause)
                fanned = self._sender.fanned
                await asyncio.sleep(pause)
                if self._sender.fanned == fanned:
                    self._sender.look_again()

    async def _keep_leases(self) -> None:
        while True:
            if await self.leases.renew(self.picker.busy()):
                self.picker.rescan()
                self._sender.look_again()
            with suppress(DatabaseUnavailable):
                await self.picker.heed_walls()
            await asyncio.sleep(self._settings.heartbeat.total_seconds())

    def pump(self) -> None:
        """Start what may start."""
        if not self.leases.certain():
            self.picker.clear()
            return
        for job in self.picker.board.take(self._system.clock.monotonic()):
            task = asyncio.create_task(self._send(job))
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        self._sender.waiting = self.picker.board.length

    async def _send(self, job: Job) -> None:
        started = self._system.now
        ended = False
        try:
            message = Outgoing(job.message_id, job.body, again=job.trigger != "schedule")
            reply = await self._sender.post(job.keys, message, self._system.clock)
            self._done.append(self._concluded(job, reply, started))
            self._settle.set()
            ended = True
        finally:
            self.picker.board.end(job)
            if not ended:
                self.picker.let_go([job.due.number])
        if self.picker.board.length:
            self.pump()

    def _concluded(self, job: Job, reply: Reply, started: datetime) -> Done:
        age = started - job.born
        state, attempts, wait = settling.next_state(
            job.attempts, reply.outcome, parked=job.parked, age=age, draw=chance.draw()
        )
        return Done(
            due=job.due,
            epoch=job.epoch,
            started=started,
            url=job.keys.url,
            address=reply.address,
            signed_at=reply.signed_at,
            signature=reply.signature,
            names=job.keys.names,
            status=reply.outcome.status,
            answered=reply.answered,
            response=reply.body,
            took_ms=reply.took_ms,
            error=reply.outcome.error,
            state=state,
            attempts=attempts,
            next_at=None if wait is None else self._system.now + wait,
            until=started.date() + timedelta(days=job.keys.keep_days + 1),
            trigger=job.trigger,
        )

    async def _keep_settling(self) -> None:
        while not (self._closing and not self._done):
            await self._settle.wait()
            for pause, least in _GATHER:
                if least <= len(self._done) < _SETTLED_AT_ONCE and not self._closing:
                    await asyncio.sleep(pause)
            self._settle.clear()
            try:
                await self.settle_some()
            except DatabaseUnavailable:
                await asyncio.sleep(0.2)
                self._settle.set()

    async def settle_some(self) -> None:
        """Write what is done, in whole batches; what cannot be written, and a small rest, stays for the next time."""
        while self._done:
            batch = self._done[:_SETTLED_AT_ONCE]
            advanced = await settling.settle(self._system, self.owner, batch)
            del self._done[: len(batch)]
            self.picker.let_go([one.due.number for one in batch])
            if advanced or self.picker.board.opened():
                self._sender.look_again()
            self._look_by([one.next_at for one in batch if one.next_at is not None])
            if self._done and len(self._done) < _SETTLED_AT_ONCE and not self._closing:
                self._settle.set()
                return

    def _look_by(self, planned: Sequence[datetime]) -> None:
        """Look again when the first of these is due."""
        if planned:
            clock = self._system.clock
            at = clock.monotonic() + max(0.0, (min(planned) - clock.now()).total_seconds())
            if at < self._look_at:
                self._look_at = at
                self._sender.planned.set()


async def run(system: System, stop: asyncio.Event) -> None:
    """Deliver until `stop` is set."""
    await Dispatcher(system).run(stop)
