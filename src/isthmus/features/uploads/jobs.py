"""What the queue wakes in this room."""

from isthmus.features.uploads.service import configuring, managing, running, strays
from isthmus.scope import Scope, System


async def run(scope: Scope, upload_id: str) -> None:
    """Carry an upload on."""
    await running.work(scope, upload_id)


async def run_due(system: System) -> None:
    """Start what schedules want."""
    await configuring.run_due(system)


async def sweep(system: System) -> None:
    """Forget what ended long ago."""
    await managing.sweep(system)


async def sweep_strays(system: System) -> None:
    """Remove bytes that no upload names."""
    await strays.sweep(system)
