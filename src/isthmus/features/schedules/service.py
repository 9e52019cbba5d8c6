"""Schedules: set, paused, resumed, and turned into runs, each time once, whatever dies in between.

A start is taken from the list and the next time is set in one transaction; the run is begun by a durable job, in one
transaction with the note that it was, so that a job done twice begins one run.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final, Literal

from isthmus.connect.manifest import Field
from isthmus.engine.db import Tx as SystemTx
from isthmus.engine.queue import Wake
from isthmus.features import catalog, connections, sync
from isthmus.features.connections import ConnectionExpired, ConnectionNotFound, ConnectionPending
from isthmus.features.schedules import model, store
from isthmus.features.schedules.errors import (
    ScheduleNotFound,
    SchedulesChangedMeanwhile,
    TooManySchedules,
    WrongSchedule,
)
from isthmus.features.schedules.events import (
    ScheduleParked,
    SchedulePaused,
    ScheduleResumed,
    ScheduleSet,
)
from isthmus.features.schedules.model import Rule, Schedule, State
from isthmus.features.schedules.settings import Settings
from isthmus.features.sync import Run, RunInProgress
from isthmus.kit import ids
from isthmus.kit.errors import Problem
from isthmus.scope import Scope, System, Tx

JOB: Final = "schedules.start"
_ALL: Final = "*"
_MOST: Final = 200
_QUIET: Final = timedelta(seconds=10)
_AGAIN: Final = timedelta(seconds=30)
_OUTAGE: Final = 500
_log = logging.getLogger(__name__)


class _Started(Exception):
    """Somebody else has begun the run that was wanted; ends the transaction that would have begun another."""


@dataclass(frozen=True, slots=True)
class Options:
    """What a marketplace lets a shop choose: the fields that it knows, and what was chosen."""

    fields: Sequence[Field]
    chosen: Mapping[str, Any]
    #: Of the integration whose options they are.
    etag: str


@dataclass(frozen=True, slots=True)
class Wish:
    """When one entity is to be read, and how much of it."""

    entity: str
    rule: Rule
    mode: Literal["incremental", "full"] = "incremental"


async def schedules(scope: Scope, connection_id: str | None = None) -> Sequence[Schedule]:
    """The tenant's schedules, or those of one connection. Raises ConnectionNotFound."""
    if connection_id is not None:
        await connections.connection(scope, connection_id)
    async with scope.tx() as tx:
        return await store.schedules(tx, connection_id)


async def set_schedules(scope: Scope, connection_id: str, wishes: Sequence[Wish]) -> Sequence[Schedule]:
    """Replace a connection's schedules; none at all stops it.

    Raises WrongSchedule, ConnectionNotFound, `sync.NotReadable` for one person's own, PlanRequired,
    SchedulesChangedMeanwhile, TooManySchedules.
    """
    await _check(scope, connection_id, wishes)
    async with scope.tx() as tx:
        await _hold(scope, tx, {connection_id: wishes}, connection_id)
        await _replace(scope, tx, connection_id, wishes)
        return await store.schedules(tx, connection_id)


async def set_many(scope: Scope, wanted: Mapping[str, Sequence[Wish]]) -> Sequence[Schedule]:
    """Replace the schedules of these connections, all of them or none; others keep theirs.

    Answers the tenant's schedules. Raises what `set_schedules` raises.
    """
    for connection_id, wishes in wanted.items():
        await _check(scope, connection_id, wishes)
    async with scope.tx() as tx:
        await _hold(scope, tx, wanted, None)
        for connection_id, wishes in sorted(wanted.items()):
            await _replace(scope, tx, connection_id, wishes)
        return await store.schedules(tx)


async def _check(scope: Scope, connection_id: str, wishes: Sequence[Wish]) -> None:
    provider = (await connections.connection(scope, connection_id)).provider
    if wishes:
        await catalog.admit_further(scope, provider)
    offered = await sync.offered(scope, connection_id)
    seen: set[tuple[str, str]] = set()
    for wish in wishes:
        model.check(wish.rule)
        if wish.entity not in offered:
            raise WrongSchedule.field("entity", f"The connection offers {', '.join(offered)}, not {wish.entity}.")
        if (wish.entity, wish.mode) in seen:
            raise WrongSchedule.field("entity", f"There are two schedules for {wish.entity} ({wish.mode}).")
        seen.add((wish.entity, wish.mode))


async def _hold(scope: Scope, tx: Tx, wanted: Mapping[str, Sequence[Wish]], shown: str | None) -> None:
    """Nobody else replaces these before the commit. Raises SchedulesChangedMeanwhile.

    `shown` is the connection whose schedules the caller has read, None for all.
    """
    for connection_id in sorted(wanted):
        await store.hold(tx, connection_id)
    known = await store.schedules(tx, shown)
    before = {(one.connection_id, one.entity, one.mode): one.rule for one in known if one.connection_id in wanted}
    after = {(id_, wish.entity, wish.mode): wish.rule for id_, wishes in wanted.items() for wish in wishes}
    if before != after:
        scope.check_seen(model.etag_of(known), SchedulesChangedMeanwhile)


async def _replace(scope: Scope, tx: Tx, connection_id: str, wishes: Sequence[Wish]) -> None:
    before = {(one.entity, one.mode): one for one in await store.schedules(tx, connection_id)}
    await store.drop(tx, connection_id, [(wish.entity, wish.mode) for wish in wishes])
    await _bound(scope, tx, sum((wish.entity, wish.mode) not in before for wish in wishes))
    for wish in wishes:
        known = before.get((wish.entity, wish.mode))
        if known is None or known.rule != wish.rule:
            id_ = scope.id("sch")
            first = model.following(wish.rule, scope.now, connection_id)
            await store.put(tx, id_, (connection_id, wish.entity, wish.mode), wish.rule, first)
    was, now = ({"schedules": _told(every)} for every in (list(before.values()), wishes))
    tx.emit(ScheduleSet(subject=connection_id, body=now, before=was, after=now))


async def _bound(scope: Scope, tx: Tx, further: int) -> None:
    """So many more do not go over what a tenant may have. Raises TooManySchedules (RL-05)."""
    most = scope.part(Settings).schedules
    if further and await store.count(tx) + further > most:
        raise TooManySchedules(details={"limit": most})


def _told(every: Sequence[Schedule | Wish]) -> list[dict[str, Any]]:
    return [{"entity": one.entity, "mode": one.mode, **model.written(one.rule)} for one in every]


async def used(_: Scope, tx: Tx) -> int:
    """How many the tenant has."""
    return await store.count(tx, held=False)


async def options(scope: Scope, connection_id: str) -> Options:
    """What can be chosen for a connection, and what was. Raises ConnectionNotFound."""
    integration_id = (await connections.connection(scope, connection_id)).integration_id
    used = await connections.integration(scope, integration_id)
    return Options((await catalog.known_provider(scope, used.provider)).settings_fields, used.settings, used.etag)


async def choose(scope: Scope, connection_id: str, chosen: Mapping[str, Any]) -> Options:
    """Replace what was chosen; it holds for every connection of the integration.

    Raises ConnectionNotFound, Invalid, IntegrationChangedMeanwhile.
    """
    integration_id = (await connections.connection(scope, connection_id)).integration_id
    await connections.change(scope, integration_id, {"settings": dict(chosen)})
    return await options(scope, connection_id)


async def pause(scope: Scope, connection_id: str, entity: str | None) -> Sequence[Schedule]:
    """Let a connection's schedules, or one entity's, rest until somebody resumes them. Raises ScheduleNotFound."""
    return await _set_state(scope, connection_id, entity, State.PAUSED)


async def resume(scope: Scope, connection_id: str, entity: str | None) -> Sequence[Schedule]:
    """Let them go on; what came due meanwhile is started once, now. Raises ScheduleNotFound, PlanRequired."""
    await catalog.admit_further(scope, (await connections.connection(scope, connection_id)).provider)
    return await _set_state(scope, connection_id, entity, State.ACTIVE)


async def _set_state(scope: Scope, connection_id: str, entity: str | None, state: State) -> Sequence[Schedule]:
    await connections.connection(scope, connection_id)
    async with scope.tx() as tx:
        await store.hold(tx, connection_id)
        known = [one for one in await store.schedules(tx, connection_id) if entity in (None, one.entity)]
        if not known:
            raise ScheduleNotFound
        next_at = scope.now if state is State.ACTIVE else None
        if await store.set_state(tx, (connection_id, entity), state, next_at):
            event = SchedulePaused if state is State.PAUSED else ScheduleResumed
            tx.emit(event(subject=connection_id, body={"entity": entity}))
        return await store.schedules(tx, connection_id)


async def tick(system: System) -> None:
    """Take what is due, round the tenants, and wake the job that starts it."""
    async with system.tx() as tx:
        due = await store.due(tx, system.now, _MOST)
    for tenant_id, id_ in due:
        await _take(system.scope(tenant_id, "schedules"), id_)


async def _take(scope: Scope, id_: str) -> None:  # house: silent - the run that it leads to speaks
    async with scope.tx() as tx:
        found = await store.schedule(tx, id_)
        if found is None:
            return
        if (rested := model.awake(found.rule, scope.now)) > scope.now:
            # it came due while nobody ran, or was resumed in the hours of rest
            await store.put_off(tx, id_, scope.now, rested)
            return
        following = model.following(found.rule, scope.now, found.connection_id)
        if await store.take(tx, id_, scope.now, following):
            await tx.enqueue(JOB, id_)


async def start(scope: Scope, id_: str) -> None:
    """Begin the run of a schedule that was taken; done twice it begins one."""
    async with scope.tx() as tx:
        found = await store.schedule(tx, id_) if await store.is_wanted(tx, id_) else None
    if found is None:
        return
    if found.state is State.PAUSED:
        await _let_go(scope, id_)
        return
    if found.entity == _ALL:
        await _settle(scope, found)
        return
    try:
        await sync.start_noted(scope, found.connection_id, found.entity, sync.Mode(found.mode), partial(_begun, id_))
    except RunInProgress as failure:
        await (_let_go(scope, id_) if failure.covers(found.mode) else _later(scope, id_))
    except _Started:
        return
    except (ConnectionExpired, ConnectionPending) as failure:
        await _park(scope, found, failure)
    except ConnectionNotFound:
        async with scope.tx() as tx:
            await store.drop_one(tx, id_)
    except Problem as failure:
        _log.warning("a scheduled run did not start", extra={"tenant": scope.tenant_id, "problem": failure.code})
        if failure.status < _OUTAGE and failure.retry_after is None:
            # it will be refused until somebody changes something; the next time tries again
            await _let_go(scope, id_)
            return
        await _later(scope, id_)


async def _later(scope: Scope, id_: str) -> None:  # house: silent - the run that it leads to speaks
    async with scope.tx() as tx:
        await tx.enqueue(JOB, id_, after=_AGAIN)


async def _begun(id_: str, tx: Tx, run: Run) -> None:
    """The start that was wanted is this run: who dies behind it, or comes a second time, begins no other."""
    if not await store.started(tx, id_, run.id):
        raise _Started


async def _let_go(scope: Scope, id_: str) -> None:  # house: silent - the run under way speaks
    async with scope.tx() as tx:
        await store.started(tx, id_, None)


async def _park(scope: Scope, found: Schedule, failure: Problem) -> None:
    async with scope.tx() as tx:
        if not await connections.awaits_sign_in(tx, found.connection_id):
            await tx.enqueue(JOB, found.id)
        elif await store.park(tx, found.connection_id, failure.code):
            tx.emit(ScheduleParked(subject=found.connection_id, body={"reason": failure.code}))


async def _settle(scope: Scope, expected: Schedule) -> None:
    """Give a new connection the usual schedules, unless somebody sets others meanwhile."""
    settings = scope.part(Settings)
    try:
        offered = await sync.offered(scope, expected.connection_id) if settings.automatic else ()
    except Problem:
        offered = ()
    wishes = usual(settings, offered)
    async with scope.tx() as tx:
        await store.hold(tx, expected.connection_id)
        if not await store.drop_one(tx, expected.id) or await store.schedules(tx, expected.connection_id):
            return
        try:
            await _bound(scope, tx, len(wishes))
        except TooManySchedules:
            _log.warning("a new connection gets no schedules: the tenant has as many as it may", extra=_of(expected))
            return
        for wish in wishes:
            first = model.following(wish.rule, scope.now, expected.connection_id)
            await store.put(tx, scope.id("sch"), (expected.connection_id, wish.entity, wish.mode), wish.rule, first)
        if wishes:
            tx.emit(ScheduleSet(subject=expected.connection_id, body={"schedules": _told(wishes)}))


def usual(settings: Settings, offered: Sequence[str]) -> list[Wish]:
    """What a connection gets when nobody has said anything: changes often, everything once a day."""
    made = []
    for entity in offered:
        every = {"products": settings.products, "orders": settings.orders}.get(entity, settings.others)
        made.append(Wish(entity, Rule(every=every, jitter=min(every, settings.jitter))))
        if settings.reconcile:
            spread = min(settings.reconcile, timedelta(hours=6))
            made.append(Wish(entity, Rule(every=settings.reconcile, jitter=spread), "full"))
    return made


def _of(one: Schedule) -> dict[str, str]:
    return {"connection": one.connection_id}


async def missing(system: System, tx: SystemTx) -> Sequence[Wake]:
    """Starts that were taken and whose job was lost."""
    found = await store.wanted(tx, _QUIET, system.now, _MOST)
    return [Wake(JOB, id_, tenant_id) for tenant_id, id_ in found]


async def connected(tx: SystemTx, event: Mapping[str, Any]) -> None:
    """Signed in: a new connection is to get its schedules, parked ones go on at once."""
    tenant_id, connection_id, at = event["tenant_id"], event["subject"], event["at"]
    if not await connections.awaits_another(tx, tenant_id, connection_id):
        await store.unpark(tx, tenant_id, connection_id, at)
    await store.expect(tx, tenant_id, ids.new("sch"), connection_id, at)


async def disconnected(tx: SystemTx, event: Mapping[str, Any]) -> None:  # house: silent - the cause was told
    """A connection has ended: nothing of it is read any more."""
    await store.forget(tx, event["tenant_id"], event["subject"])


async def next_runs(scope: Scope) -> dict[tuple[str, str], datetime]:
    """When each connection and entity is read next."""
    async with scope.tx() as tx:
        known = await store.schedules(tx)
    found: dict[tuple[str, str], datetime] = {}
    for one in known:
        if one.state is State.ACTIVE and one.next_at is not None:
            place = (one.connection_id, one.entity)
            found[place] = min(found.get(place, one.next_at), one.next_at)
    return found
