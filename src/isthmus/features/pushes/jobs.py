"""What the clock, the queue and other rooms' events wake in this room."""

from collections.abc import Mapping
from typing import Any

from isthmus.engine.db import Tx
from isthmus.features.pushes.service import comparing, rules, sending, settling, waking
from isthmus.scope import Scope, System


async def send(scope: Scope, connection_id: str) -> None:
    """Send what is due at one connection."""
    await sending.work(scope, connection_id)


async def close(scope: Scope, connection_id: str) -> None:
    """End what has lost its listings at one connection."""
    await settling.close_orphans(scope, connection_id)


async def compare(scope: Scope, connection_id: str) -> None:
    """Compare what waits for later at one connection with what its listings show by now."""
    await comparing.compare(scope, connection_id)


async def sweep(system: System) -> None:
    """Find what ended without a word, and questions that answered themselves."""
    await waking.sweep(system)


async def wake(system: System) -> None:
    """Find edits that are due and that nobody sends."""
    await waking.wake(system)


async def prune(system: System) -> None:
    """Forget what ended long ago."""
    await waking.prune(system)


async def connected(tx: Tx, event: Mapping[str, Any]) -> None:
    """A sign-in works again."""
    await waking.connected(tx, event)


async def configured(tx: Tx, event: Mapping[str, Any]) -> None:
    """Product sync names a rule for its connection."""
    await rules.configured(tx, event)


async def disconnected(tx: Tx, event: Mapping[str, Any]) -> None:
    """A connection has ended."""
    await waking.disconnected(tx, event)


async def integration(tx: Tx, event: Mapping[str, Any]) -> None:
    """What may pass an integration has changed, or whether anything may."""
    await waking.OF_INTEGRATIONS[event["type"]](tx, event)
