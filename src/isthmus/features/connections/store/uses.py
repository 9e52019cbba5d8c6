"""Which app registrations are in use, over all tenants."""

from isthmus.engine.db import Tx

_USES = "select exists (select from connections where registration_id = $1 and status <> 'pending') as found"


async def uses(system_tx: Tx, registration_id: str) -> bool:
    """Whether any connection goes through this app; as the system."""
    return bool((await system_tx.fetch_sql(_USES, registration_id))[0]["found"])
