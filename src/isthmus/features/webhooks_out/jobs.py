"""What this room does by itself."""

from collections.abc import Mapping, Sequence
from typing import Any

from isthmus.engine.db import Tx
from isthmus.engine.queue import Wake
from isthmus.features.webhooks_out.service import deliveries, endpoints, recovering
from isthmus.kit.permissions import PLATFORM_TENANT
from isthmus.scope import Scope, System


async def recover(scope: Scope, recovery_id: str) -> None:
    """Carry a recovery on."""
    await recovering.carry_on(scope, recovery_id)


async def missing(_system: System, tx: Tx) -> Sequence[Wake]:
    """Recoveries whose worker is gone."""
    return await recovering.unfinished(tx)


async def catch_up(system: System) -> None:
    """Plan what waits, and tell of what was paused."""
    if await endpoints.any_open(system):
        await deliveries.catch_up(system)
        await endpoints.tell(system)


async def member_changed(tx: Tx, event: Mapping[str, Any]) -> None:
    """Somebody left or lost a role: what they made stops, unless they may still have endpoints (security.md WH-11)."""
    roles = (event["after"] or {}).get("roles", ()) if event["type"] == "member.roles_changed" else ()
    if endpoints.ROLES.isdisjoint(roles):
        await endpoints.stop_of(tx, event["tenant_id"], f"user:{event['subject']}")


async def key_revoked(tx: Tx, event: Mapping[str, Any]) -> None:
    """A key is gone: what was made with it stops."""
    await endpoints.stop_of(tx, event["tenant_id"], f"key:{event['subject']}")


async def tenant_changed(tx: Tx, event: Mapping[str, Any]) -> None:
    """A tenant was suspended: its deliveries wait until it is let in again. Only the deployment says so (TN-02)."""
    if event["tenant_id"] == PLATFORM_TENANT:
        await endpoints.heard(tx, event["subject"], event["after"]["status"])
