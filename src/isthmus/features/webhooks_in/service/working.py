"""Works deliveries off as hints: something changed, so it is read anew, forwarded, or told to a function (WH-07).

Each handler has its own tasks, worker, schedule and dead letters, so that none waits for another's failures. What ends
its worker is taken up again alone: it can harm nothing but itself, and becomes a dead letter as well.
"""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Any

from isthmus.engine.db import Tx, lower_lane
from isthmus.engine.queue import Wake
from isthmus.features.webhooks_in.events import DeliveryDied
from isthmus.features.webhooks_in.model.deliveries import State, next_attempt
from isthmus.features.webhooks_in.model.handling import BUILT_IN, Action, Rule, Subject, function_of, in_front
from isthmus.features.webhooks_in.service import acting, calling, obeying, offering, planning, waking
from isthmus.features.webhooks_in.service.acting import Job, Outcome
from isthmus.features.webhooks_in.service.calling import LATER, Lane
from isthmus.features.webhooks_in.service.handlers import Handler, handlers
from isthmus.features.webhooks_in.service.intake import ROUTE
from isthmus.features.webhooks_in.service.marks import Marks
from isthmus.features.webhooks_in.service.planning import Expressions
from isthmus.features.webhooks_in.settings import Settings
from isthmus.features.webhooks_in.store import handlers as keeping
from isthmus.features.webhooks_in.store import planning as plans
from isthmus.features.webhooks_in.store import tasks
from isthmus.features.webhooks_in.store import working as store
from isthmus.features.webhooks_in.store.tasks import Ended
from isthmus.features.webhooks_in.store.working import Step
from isthmus.scope import Scope, System
from isthmus.scope import Tx as ScopeTx

_AT_ONCE = 100
_MOST = 500
_QUIET = timedelta(seconds=3)
_AGAIN = timedelta(seconds=2)
#: As long as the reconciler may take to find what is due.
_MOMENT = timedelta(seconds=8)
_ORDINARY = ("id", "source_id", "connection_id", "provider", "event", "topic", "entity", "object", "account")


class _Overtaken(Exception):
    """This worker was believed dead and another one has done its work."""


@dataclass(frozen=True, slots=True)
class _Known:
    """What one look at the database says of a batch."""

    rule: Rule | None
    function: Handler | None
    jobs: Sequence[Job]
    sources: Mapping[str, Expressions]

    @property
    def retries(self) -> tuple[float, ...] | None:
        return self.rule.retries if self.rule else None

    @property
    def replayed(self) -> bool:
        """Whether all of them were worked off before, so that others go first (RL-08)."""
        return bool(self.jobs) and all(job.told["replays"] for job in self.jobs)


@dataclass(slots=True)
class _Look:
    """How one worker looks for what is due: from its mark on, or at everything, and what it knows of that by now."""

    scope: Scope
    key: str
    marks: Marks
    whole: bool = False
    more: bool = True
    fruitful: bool = False
    ticks: float = 0.0
    seconds: float = 0.0

    @property
    def owner(self) -> tuple[str, str]:
        return self.scope.tenant_id, self.key

    async def take(self, tx: ScopeTx) -> list[Any]:
        """The next ones that are due; none where another look is to be taken later, or nothing is left."""
        begun = self.scope.clock.monotonic()
        since = self.marks.since(self.owner, begun)
        if since is not None:
            self.whole = False
            return await self._claim(tx, since=since) if self.more else []
        if not self.whole:
            self.whole = self.more = True
        if self.more:
            self.ticks = begun
            rows = await self._claim(tx)
            self.seconds = self.scope.clock.monotonic() - begun
            if rows:
                return rows
        # what ended its worker once is taken up alone
        return await self._claim(tx, limit=1, dropped=True)

    async def _claim(self, tx: ScopeTx, *, since: str = "", limit: int = _AT_ONCE, dropped: bool = False) -> list[Any]:
        span = (self.scope.now, _lease(self.scope, self.key.partition("/")[2]))
        return await tasks.claim(tx, self.owner, span, limit=limit, dropped=dropped, since=since)

    def took(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Note what was taken, once that is committed."""
        laned = any(row["lane"] is not None for row in rows)
        # what comes later has a wake-up of its own; only those that wait behind another one in a lane have none
        self.more = self.more and (len(rows) >= _AT_ONCE or laned)
        self.fruitful = self.fruitful or (self.whole and self.marks.behind(self.owner, rows[0]["delivery_id"]))
        if laned:
            self.marks.forget(self.owner)
        else:
            self.marks.took(self.owner, rows[-1]["delivery_id"], rows[0]["passed"])

    async def end(self) -> None:
        """Nothing is left of what was looked at: ask for a look at everything where this was none."""
        if self.whole:
            self.marks.looked(self.owner, self.ticks, self.seconds, fruitful=self.fruitful)
            return
        ticks = self.scope.clock.monotonic()
        wait = self.marks.wait(self.owner, ticks)
        if wait is not None:
            await _wake(self.scope, self.key, timedelta(seconds=wait))
            self.marks.asked(self.owner, ticks + wait)


def _function(scope: Scope, name: str) -> Handler | None:
    return next((one for one in handlers(scope, scope.tenant_id) if one.name == name), None)


def _lease(scope: Scope, name: str) -> timedelta:
    """How long a worker of this handler is waited for: one call of its function fits in beside what went before it."""
    lease, function = scope.part(Settings).lease, _function(scope, name)
    return lease if function is None else max(lease, timedelta(seconds=2 * function.seconds))


async def work(scope: Scope, key: str) -> None:
    """Work off what is due for a handler at a connection, or at a source without one.

    What is for a function that this process does not have is left to those that have it, unless it was retired.
    """
    name = function_of(key)
    if name is not None and _function(scope, name) is None and not await offering.is_retired(scope, name):
        await _wake(scope, key, _AGAIN)
        return
    marks = scope.engine.parts.get(Marks)
    look = _Look(scope, key, marks if isinstance(marks, Marks) else Marks(every=0.0))
    while True:
        async with scope.tx() as tx:
            rows = await look.take(tx)
            known = await _known(scope, tx, rows) if rows else None
        if known is None:
            await look.end()
            return
        look.took(rows)
        if any(job.subject.source_id not in known.sources for job in known.jobs):
            # it came in at a source of the deployment's own
            known = replace(known, sources={**await planning.lent(scope), **known.sources})
        try:
            with lower_lane() if known.replayed else nullcontext():
                await _attempt(scope, known, rows)
        except _Overtaken:
            return
        if scope.engine.queue.stopping.is_set():
            await _wake(scope, key)
            return


async def _wake(scope: Scope, key: str, after: timedelta | None = None) -> None:
    async with scope.tx() as tx:
        await tx.enqueue(waking.job(scope.tenant_id, key), key, after=after)


async def _known(scope: Scope, tx: Tx, rows: Sequence[Mapping[str, Any]]) -> _Known:
    name = str(rows[0]["handler"])
    function = _function(scope, name)
    rule = function.rule if function else BUILT_IN.get(name)
    if rule is None:
        found = await keeping.handler(tx, scope.tenant_id, name)
        rule = planning.rule_of(found) if found is not None else None
    whole = await plans.told(tx, scope.tenant_id, [row["delivery_id"] for row in rows])
    jobs = [_job(whole[row["delivery_id"]], row["attempts"]) for row in rows if row["delivery_id"] in whole]
    sources = await planning.expressions(tx, scope.tenant_id, {job.subject.source_id for job in jobs})
    return _Known(rule, function, jobs, sources)


def _job(row: Mapping[str, Any], attempt: int) -> Job:
    given = {name: row[name] for name in (*_ORDINARY, "simulated", "rehearsed", "body", "headers", "query")}
    return Job(Subject(**given), attempt, row)


async def _attempt(scope: Scope, known: _Known, rows: Sequence[Mapping[str, Any]]) -> None:
    """One attempt of each; then everything is written down in one transaction."""
    most = len(_retries(scope, known)) + 1
    worn = {job.subject.id for job in known.jobs if job.attempt > most}
    fine = [job for job in known.jobs if job.subject.id not in worn]
    outcomes = {id_: Outcome("failed", "Its worker ended again and again.") for id_ in worn}
    publishing: list[Job] = []
    if known.function is not None:
        await _call(scope, known, rows, fine, outcomes)
        return
    if known.rule is None:
        orphan = await _orphan(scope, str(rows[0]["key"]))
        outcomes |= {job.subject.id: orphan for job in fine}
    elif known.rule.action == Action.SYNC:
        outcomes |= await acting.read(scope, fine)
    elif known.rule.action == Action.OBEY:
        outcomes |= await obeying.obey(scope, fine)
    else:
        publishing = await acting.typed(scope, fine)
    await _write(scope, known, rows, outcomes, publishing)


async def _orphan(scope: Scope, key: str) -> Outcome:
    name = function_of(key)
    if name is None:
        return Outcome("ignored", "The handler was removed.")
    if await offering.is_retired(scope, name):
        return Outcome("ignored", "The function was retired.")
    return Outcome("again", "The process that took it up has the function no more.")


async def _call(
    scope: Scope,
    known: _Known,
    rows: Sequence[Mapping[str, Any]],
    jobs: Sequence[Job],
    outcomes: dict[str, Outcome],
) -> None:
    """Call the function for all of them, and write down piece by piece how it went.

    What has not begun by a quarter of the lease is handed back: nobody else is to believe that this worker is dead.
    """
    function, key = known.function, str(rows[0]["key"])
    assert function is not None  # noqa: S101 - the caller looked
    lanes = calling.in_lanes(jobs, {row["delivery_id"]: row["lane"] for row in rows})
    until = scope.clock.monotonic() + scope.part(Settings).lease.total_seconds() / 4
    while rows:
        outcomes |= await calling.some(scope, function, known.sources, lanes)
        lanes = [lane for lane in lanes if lane[1]]
        if not lanes or scope.clock.monotonic() >= until or await _gives_way(scope, key, lanes):
            outcomes |= {job.subject.id: LATER for _, left in lanes for job in left}
            ended = rows
        else:
            ended = [row for row in rows if row["delivery_id"] in outcomes]
        await _write(scope, known, ended, outcomes, ())
        over = {row["delivery_id"] for row in ended}
        rows = [row for row in rows if row["delivery_id"] not in over]


async def _gives_way(scope: Scope, key: str, lanes: Sequence[Lane]) -> bool:
    """Whether to hand back what has not begun: the process stops, or something came in beside what is replayed."""
    if scope.engine.queue.stopping.is_set():
        return True
    beside = [live for name, _ in lanes if name is not None and (live := in_front(name)) is not None]
    if not beside:
        return False
    async with scope.tx() as tx:
        return await tasks.pressed(tx, (scope.tenant_id, key), beside, scope.now)


async def _write(
    scope: Scope,
    known: _Known,
    rows: Sequence[Mapping[str, Any]],
    outcomes: dict[str, Outcome],
    publishing: Sequence[Job],
) -> None:
    async with scope.tx() as tx:
        outcomes |= _forward(tx, known, rows, publishing)
        ended = [_ended(scope, known, row, outcomes.get(row["delivery_id"])) for row in rows]
        theirs, opened = await tasks.finish(tx, scope.tenant_id, ended, scope.now)
        if publishing and len(theirs) < len(ended):
            # somebody else took them up meanwhile: nothing of this attempt may count
            raise _Overtaken
        await _note(scope, tx, [one for one in ended if (one.delivery_id, one.handler) in theirs], outcomes)
        await scope.engine.queue.enqueue_all(tx, [waking.wake(scope.tenant_id, key) for key in opened])
        tried = [one for one in ended if outcomes.get(one.delivery_id) is not LATER]
        await _come_back(scope, tx, str(rows[0]["key"]), tried)


def _forward(tx: ScopeTx, known: _Known, rows: Sequence[Mapping[str, Any]], jobs: Sequence[Job]) -> dict[str, Outcome]:
    """Publish what may be published; behind a failure nothing of its lane goes out."""
    lanes = {row["delivery_id"]: row["lane"] for row in rows}
    found: dict[str, Outcome] = {}
    stopped: set[str] = set()
    for job in jobs:
        assert known.rule is not None  # noqa: S101 - only what a rule forwards is given here
        lane = lanes[job.subject.id]
        if lane in stopped:
            found[job.subject.id] = LATER
            continue
        found[job.subject.id] = acting.forward(tx, known.rule, known.sources.get(job.subject.source_id), job)
        if lane is not None and found[job.subject.id].kind == "failed":
            stopped.add(lane)
    return found


async def _come_back(scope: Scope, tx: ScopeTx, key: str, ended: Sequence[Ended]) -> None:
    """Wake this worker for what is to be tried again in a moment; the reconciler finds what comes due later."""
    pauses = [one.next_at - scope.now for one in ended if one.next_at is not None]
    if pauses and min(pauses) <= _MOMENT:
        await tx.enqueue(waking.job(scope.tenant_id, key), key, after=max(min(pauses), timedelta(0)))


async def _note(scope: Scope, tx: ScopeTx, ended: Sequence[Ended], outcomes: Mapping[str, Outcome]) -> None:
    steps = [_step(scope, one, outcomes.get(one.delivery_id)) for one in ended if not one.free]
    if steps:
        await store.note(tx, scope.tenant_id, steps, scope.now)
    for one in ended:
        if one.state == State.DEAD:
            tx.emit(DeliveryDied(subject=one.delivery_id, body={"handler": one.handler, "reason": one.reason}))


def _step(scope: Scope, one: Ended, outcome: Outcome | None) -> Step:
    kind = outcome.kind if outcome else "ignored"
    message = outcome.message if outcome else one.reason
    return Step(one.delivery_id, scope.id("stp"), one.handler, kind, message, outcome.run_id if outcome else None)


def _retries(scope: Scope, known: _Known) -> Sequence[float]:
    return known.retries if known.retries is not None else scope.part(Settings).retries


def _ended(scope: Scope, known: _Known, row: Mapping[str, Any], outcome: Outcome | None) -> Ended:
    """A delivery that was forgotten meanwhile has no outcome."""
    outcome = outcome or Outcome("ignored", "The delivery was forgotten meanwhile.")
    make = partial(Ended, row["delivery_id"], row["handler"], row["attempts"])
    if outcome is LATER:
        return make(State.WAITING, 1, scope.now, row["reason"], None, None, None)
    if outcome.kind == "again":
        return make(State.WAITING, 1, scope.now + _AGAIN, outcome.message, None, None, None)
    if outcome.kind == "failed":
        at = next_attempt(row["attempts"], _retries(scope, known), scope.now)
        if at is not None:
            return make(State.WAITING, 0, at, outcome.message, None, outcome.result, None)
        return make(State.DEAD, 0, None, outcome.message, None, outcome.result, scope.now)
    state = State.DONE if outcome.kind == "done" else State.IGNORED
    return make(state, 0, None, outcome.message, outcome.run_id, outcome.result, scope.now)


async def missing(system: System, tx: Tx) -> Sequence[Wake]:
    """The wake-ups of what nobody works on: lost ones, dead workers, and retries that have come due."""
    forgotten, due = await tasks.due(tx, system.now - _QUIET, system.now, _MOST)
    return [
        *(Wake(ROUTE, source, tenant) for tenant, source in forgotten),
        *(Wake(waking.HANDLE, key, tenant) if gone else waking.wake(tenant, key) for tenant, key, gone in due),
    ]


async def heard(tx: Tx, event: Mapping[str, Any]) -> None:
    """A tenant was suspended: what comes in for it waits, until it is let in again."""
    if event["after"]["status"] == "suspended":
        await tasks.halt(tx, event["subject"], event["at"])
    else:
        await tasks.let_go(tx, event["subject"])
