"""A rotation whose command was killed is finished by the workers."""

from collections.abc import Sequence

from isthmus.engine.db import Tx
from isthmus.engine.queue import Wake
from isthmus.features.vault.service import rotation
from isthmus.features.vault.service.safe import Vault
from isthmus.scope import Scope, System

RESEAL = "vault.reseal"


async def reseal(scope: Scope, _key: str) -> None:
    """Seal what is left of the tenant under its current data key."""
    await rotation.reseal_tenant(System(scope.engine, scope.clock), scope.tenant_id)


async def unfinished(system: System, tx: Tx) -> Sequence[Wake]:
    """One wake-up for each tenant with values under an old data key."""
    tenants = await rotation.tenants_behind(tx, system.engine.part(Vault).settings.batch)
    return [Wake(job=RESEAL, key=tenant, tenant_id=tenant) for tenant in tenants]
