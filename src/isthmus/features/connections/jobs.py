"""What this room does by itself."""

from isthmus.features.connections.service import finishing
from isthmus.scope import System


async def sweep(system: System) -> None:
    """Remove consents that ran out."""
    await finishing.sweep(system)
