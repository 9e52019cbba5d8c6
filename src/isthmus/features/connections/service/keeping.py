"""Refresh tokens that end soon are used before they do, so that a connection nobody uses does not die of it."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from isthmus.client import ClientError, ReauthorizationRequired
from isthmus.engine.db import Tx as SystemTx
from isthmus.engine.queue import Wake
from isthmus.features.connections.events import Expiring
from isthmus.features.connections.service import sessions
from isthmus.features.connections.settings import Settings
from isthmus.features.connections.store import keeping as store
from isthmus.kit.errors import Problem
from isthmus.scope import Scope, System

JOB: Final = "connections renew"
_PAUSE, _RETRY = timedelta(hours=12), timedelta(hours=1)
_MOST: Final = 40


async def missing(system: System, tx: SystemTx) -> Sequence[Wake]:
    """The connections whose refresh token is to be used now."""
    ahead = system.engine.part(Settings).renew_ahead
    if not ahead:
        return []
    due = await store.due(tx, system.now, ahead, system.now - _PAUSE, _MOST)
    return [Wake(JOB, connection_id, tenant_id) for tenant_id, connection_id in due]


async def keep(scope: Scope, connection_id: str) -> None:
    """Use the refresh token once for its present end; a platform that cannot be asked is asked again in an hour.

    Where the end does not move, nothing keeps the grant alive, and that is told once.
    """
    async with scope.tx() as tx:
        if not await store.update_claimed(tx, connection_id, scope.now, scope.part(Settings).renew_ahead):
            return
    try:
        await sessions.renew(scope, connection_id)
    except ReauthorizationRequired:
        return
    except (ClientError, Problem):
        async with scope.tx() as tx:
            await store.update_released(tx, connection_id, scope.now - _PAUSE + _RETRY)
        return
    async with scope.tx() as tx:
        ends = await store.unmoved(tx, connection_id)
        if ends is not None:
            tx.emit(Expiring(subject=connection_id, body={"expiresAt": ends.isoformat()}))
