"""What the clock, the queue and other rooms' events wake in this room."""

from collections.abc import Mapping
from typing import Any

from isthmus.engine.db import Tx
from isthmus.features.pushes.service import sending, waking
from isthmus.scope import Scope, System


async def send(scope: Scope, connection_id: str) -> None:
    """Send what is due at one connection."""
    await sending.work(scope, connection_id)


async def wake(system: System) -> None:
    """Find edits that are due and that nobody sends."""
    await waking.wake(system)


async def prune(system: System) -> None:
    """Forget what ended long ago."""
    await waking.prune(system)


async def connected(tx: Tx, event: Mapping[str, Any]) -> None:
    """A sign-in works again."""
    await waking.connected(tx, event)


async def disconnected(tx: Tx, event: Mapping[str, Any]) -> None:
    """A connection has ended."""
    await waking.disconnected(tx, event)
