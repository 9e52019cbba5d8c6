"""What this room does by itself."""

from collections.abc import Sequence

from isthmus.engine.db import Tx
from isthmus.engine.queue import Wake
from isthmus.features.webhooks_out.service import deliveries
from isthmus.scope import Scope, System


async def recover(scope: Scope, recovery_id: str) -> None:
    """Carry a recovery on."""
    await deliveries.carry_on(scope, recovery_id)


async def missing(_system: System, tx: Tx) -> Sequence[Wake]:
    """Recoveries whose worker is gone."""
    return await deliveries.unfinished(tx)
