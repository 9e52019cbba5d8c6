"""What the queue wakes in this room."""

from collections.abc import Mapping, Sequence
from typing import Any

from isthmus.engine.db import Tx
from isthmus.engine.queue import Wake
from isthmus.features.webhooks_in.service import (
    obeying,
    offering,
    pulling,
    replaying,
    retaining,
    routing,
    subscribing,
    working,
)
from isthmus.kit.permissions import PLATFORM_TENANT
from isthmus.scope import Scope, System


async def route(scope: Scope, source_id: str) -> None:
    """Send what came in at a source to the connections that it is about."""
    await routing.route(scope, source_id)


async def handle(scope: Scope, key: str) -> None:
    """Work off what is due for a connection."""
    await working.work(scope, key)


async def look(system: System) -> None:
    """Tell of functions that no running process has."""
    await offering.look(system)


async def connected(tx: Tx, event: Mapping[str, Any]) -> None:
    """A connection was made: its news are to come."""
    await subscribing.heard(tx, event, ended=False)


async def disconnected(tx: Tx, event: Mapping[str, Any]) -> None:
    """A connection has ended: perhaps it was the last one of its app."""
    await subscribing.heard(tx, event, ended=True)


async def redacted(tx: Tx, event: Mapping[str, Any]) -> None:
    """Persons were erased: so is what was pushed about their orders."""
    await obeying.forget_bodies(tx, event)


async def forbidden(tx: Tx, event: Mapping[str, Any]) -> None:
    """Types of records may not pass an integration any more: what was pushed about them is erased."""
    await obeying.close_forbidden(tx, event)


async def tenant_changed(tx: Tx, event: Mapping[str, Any]) -> None:
    """A tenant was suspended, or let in again, which only the deployment says of one (TN-02)."""
    if event["tenant_id"] == PLATFORM_TENANT:
        await working.heard(tx, event)


async def enrol(scope: Scope, connection_id: str) -> None:
    """Tell the platform about a connection."""
    await subscribing.enrol(scope, connection_id)


async def compare(scope: Scope, key: str) -> None:
    """Compare what a platform pushes with what it was asked for."""
    await subscribing.compare(scope, key)


async def pull(scope: Scope, key: str) -> None:
    """Read an app's queue."""
    await pulling.pull(scope, key)


async def missing(system: System, tx: Tx) -> Sequence[Wake]:
    """What nobody works on, in one transaction: deliveries, replays, platforms to be told, and queues to be read."""
    return [
        *await working.missing(system, tx),
        *await replaying.missing(system, tx),
        *await subscribing.missing(system, tx),
    ]


async def sweep(system: System) -> None:
    """Forget what is older than its time."""
    await retaining.sweep(system)


async def replay(scope: Scope, replay_id: str) -> None:
    """Carry a replay on."""
    await replaying.carry_on(scope, replay_id)
