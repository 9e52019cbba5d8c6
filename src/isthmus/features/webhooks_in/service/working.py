"""Works deliveries off as hints: something changed, so the connection is read anew (security.md WH-07).

A burst for one connection shares one run. Every failure follows its delivery's own schedule and harms no other; what
ends its worker again and again becomes a dead letter as well.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from fnmatch import fnmatchcase

from isthmus.engine.db import Tx
from isthmus.engine.queue import Wake
from isthmus.features import sync
from isthmus.features.webhooks_in.events import DeliveryDied
from isthmus.features.webhooks_in.model.deliveries import State, next_attempt
from isthmus.features.webhooks_in.service.handlers import Handler, Told, handlers
from isthmus.features.webhooks_in.service.intake import ROUTE
from isthmus.features.webhooks_in.service.routing import HANDLE
from isthmus.features.webhooks_in.settings import Settings
from isthmus.features.webhooks_in.store import intake as keeping
from isthmus.features.webhooks_in.store import working as store
from isthmus.features.webhooks_in.store.working import Ended, Step
from isthmus.kit.errors import Problem
from isthmus.scope import Scope, System

_LOG = logging.getLogger("isthmus.features.webhooks_in")
_AT_ONCE = 100
_MOST = 500
_QUIET = timedelta(seconds=3)
_AGAIN = timedelta(seconds=2)
_TEXT = 500


@dataclass(frozen=True, slots=True)
class _Outcome:
    """How one handler fared with one delivery: done, again (does not count), or failed."""

    what: str
    kind: str
    message: str | None = None
    run_id: str | None = None


@dataclass(frozen=True, slots=True)
class _Claimed:
    id: str
    attempts: int
    connection_id: str | None
    entity: str
    event: str
    simulated: bool


async def work(scope: Scope, key: str) -> None:
    """Work off what is due for a connection, or for a source without one."""
    lease = scope.part(Settings).lease
    while True:
        async with scope.tx() as tx:
            rows = await store.claim(tx, scope.tenant_id, key, lease, _AT_ONCE, scope.now)
        if not rows:
            return
        names = ("id", "attempts", "connection_id", "entity", "event", "simulated")
        await _handle(scope, [_Claimed(*(row[name] for name in names)) for row in rows])


async def _handle(scope: Scope, claimed: Sequence[_Claimed]) -> None:
    retries = scope.part(Settings).retries
    worn = [one for one in claimed if one.attempts > len(retries) + 1]
    fine = [one for one in claimed if one.attempts <= len(retries) + 1]
    outcomes = {one.id: [_Outcome("worker", "failed", "Its worker ended again and again.")] for one in worn}
    outcomes |= {one.id: [] for one in fine}
    for connection_id, entity in sorted({(one.connection_id, one.entity) for one in fine if _reads(one)}, key=str):
        outcome = await _read(scope, connection_id or "", entity)
        for one in fine:
            if _reads(one) and (one.connection_id, one.entity) == (connection_id, entity):
                outcomes[one.id].append(outcome)
    for one in fine:
        for handler in handlers(scope):
            if not one.simulated and fnmatchcase(one.event, handler.pattern):
                outcomes[one.id].append(await _call(scope, handler, one))
    await _write(scope, [(one, outcomes[one.id]) for one in claimed])


def _reads(one: _Claimed) -> bool:
    return bool(one.entity and one.connection_id) and not one.simulated


async def _read(scope: Scope, connection_id: str, entity: str) -> _Outcome:
    what = f"sync {entity}"
    try:
        run = await sync.start(scope, connection_id, entity=entity, mode=sync.Mode.INCREMENTAL)
    except sync.RunInProgress:
        return _Outcome(what, "again", "Another run is under way; one begins after it.")
    except sync.NotReadable as problem:
        return _Outcome(what, "done", problem.message)
    except Problem as problem:
        return _Outcome(what, "failed", f"{problem.code}: {problem.message}"[:_TEXT])
    return _Outcome(what, "done", None, run.id)


async def _call(scope: Scope, handler: Handler, one: _Claimed) -> _Outcome:
    try:
        await handler.function(scope, Told(one.id, one.event, one.connection_id, one.entity))
    except Problem as problem:
        return _Outcome(handler.name, "failed", f"{problem.code}: {problem.message}"[:_TEXT])
    except Exception as failure:  # noqa: BLE001 - a job runner: one handler's mistake must not stop the others
        _LOG.exception("the webhook handler %s failed", handler.name)
        return _Outcome(handler.name, "failed", f"{type(failure).__name__} in the handler; the log has more.")
    return _Outcome(handler.name, "done")


async def _write(scope: Scope, handled: Sequence[tuple[_Claimed, Sequence[_Outcome]]]) -> None:
    ended = [_ended(scope, one, outcomes) for one, outcomes in handled]
    steps = [
        Step(one.id, scope.id("stp"), each.what, each.kind, each.message, each.run_id)
        for one, outcomes in handled
        for each in outcomes
        if each.kind != "again"
    ]
    async with scope.tx() as tx:
        await store.finish(tx, scope.tenant_id, ended)
        if steps:
            await store.note(tx, scope.tenant_id, steps, scope.now)
        for one in ended:
            if one.state == State.DEAD:
                tx.emit(DeliveryDied(subject=one.id, body={"reason": one.reason}))


def _ended(scope: Scope, one: _Claimed, outcomes: Sequence[_Outcome]) -> Ended:
    run_id = next((each.run_id for each in outcomes if each.run_id), None)
    failed = next((each for each in outcomes if each.kind == "failed"), None)
    done = Ended(one.id, State.DONE, 0, None, None, run_id, scope.now)
    if failed is not None:
        at = next_attempt(one.attempts, scope.part(Settings).retries, scope.now)
        if at is None:
            return replace(done, state=State.DEAD, reason=failed.message)
        return replace(done, state=State.WAITING, next_at=at, reason=failed.message, done_at=None)
    again = next((each for each in outcomes if each.kind == "again"), None)
    if again is not None:
        return Ended(one.id, State.WAITING, 1, scope.now + _AGAIN, again.message, run_id, None)
    if not outcomes:
        reason = "A simulated delivery reaches no handler." if one.simulated else "No handler wants this event."
        return replace(done, state=State.IGNORED, reason=reason)
    return done


async def missing(system: System, tx: Tx) -> Sequence[Wake]:
    """The wake-ups of what nobody works on: lost ones, dead workers, and retries that have come due."""
    routes = [Wake(ROUTE, source, tenant) for tenant, source in await store.forgotten(tx, system.now - _QUIET, _MOST)]
    due = [Wake(HANDLE, key, tenant) for tenant, key in await store.due(tx, system.now, _MOST)]
    return [*routes, *due]


async def wake(system: System) -> None:
    """Wake what is due between the rounds of the reconciler."""
    async with system.tx() as tx:
        await system.engine.queue.enqueue_missing(tx, await missing(system, tx))


async def sweep(system: System) -> None:
    """Forget what is older than its time."""
    settings, now = system.engine.part(Settings), system.now
    async with system.tx() as tx:
        await keeping.sweep(
            tx, refused=now - settings.refused_for, seen=now - settings.ledger_for, log=now - settings.log_for
        )
