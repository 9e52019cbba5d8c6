"""What the queue and other rooms' events wake in this room."""

from collections.abc import Mapping
from typing import Any

from isthmus.engine.db import Tx
from isthmus.features.fulfilment import service
from isthmus.scope import Scope, System


async def act(scope: Scope, action_id: str) -> None:
    """Carry an action out."""
    await service.work(scope, action_id)


async def wake(system: System) -> None:
    """Find actions whose worker died."""
    await service.wake(system)


async def connected(tx: Tx, event: Mapping[str, Any]) -> None:
    """A sign-in works again: what waited for it goes on."""
    await service.connected(tx, event["tenant_id"], event["subject"])


async def disconnected(tx: Tx, event: Mapping[str, Any]) -> None:
    """A connection has ended: nothing of it is wanted any more."""
    await service.disconnected(tx, event["tenant_id"], event["subject"], event["at"])
