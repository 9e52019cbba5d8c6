"""What the queue wakes in this room."""

from isthmus.features.webhooks_in.service import replaying, routing, working
from isthmus.scope import Scope, System


async def route(scope: Scope, source_id: str) -> None:
    """Send what came in at a source to the connections that it is about."""
    await routing.route(scope, source_id)


async def handle(scope: Scope, key: str) -> None:
    """Work off what is due for a connection."""
    await working.work(scope, key)


async def wake(system: System) -> None:
    """Find retries that have come due and work that nobody carries on."""
    await working.wake(system)


async def sweep(system: System) -> None:
    """Forget what is older than its time."""
    await working.sweep(system)


async def replay(scope: Scope, replay_id: str) -> None:
    """Carry a replay on."""
    await replaying.carry_on(scope, replay_id)
