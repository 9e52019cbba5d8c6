"""What the clock, the queue and other rooms' events wake in this room."""

from collections.abc import Mapping
from typing import Any

from isthmus.engine.db import Tx
from isthmus.features.schedules import service
from isthmus.scope import Scope, System


async def tick(system: System) -> None:
    """Start what is due."""
    await service.tick(system)


async def start(scope: Scope, schedule_id: str) -> None:
    """Begin one run."""
    await service.start(scope, schedule_id)


async def connected(tx: Tx, event: Mapping[str, Any]) -> None:
    """A connection can be read."""
    await service.connected(tx, event)


async def disconnected(tx: Tx, event: Mapping[str, Any]) -> None:
    """A connection has ended."""
    await service.disconnected(tx, event)
