"""What time and other rooms' events cause here."""

from collections.abc import Mapping
from typing import Any

from isthmus.engine.db import Tx
from isthmus.features.orders import service
from isthmus.scope import System


async def disconnected(tx: Tx, event: Mapping[str, Any]) -> None:
    """A connection has ended: what was read through it is no longer ours to show."""
    await service.forget(tx, event["tenant_id"], event["subject"])


async def count(system: System) -> None:
    """Count what orders take."""
    await service.count(system)


async def erase(system: System) -> None:
    """Forget persons whose time is up."""
    await service.erase(system)
