"""How much a tenant may store: what would begin anew is refused once its records fill the room (security.md RL-05).

Nothing that was begun is lost: a run stops behind a page, keeps its place and goes on when there is room; orders,
single records that a webhook tells of, and uploads that were received are written all the same.
"""

from typing import Final

from isthmus.engine import holdings
from isthmus.engine.queue import Wake
from isthmus.features.records.errors import StoreFull
from isthmus.features.records.settings import Settings
from isthmus.features.records.store import SIZES
from isthmus.scope import Scope, System, Tx

COUNT: Final = "records.count"


def stored_most(scope: Scope) -> int:
    """How many bytes of records a tenant may store; 0 for no bound."""
    settings = scope.engine.parts.get(Settings)
    return settings.stored_bytes if isinstance(settings, Settings) else 0


async def has_room(scope: Scope, tx: Tx) -> bool:
    """Whether the tenant stores fewer bytes of records than it may."""
    most = stored_most(scope)
    return not most or await holdings.total(tx) < most


async def check_room(scope: Scope, tx: Tx) -> None:
    """Refuse what would store more. Raises StoreFull."""
    if not await has_room(scope, tx):
        raise StoreFull(details={"limit": stored_most(scope)})


async def stored_bytes(_scope: Scope, tx: Tx) -> int:
    """How many bytes of records the tenant stores."""
    return await holdings.total(tx)


async def wake_counts(system: System) -> None:
    """Have the counters set right that writes only add to."""
    async with system.tx() as tx:
        due = [(kind, one) for kind in SIZES for one in await holdings.due(tx, kind, system.now)]
        wakes = [Wake(COUNT, f"{kind} {connection_id}", tenant_id) for kind, (tenant_id, connection_id) in due]
        await system.engine.queue.enqueue_missing(tx, wakes)


async def count(scope: Scope, key: str) -> None:  # house: silent - nothing has changed
    """Count what a connection's records of one kind take; key: the kind and the connection."""
    kind, _, connection_id = key.partition(" ")
    sizes = SIZES.get(kind)
    if sizes is not None:  # a kind of another version of this room
        await holdings.count(scope.tx, connection_id, kind, sizes, scope.now)
