"""What the clock, the queue and other rooms' events wake in this room."""

from collections.abc import Mapping, Sequence
from typing import Any

from isthmus.engine.db import Tx
from isthmus.features.links.service import balancing
from isthmus.scope import Scope, System


async def balance(scope: Scope, item_id: str) -> None:
    """Compare an item with its shops."""
    await balancing.balance(scope, item_id)


async def wake(system: System) -> None:
    """Find items whose shops are to be compared."""
    await balancing.wake(system)


async def changed(tx: Tx, events: Sequence[Mapping[str, Any]]) -> None:
    """Listings changed."""
    await balancing.changed(tx, events)


async def pushed(tx: Tx, event: Mapping[str, Any]) -> None:
    """A push has ended."""
    await balancing.pushed(tx, event)
