"""What the queue wakes in this room."""

from isthmus.features.sync import service
from isthmus.scope import Scope


async def run(scope: Scope, run_id: str) -> None:
    """Carry a run on."""
    await service.work(scope, run_id)
