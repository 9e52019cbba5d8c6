"""What the log tells of, kept for widgets."""

from collections.abc import Mapping
from typing import Any

from isthmus.engine.db import Tx
from isthmus.features.widgets import service
from isthmus.scope import System


async def happened(tx: Tx, event: Mapping[str, Any]) -> None:
    """Something happened to a connection."""
    await service.note(tx, event)


async def sweep(system: System) -> None:
    """Forget what is too old to be shown."""
    await service.sweep(system)
