"""Functions that services register: planned for by every process, called by those that have them.

A function is written down before anything is planned by the process that has it, and stays so when that ends: what
comes in for it meanwhile waits, and is told of, until a process has it again or somebody retires it.
"""

import asyncio
import contextlib
import logging
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

import msgspec

from isthmus.engine.db import Tx
from isthmus.engine.queue import addressed
from isthmus.features import webhooks_out
from isthmus.features.webhooks_in.errors import FunctionNotFound
from isthmus.features.webhooks_in.events import (
    FunctionAdded,
    FunctionBack,
    FunctionChanged,
    FunctionMissed,
    FunctionRetired,
)
from isthmus.features.webhooks_in.model.days import Kept
from isthmus.features.webhooks_in.model.handling import nobody_has
from isthmus.features.webhooks_in.service import waking
from isthmus.features.webhooks_in.service.handlers import Handler, Handlers
from isthmus.features.webhooks_in.settings import Settings
from isthmus.features.webhooks_in.store import functions as store
from isthmus.features.webhooks_in.store import tasks
from isthmus.kit.figures import Figure
from isthmus.kit.paging import Ask, Page
from isthmus.kit.waiting import first_of
from isthmus.scope import Scope, System
from isthmus.scope import Tx as ScopeTx

_LOG = logging.getLogger("isthmus.features.webhooks_in")
PART = "webhooks_in"
#: A process says so often that it has its functions still, and after this silence nobody has them.
_EVERY: Final = 30.0
QUIET: Final = timedelta(minutes=2)
#: For so long after its end something may still be planned for a function by who has not heard of that.
_LATE: Final = timedelta(minutes=10)
_AT_ONCE: Final = 1_000
_FIGURE = "isthmus_webhook_functions", "Functions that services registered, and whether a running process has them."


async def settle(system: System) -> None:
    """Write down what this process has registered and nobody knows of yet; free where that is nothing."""
    given = _given(system)
    fresh = given.unwritten if given is not None else {}
    if given is None or not fresh:
        return
    for tenant_id, several in fresh.items():
        await _offer(system.scope(tenant_id, PART), several)
        given.note(several)
    _listen(system, given)


def _given(system: System) -> Handlers | None:
    found = system.engine.parts.get(Handlers)
    return found if isinstance(found, Handlers) else None


async def _offer(scope: Scope, several: Sequence[Handler]) -> None:
    made = [
        {
            "id": scope.id("fun"),
            **{name: getattr(one, name) for name in ("name", "pattern", "priority", "ordered_by")},
            "retries": None if one.retries is None else msgspec.json.encode(one.retries).decode(),
        }
        for one in several
    ]
    patterns = {one.name: one.pattern for one in several}
    async with scope.tx() as tx:
        known = {row["name"]: row for row in await store.before(tx, scope.tenant_id, sorted(patterns), QUIET)}
        for one in await store.offer(tx, scope.tenant_id, made, scope.now):
            before = known.get(one["name"])
            if before is not None and before["live"] and before["pattern"] != one["pattern"]:
                tx.emit(_changed(one, before))
            if one["fresh"] or (before is not None and not before["live"]):
                tx.emit(FunctionAdded(subject=one["id"], after={"name": one["name"], "pattern": one["pattern"]}))
            elif before is not None and before["missed_at"] is not None:
                tx.emit(FunctionBack(subject=one["id"], body={"name": one["name"]}))
    for name, row in known.items():
        if row["live"] and row["offered"] and row["pattern"] != patterns[name]:
            _LOG.warning(
                "the webhook function %s wants %s from now on, and a running process has it for %s: "
                "one name is one function, so give other ones other names",
                name, patterns[name], row["pattern"],
            )  # fmt: skip


def _changed(one: Mapping[str, Any], before: Mapping[str, Any]) -> FunctionChanged:
    patterns = {"pattern": one["pattern"], "previous": before["pattern"]}
    return FunctionChanged(
        subject=one["id"],
        before={"pattern": before["pattern"]},
        after={"pattern": one["pattern"]},
        body={"name": one["name"], **patterns, "contested": before["offered"]},
    )


async def keep_offering(system: System, stop: asyncio.Event) -> None:
    """Write down what is registered as soon as it is, and every half minute that it is still there."""
    given = _given(system)
    if given is None:
        await stop.wait()
        return
    while not stop.is_set():
        given.changed.clear()
        await settle(system)
        for tenant_id, several in given.written.items():
            await _say_again(system.scope(tenant_id, PART), given, several)
        _listen(system, given)
        await first_of(stop, given.changed, seconds=_EVERY if given.written else None)


async def _say_again(scope: Scope, given: Handlers, several: Sequence[Handler]) -> None:
    async with scope.tx() as tx:
        rows = await store.still(tx, scope.tenant_id, [one.name for one in several])
        for row in rows:
            if row["missed_at"] is not None:
                tx.emit(FunctionBack(subject=row["id"], body={"name": row["name"]}))
    left = {row["name"]: row["pattern"] for row in rows}
    gone = [one for one in several if one.name not in left]
    given.note(gone, retired=True)
    for one in gone:
        _LOG.warning("the webhook function %s was retired; it is called again once it is registered anew", one.name)
    for one in several:
        if left.get(one.name, one.pattern) != one.pattern:
            _LOG.warning(
                "another process has the webhook function %s for %s: what fits %s comes to it no more",
                one.name, left[one.name], one.pattern,
            )  # fmt: skip


def _listen(system: System, given: Handlers) -> None:
    """Take the wake-ups of what is here, and no others."""
    here = {waking.address(tenant_id, one.name) for tenant_id, many in given.written.items() for one in many}
    for address in given.taken - here:
        system.engine.queue.take(waking.CALL, address, wanted=False)
    for address in here - given.taken:
        system.engine.queue.take(waking.CALL, address)
    given.taken = here


async def look(system: System) -> None:
    """Tell of functions that no running process has, and say so of what waits for them; forget what is over.

    What nobody has had for as long as the tenant keeps deliveries is retired: its bodies are not to be kept for ever.
    """
    settings = system.engine.part(Settings)
    async with system.tx() as tx:
        rows = await store.missed(tx, QUIET)
        gone = await store.retired(tx, system.now - _LATE, _AT_ONCE)
        await store.forget(tx, system.now - settings.log_for)
        for tenant_id, name in gone:
            # what was planned beside its end
            await system.engine.queue.forget(tx, addressed(waking.CALL, waking.address(tenant_id, name)))
        own = await webhooks_out.retentions(tx) if rows else {}
    kept = Kept(settings.log_for, {tenant_id: timedelta(days=days) for tenant_id, days in own.items()})
    for row in rows:
        scope = system.scope(row["tenant_id"], PART)
        if row["silence"] > kept.of(scope.tenant_id):
            with contextlib.suppress(FunctionNotFound):
                await retire(scope, row["id"])
        else:
            await _tell(scope, row)


async def _tell(scope: Scope, row: Mapping[str, Any]) -> None:
    if row["fresh"]:
        async with scope.tx() as tx:
            if not await store.miss(tx, scope.tenant_id, row["id"], scope.now, QUIET):
                return
            tx.emit(FunctionMissed(subject=row["id"], body={"name": row["name"]}))
        _LOG.warning(
            "no running process has the webhook function %s of %s: what comes in for it waits", row["name"],
            scope.tenant_id,
        )  # fmt: skip
    left = _AT_ONCE
    while left == _AT_ONCE:
        async with scope.tx() as tx:
            left, keys = await tasks.leave(
                tx, scope.tenant_id, row["name"], nobody_has(row["name"]), (scope.now, _AT_ONCE)
            )
            await _wake(scope, tx, keys)


async def _wake(scope: Scope, tx: ScopeTx, keys: Sequence[str]) -> None:
    await scope.engine.queue.enqueue_all(tx, [waking.wake(scope.tenant_id, key) for key in keys])


async def functions(scope: Scope, ask: Ask) -> Page[Mapping[str, Any]]:
    """The tenant's functions, oldest first, and how much waits for each."""
    async with scope.tx() as tx:
        return await store.functions(tx, scope.tenant_id, ask, QUIET)


async def function(scope: Scope, id_: str) -> Mapping[str, Any]:
    """One function. Raises FunctionNotFound."""
    async with scope.tx() as tx:
        found = await store.function(tx, scope.tenant_id, id_, QUIET)
    if found is None:
        raise FunctionNotFound
    return found


async def retire(scope: Scope, id_: str) -> None:
    """Plan for it no more, and drop what waits for it; a process that registers it anew brings it back.

    Raises FunctionNotFound, also for one that is retired already.
    """
    async with scope.tx() as tx:
        name = await store.retire(tx, scope.tenant_id, id_, scope.now)
        if name is None:
            raise FunctionNotFound
        for key in await tasks.keys_of(tx, scope.tenant_id, name):
            # whoever takes this up finds that nobody is to be called any more
            await tx.enqueue(waking.HANDLE, key)
        tx.emit(FunctionRetired(subject=id_, before={"name": name}, body={"name": name}))


async def retire_named(scope: Scope, name: str) -> None:
    """The same by its name. Raises FunctionNotFound."""
    async with scope.tx() as tx:
        found = await store.named(tx, scope.tenant_id, name)
    if found is None:
        raise FunctionNotFound
    await retire(scope, found["id"])


async def is_retired(scope: Scope, name: str) -> bool:
    """Whether what waits for a function is to be dropped; one that was never heard of may yet come."""
    async with scope.tx() as tx:
        found = await store.named(tx, scope.tenant_id, name)
    return found is not None and found["retired_at"] is not None


async def measure(_system: System, tx: Tx) -> Sequence[Figure]:
    """How many functions there are, and whether somebody has them."""
    found = await store.counts(tx, QUIET)
    return [Figure(*_FIGURE, found.get(held, 0), {"offered": "yes" if held else "no"}) for held in (True, False)]
