"""What the queue wakes in this room."""

from datetime import timedelta
from typing import Final

from isthmus.engine.queue import Postponed
from isthmus.features.uploads.errors import NoRoom
from isthmus.features.uploads.service import configuring, managing, running, strays
from isthmus.scope import Scope, System

#: How soon one looks whether a full disk has room again.
_FULL: Final = timedelta(minutes=1)


async def run(scope: Scope, upload_id: str) -> None:
    """Carry an upload on. Raises Postponed while there is no room for a copy of its file."""
    try:
        await running.work(scope, upload_id)
    except NoRoom as full:
        raise Postponed(_FULL) from full


async def run_due(system: System) -> None:
    """Start what schedules want."""
    await configuring.run_due(system)


async def sweep(system: System) -> None:
    """Forget what ended long ago."""
    await managing.sweep(system)


async def sweep_strays(system: System) -> None:
    """Remove bytes that no upload names."""
    await strays.sweep(system)
