"""What the queue wakes in this room."""

from isthmus.features.sync import service
from isthmus.scope import Scope, System


async def run(scope: Scope, run_id: str) -> None:
    """Carry a run on."""
    await service.work(scope, run_id)


async def wake(system: System) -> None:
    """Find runs whose worker died."""
    await service.wake(system)
