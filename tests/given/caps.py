"""What a tenant is shown of a cap."""

from isthmus.app import FEATURES
from isthmus.scope import Scope


async def shown(scope: Scope, name: str) -> tuple[int, int]:
    """How much is used of this cap of a room, and its limit."""
    cap = next(cap for feature in FEATURES for cap in feature.caps if cap.name == name)
    if cap.used_apart is not None:
        return await cap.used_apart(scope), cap.limit(scope)
    assert cap.used is not None
    async with scope.tx() as tx:
        return await cap.used(scope, tx), cap.limit(scope)
