"""The queue on PostgreSQL by pgqueuer (design/engine.md 2-3).

Its completion is not fenced and its `dedupe_key` loses wake-ups, so neither is relied upon: rows are wake-ups only.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import asyncpg
import msgspec

from isthmus.engine import db
from isthmus.engine.db import SYSTEM_ROLE, Database, DatabaseUnavailable, Tx, queue_objects
from isthmus.engine.queue import fair, hearing
from isthmus.engine.queue.port import Depth, Handler, Parked, Postponed, Wake, addressed, plain
from isthmus.kit.clock import SYSTEM, Clock
from isthmus.kit.waiting import first_of

if TYPE_CHECKING:
    from pgqueuer.core.qm import QueueManager
    from pgqueuer.domain.models import Job

_LOG = logging.getLogger("isthmus.engine.queue")

_ENQUEUE: Final = """
insert into queue.pgqueuer (priority, entrypoint, payload, execute_after, tenant_id, status)
values ($1, $2, $3, now() + $4, $5, 'queued')
"""
_ENQUEUE_ALL: Final = """
insert into queue.pgqueuer (priority, entrypoint, payload, execute_after, tenant_id, status)
select w.lane, w.job, w.payload, now() + w.after, w.tenant_id, 'queued'
from unnest($1::int[], $2::text[], $3::bytea[], $4::interval[], $5::text[]) as w(lane, job, payload, after, tenant_id)
"""
#: A wake-up that was made for a later time stands for no object that says of itself that it is due now.
_MISSING: Final = """
insert into queue.pgqueuer (priority, entrypoint, payload, execute_after, tenant_id, status)
select w.lane, w.job, w.payload, now() + w.after, w.tenant_id, 'queued'
from unnest($1::int[], $2::text[], $3::bytea[], $4::interval[], $5::text[], $6::bool[])
  as w(lane, job, payload, after, tenant_id, due)
where not exists (
  select from queue.pgqueuer q
  where q.entrypoint = w.job and q.payload = w.payload
    and (q.status = 'queued' and (not w.due or q.execute_after <= now() or q.attempts > 0)
      or q.status = 'picked' and q.deaths > 0
      or q.status = 'failed' and (q.held_until is null or q.held_until > now()))
)
"""
# What is addressed counts as its job: addresses are as many as tenants like.
_STATS: Final = """
select split_part(entrypoint, '/', 1) as entrypoint,
       count(*) filter (where status = 'queued') as queued,
       count(*) filter (where status = 'picked') as running,
       count(*) filter (where status = 'failed') as parked,
       coalesce(extract(epoch from now() - min(execute_after) filter (where status = 'queued')), 0)::float8 as oldest
from queue.pgqueuer group by 1 order by 1
"""
_DUE: Final = """
select exists (select from queue.pgqueuer
  where entrypoint = any($1::text[]) and (status = 'picked' or status = 'queued' and execute_after <= now())) as due
"""
_CANCEL: Final = """
delete from queue.pgqueuer
where status = 'queued' and convert_from(payload, 'UTF8')::jsonb ->> 1 = $1
"""
_FORGET: Final = "delete from queue.pgqueuer where status = 'queued' and entrypoint = $1"
_PARK: Final = """
insert into queue.pgqueuer (priority, entrypoint, payload, tenant_id, status, attempts, reason, held_until)
values ($1, $2, $3, $4, 'failed', $5, $6, now() + $7)
"""
_PARKED: Final = """
select entrypoint, tenant_id, convert_from(payload, 'UTF8')::jsonb ->> 1 as key, deaths, attempts, reason,
  updated as since, held_until
from queue.pgqueuer where status = 'failed' order by updated desc, id desc limit $1
"""
_RESEND: Final = """
with freed as (
  delete from queue.pgqueuer where status = 'failed' and entrypoint = $1 and payload = $2
  returning priority, entrypoint, payload, tenant_id
)
insert into queue.pgqueuer (priority, entrypoint, payload, tenant_id, status)
select max(priority), entrypoint, payload, tenant_id, 'queued'::queue.pgqueuer_status
from freed group by entrypoint, payload, tenant_id
"""
_FREE: Final = "delete from queue.pgqueuer where status = 'failed' and held_until < now()"
_PRUNE: Final = "delete from queue.pgqueuer_log where created < now() - $1::interval"
#: What was woken for a parked object; taken out here, seldom, because workers hear of every deletion.
_SWALLOWED: Final = "delete from queue.pgqueuer where status = 'deleted'"
_PRUNE_EVERY: Final = 600.0
_GRACE: Final = 20.0
_PAUSE: Final = 0.2
#: A connection that held this long was a good one: the next failure is a new one.
_STEADY: Final = 2.0
_NOW: Final = timedelta(0)


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast one process works. `concurrency` must be at least twice `batch`; `bulk` of its places take bulk jobs."""

    batch: int = 20
    concurrency: int = 40
    bulk: int = 28
    #: How often a worker looks of whom nobody tells: for what a dead one had, mostly.
    poll: timedelta = timedelta(seconds=3)
    #: How long after it has heard of new work, of whatever kind, a worker looks for its own.
    heed: timedelta = _NOW
    heartbeat: timedelta = timedelta(seconds=15)
    first_retry: timedelta = timedelta(seconds=1)
    longest_retry: timedelta = timedelta(minutes=5)
    attempts: int = 12
    #: How long an object is left alone whose wake-up failed so often.
    parked: timedelta = timedelta(hours=1)
    log_kept: timedelta = timedelta(hours=6)
    grace: float = _GRACE


class PgQueue:
    """The queue of one database. `direct_url` is an address past any transaction pooler: the worker listens."""

    def __init__(
        self, database: Database, *, direct_url: str | None = None, pace: Pace = Pace(), clock: Clock = SYSTEM
    ) -> None:
        self._database = database
        self._url = direct_url or database.url
        self._pace = pace
        self._clock = clock
        self._handlers: dict[str, Handler] = {}
        self._turn = fair.Turn(pace.bulk)
        #: Addresses whose wake-ups are taken here, as whole names of jobs.
        self._own: set[str] = set()
        self._manager: QueueManager | None = None
        self._running: set[asyncio.Task[None]] = set()
        self._giving_back = False
        self._bulk = 0
        self.stopping = asyncio.Event()

    @property
    def crowded(self) -> bool:
        """Whether every place of this process that bulk jobs may take is taken."""
        return self._bulk >= self._pace.bulk

    async def enqueue(
        self, tx: Tx, job: str, key: str, *, tenant_id: str, after: timedelta | None = None, lane: int = 0
    ) -> None:
        """Wake `job` once the transaction has committed."""
        await tx.execute_sql(_ENQUEUE, lane, job, _payload(tenant_id, key), after or _NOW, tenant_id)

    async def enqueue_all(self, tx: Tx, wakes: Sequence[Wake]) -> None:
        """Wake all these once the transaction has committed, in one statement."""
        if wakes:
            await tx.execute_sql(_ENQUEUE_ALL, *_columns(wakes))

    async def enqueue_missing(self, tx: Tx, wakes: Sequence[Wake]) -> int:
        """Wake those that do not wait already. Safe only where a lost race is healed by the next round."""
        given = (*_columns(wakes), [wake.due for wake in wakes])
        return await tx.execute_sql(_MISSING, *given) if wakes else 0

    def handler(self, job: str, *, counts_deaths: bool = False, bulk: bool = False) -> Callable[[Handler], Handler]:
        """Register the function that is woken for `job`."""
        if counts_deaths:
            self._turn.uncounted.add(job)
        if bulk:
            self._turn.bulk.add(job)

        def register(function: Handler) -> Handler:
            if job in self._handlers:
                raise ValueError(f"the job {job} has a handler already")
            self._handlers[job] = function
            return function

        return register

    def take(self, job: str, address: str, *, wanted: bool = True) -> None:
        """Take the wake-ups of an address too, or no more, from the next look on."""
        name = addressed(job, address)
        if not wanted:
            # what was fetched already still finds its function
            self._turn.silent.add(name)
            return
        self._turn.silent.discard(name)
        if name not in self._own:
            self._own.add(name)
            if self._manager is not None:
                self._manager.entrypoint(name, accepts_context=False)(self._woken)

    async def forget(self, tx: Tx, job: str) -> int:
        """Forget the waiting wake-ups of an addressed job."""
        return await tx.execute_sql(_FORGET, job)

    async def cancel(self, tx: Tx, key: str) -> int:
        """Forget the waiting wake-ups of one object."""
        return await tx.execute_sql(_CANCEL, key)

    async def is_due(self, tx: Tx, jobs: Collection[str]) -> bool:
        """Whether any of these jobs waits for a worker or is at one."""
        return bool((await tx.fetch_sql(_DUE, list(jobs)))[0]["due"])

    async def stats(self, tx: Tx) -> list[Depth]:
        """What waits and what runs, per job."""
        rows = await tx.fetch_sql(_STATS)
        return [
            Depth(row["entrypoint"], row["queued"], row["running"], max(0.0, row["oldest"]), row["parked"])
            for row in rows
        ]

    async def parked(self, tx: Tx, limit: int = 100) -> list[Parked]:
        """What was given up, the newest first."""
        rows = await tx.fetch_sql(_PARKED, limit)
        return [
            Parked(
                row["entrypoint"], row["key"], row["tenant_id"], row["reason"] or "", row["since"], row["held_until"]
            )
            for row in rows
        ]

    async def resend(self, tx: Tx, job: str, key: str, *, tenant_id: str) -> bool:
        """Wake a parked object again, with a clean record; whether it was parked."""
        return await tx.execute_sql(_RESEND, job, _payload(tenant_id, key)) > 0

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set; outages of the database are waited out."""
        if not self._handlers:
            await stop.wait()
            return
        self.stopping.clear()
        pause = _PAUSE
        while not stop.is_set():
            started = self._clock.monotonic()
            try:
                await self._work(stop)
            except Exception as failure:  # noqa: BLE001 - the runner outlives whatever its connection dies of
                if self._clock.monotonic() - started > _STEADY:
                    pause = _PAUSE
                _LOG.warning("the queue's connection failed (%s); trying again in %g s", type(failure).__name__, pause)
                await _wait(stop, pause)
                pause = min(5.0, pause * 2)

    async def _work(self, stop: asyncio.Event) -> None:
        connection = await db.connect(self._url, role=SYSTEM_ROLE, json=False)
        self._database.align(connection)
        gone = asyncio.Event()
        connection.add_termination_listener(lambda _: gone.set())
        manager = self._manager = self._made(connection)
        self._giving_back = False
        helpers = [
            asyncio.create_task(self._watch(stop, gone, manager), name="queue-stop"),
            asyncio.create_task(self._prune(), name="queue-prune"),
        ]
        try:
            await manager.run(
                dequeue_timeout=self._pace.poll,
                batch_size=self._pace.batch,
                max_concurrent_tasks=self._pace.concurrency,
                heartbeat_timeout=self._pace.heartbeat,
                log_aggregation_interval=_NOW,
                shutdown_on_listener_failure=True,
            )
            if not stop.is_set():
                raise ConnectionResetError("the session was cut")
        finally:
            self._manager = None
            for task in helpers:
                task.cancel()
            await asyncio.gather(*helpers, return_exceptions=True)
            await db.close_quietly(connection)

    def _made(self, connection: asyncpg.Connection) -> "QueueManager":
        # The library takes a fifth of a second to import, and only a process that works needs it.
        from pgqueuer.adapters.persistence import qb, queries  # noqa: PLC0415 - see above
        from pgqueuer.core.qm import QueueManager  # noqa: PLC0415 - see above

        names = queue_objects.settings()
        manager = QueueManager(
            queries.Queries(
                hearing.driver(connection, self._pace.heed.total_seconds()),
                qbe=qb.QueryBuilderEnvironment(settings=names),
                qbq=fair.builder(names, self._turn),
                qbs=qb.QuerySchedulerBuilder(settings=names),
            ),
            channel=names.channel,
        )
        for job in (*self._handlers, *self._own):
            manager.entrypoint(job, accepts_context=False)(self._woken)
        return manager

    async def _woken(self, job: "Job") -> None:
        from pgqueuer.domain.errors import RetryRequested  # noqa: PLC0415 - only a process that works needs it

        task = asyncio.current_task()
        if task is not None:
            self._running.add(task)
        bulk = job.entrypoint in self._turn.bulk
        self._bulk += bulk
        try:
            again = await self._handle(job)
        except asyncio.CancelledError:
            if not self._giving_back:
                raise
            again = _NOW
        finally:
            self._bulk -= bulk
            if task is not None:
                self._running.discard(task)
        if again is not None:
            raise RetryRequested(delay=again) from None

    async def _handle(self, job: "Job") -> timedelta | None:
        """Run the handler; the time after which it wants to be woken again, None when it is done."""
        tenant_id, key = msgspec.json.decode(job.payload or b'["",""]', type=tuple[str, str])
        self._turn.after = tenant_id
        wake = Wake(job.entrypoint, key, tenant_id, lane=job.priority, attempt=job.attempts)
        try:
            await self._handlers[plain(job.entrypoint)](wake)
        except Postponed as wish:
            return await self._postpone(wake, wish.delay)
        except DatabaseUnavailable:
            return self._pace.first_retry
        except Exception as failure:  # noqa: BLE001 - the job runner: whatever a handler raises is logged and tried again
            if job.attempts + 1 >= self._pace.attempts:
                _LOG.exception("job %s for %s failed %d times and is parked", wake.job, key, job.attempts + 1)
                return await self._park(wake, type(failure).__name__)
            _LOG.exception("job %s for %s failed, attempt %d", wake.job, key, job.attempts + 1)
            return min(self._pace.longest_retry, self._pace.first_retry * (1 << job.attempts))
        return None

    async def _postpone(self, wake: Wake, delay: timedelta) -> timedelta | None:
        """A fresh wake-up, so that waiting is not counted as failing; the old one where that is not possible."""
        try:
            async with self._database.system() as tx:
                await self.enqueue(tx, wake.job, wake.key, tenant_id=wake.tenant_id, after=delay, lane=wake.lane)
        except DatabaseUnavailable:
            return delay
        return None

    async def _park(self, wake: Wake, failure: str) -> timedelta | None:
        """Leave the object alone for a while, and whatever else would wake it; then the reconciler may try again."""
        attempts, reason = wake.attempt + 1, f"it failed {wake.attempt + 1} times, with {failure} in the end"
        given = (wake.lane, wake.job, _payload(wake.tenant_id, wake.key), wake.tenant_id, attempts, reason)
        try:
            async with self._database.system() as tx:
                await tx.execute_sql(_PARK, *given, self._pace.parked)
        except DatabaseUnavailable:
            return self._pace.longest_retry
        return None

    async def _watch(self, stop: asyncio.Event, gone: asyncio.Event, manager: "QueueManager") -> None:
        """Stop the manager; what is not finished after the grace time is handed back to be woken again."""
        await first_of(stop, gone)
        manager.shutdown.set()
        if stop.is_set():
            self.stopping.set()
        await asyncio.sleep(0 if gone.is_set() else self._pace.grace)
        self._giving_back = True
        for task in list(self._running):
            task.cancel()

    async def _prune(self) -> None:
        while True:
            with contextlib.suppress(DatabaseUnavailable):
                async with self._database.system() as tx:
                    await tx.execute_sql(_PRUNE, self._pace.log_kept)
                    await tx.execute_sql(_FREE)
                    await tx.execute_sql(_SWALLOWED)
            await asyncio.sleep(_PRUNE_EVERY)


def _columns(wakes: Sequence[Wake]) -> tuple[list[object], ...]:
    return (
        [wake.lane for wake in wakes],
        [wake.job for wake in wakes],
        [_payload(wake.tenant_id, wake.key) for wake in wakes],
        [wake.after or _NOW for wake in wakes],
        [wake.tenant_id for wake in wakes],
    )


def _payload(tenant_id: str, key: str) -> bytes:
    return msgspec.json.encode((tenant_id, key))


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()
