"""What the queue and other rooms' events wake in this room."""

from collections.abc import Mapping
from typing import Any

from isthmus.engine.db import Tx
from isthmus.features.sync import service
from isthmus.scope import Scope, System


async def run(scope: Scope, run_id: str) -> None:
    """Carry a run on."""
    await service.work(scope, run_id)


async def read(scope: Scope, key: str) -> None:
    """Read single records."""
    await service.read(scope, key)


async def compare(scope: Scope, run_id: str) -> None:
    """Find out about records that a full read did not meet."""
    await service.compare(scope, run_id)


async def reprice(scope: Scope, connection_id: str) -> None:
    """Bring the stored prices of a connection up to the moment."""
    await service.reprice(scope, connection_id)


async def wake(system: System) -> None:
    """Find runs whose worker died, single records that nobody reads, and prices that changed by the clock."""
    await service.wake(system)


async def connected(tx: Tx, event: Mapping[str, Any]) -> None:
    """A sign-in works again: what waited for it goes on."""
    await service.connected(tx, event["tenant_id"], event["subject"])


async def disconnected(tx: Tx, event: Mapping[str, Any]) -> None:
    """A connection has ended: nothing of it is wanted any more."""
    await service.disconnected(tx, event["tenant_id"], event["subject"])


async def withdrawn(tx: Tx, event: Mapping[str, Any]) -> None:
    """An integration was switched off, or what may pass it has changed: its runs end, what they noted is forgotten."""
    await service.withdrawn(tx, event["tenant_id"], event["body"]["connectionIds"], event["at"])
    await service.forbidden(tx, event)
