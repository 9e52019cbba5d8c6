"""What time and other rooms' events cause here."""

from collections.abc import Mapping
from typing import Any

from isthmus.engine.db import Tx
from isthmus.features.orders import service
from isthmus.scope import Scope, System


async def disconnected(tx: Tx, event: Mapping[str, Any]) -> None:
    """A connection has ended: what was read through it is no longer ours to show."""
    await service.forget(tx, event["tenant_id"], event["subject"])


async def wake_counts(system: System) -> None:
    """Have it counted what orders take."""
    await service.wake_counts(system)


async def count(scope: Scope, connection_id: str) -> None:
    """Count what a connection's orders take."""
    await service.count(scope, connection_id)


async def erase(system: System) -> None:
    """Forget persons whose time is up."""
    await service.erase(system)
