"""Finding edits that nobody sends, and what a connection's fate means for them."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from isthmus.engine.db import Tx
from isthmus.engine.queue import Wake
from isthmus.features import records
from isthmus.features.connections import IntegrationDisabled
from isthmus.features.pushes.model.edits import Halt
from isthmus.features.pushes.service import settling
from isthmus.features.pushes.service.comparing import JOB as COMPARE
from isthmus.features.pushes.service.comparing import NEWS
from isthmus.features.pushes.service.sending import OFF
from isthmus.features.pushes.service.wanting import JOB
from isthmus.features.pushes.settings import Settings
from isthmus.features.pushes.store import conflicts, edits, pushes, waiting
from isthmus.scope import System

#: Closes what `settling.close_orphans` closes, by connection.
CLOSE: Final = "pushes.close"
_TYPE: Final = "product"
_MOST: Final = 500
#: Listings, open questions, or values that wait, that are looked through in one transaction.
_PAGE: Final = 1_000
_QUIET: Final = timedelta(seconds=3)


async def missing(system: System, tx: Tx) -> Sequence[Wake]:
    """The wake-ups of connections with edits that are due and that nobody holds."""
    found = await edits.due(tx, system.now - _QUIET, _MOST)
    return [Wake(JOB, connection_id, tenant_id, due=True) for tenant_id, connection_id in found]


async def wake(system: System) -> None:
    """Wake them between the rounds of the reconciler: a price waits seconds for a dead worker, not longer."""
    async with system.tx() as tx:
        await system.engine.queue.enqueue_missing(tx, await missing(system, tx))


async def connected(tx: Tx, event: Mapping[str, Any]) -> None:  # house: silent - the pushes themselves tell
    """Signed in anew: what waited for it goes on."""
    await edits.unpark(tx, event["tenant_id"], event["subject"], event["at"])


async def disconnected(tx: Tx, event: Mapping[str, Any]) -> None:  # house: silent - `close` tells
    """A connection has ended: nothing is wanted there any more."""
    reason = "The shop was disconnected."
    await _drop(tx, event, [event["subject"]], (settling.DISCONNECTED, reason))


async def forbidden(tx: Tx, event: Mapping[str, Any]) -> None:  # house: silent - `close` tells
    """What may pass an integration has changed: where products may not, nothing is wanted any more."""
    if _TYPE in event["body"]["forbidden"]:
        reason = "Products may not pass the integration any more."
        await _drop(tx, event, event["body"]["connectionIds"], (settling.FORBIDDEN, reason))


async def _drop(tx: Tx, event: Mapping[str, Any], connection_ids: Sequence[str], told: tuple[str, str]) -> None:
    tenant_id = event["tenant_id"]
    await pushes.doom(tx, tenant_id, connection_ids, *told)
    gone = await edits.forget(tx, tenant_id, connection_ids)
    await conflicts.drop_open(tx, tenant_id, [id_ for id_, _ in gone], event["at"])


async def deactivated(tx: Tx, event: Mapping[str, Any]) -> None:  # house: silent - the cause was told
    """An integration was switched off: what is wanted of it waits."""
    off = IntegrationDisabled()
    wait = Halt(off.code, off.message, event["at"] + OFF)
    await edits.put_off(tx, event["tenant_id"], event["body"]["connectionIds"], wait, event["at"])


async def activated(tx: Tx, event: Mapping[str, Any]) -> None:  # house: silent - the pushes themselves tell
    """It was switched on again: what waited for that goes on."""
    ids = event["body"]["connectionIds"]
    await edits.go_on(tx, event["tenant_id"], ids, IntegrationDisabled.code, event["at"])


#: Changes of integrations, by their events: one listener costs a third of three.
OF_INTEGRATIONS: Final[Mapping[str, Callable[[Tx, Mapping[str, Any]], Awaitable[None]]]] = {
    "integration.types_forbidden": forbidden,
    "integration.deactivated": deactivated,
    "integration.activated": activated,
}


async def sweep(system: System) -> None:
    """Find items whose edits went with their listings, and questions that may have answered themselves.

    Few listings with news are looked up; where there are many, what is asked and what waits is walked over in pages.
    """
    async with system.tx() as tx:
        found = await pushes.orphaned(tx, _MOST)
        wakes = [Wake(CLOSE, connection_id, tenant_id) for tenant_id, connection_id in found]
        await system.engine.queue.enqueue_missing(tx, wakes)
        news = await records.changed_since(tx, system.now - NEWS, _PAGE + 1)
        if news and len(news) <= _PAGE:
            await conflicts.reconsider_of(tx, news, system.now)
            await _wake(system, tx, await waiting.news_of(tx, news, system.now))
    if len(news) > _PAGE:
        await _ask_anew(system)
        await _compare(system)


async def _wake(system: System, tx: Tx, found: Sequence[tuple[str, str]]) -> None:
    """Have what waits at these connections compared."""
    wakes = [Wake(COMPARE, connection_id, tenant_id) for tenant_id, connection_id in found]
    await system.engine.queue.enqueue_missing(tx, wakes)


async def _ask_anew(system: System) -> None:
    """Open questions about listings that changed."""
    after: conflicts.Turn | None = conflicts.FIRST
    while after is not None:
        async with system.tx() as tx:
            after = await conflicts.reconsider(tx, after, _PAGE, system.now - NEWS, system.now)


async def _compare(system: System) -> None:
    """Values that wait for later, of listings that changed."""
    after: waiting.Turn | None = waiting.FIRST
    while after is not None:
        async with system.tx() as tx:
            found, after = await waiting.news(tx, after, _PAGE, system.now - NEWS, system.now)
            await _wake(system, tx, found)


async def prune(system: System) -> None:
    """Forget pushes and decisions that ended long ago, and close questions that have lost what they are about."""
    before = system.now - system.engine.part(Settings).keep
    for some in (pushes.prune, conflicts.prune):
        await system.forget(some, before)
    await _ask_anew(system)
