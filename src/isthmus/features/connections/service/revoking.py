"""Telling a platform that a grant is over: once within the request, then durably, later and later (OA-16).

The connection and its tokens are gone at once. What the platform has yet to be told is sealed apart, bound to its own
id, and destroyed when the platform takes it, when it says that it takes no such thing, or after the last attempt.
"""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from isthmus.client import ClientError, Tokens
from isthmus.connect.spi import Account
from isthmus.engine.db import Tx as SystemTx
from isthmus.engine.queue import Wake
from isthmus.features import catalog, vault
from isthmus.features.connections.events import RevocationFailed, Revoked
from isthmus.features.connections.model.connection import Connection, Status
from isthmus.features.connections.model.lease import Refresh
from isthmus.features.connections.service import far_time, sealing, sessions
from isthmus.features.connections.service.clients import Clients, located
from isthmus.features.connections.settings import Settings
from isthmus.features.connections.store import revoking as store
from isthmus.features.connections.store.tokens import Held
from isthmus.kit.clock import Clock
from isthmus.kit.errors import Problem
from isthmus.scope import Scope, System, Tx

JOB: Final = "connections revoke"
_FIRST, _LONGEST = timedelta(minutes=1), timedelta(hours=6)
_ATTEMPTS: Final = 10
_MOST: Final = 50
_GENERATION: Final = 0


async def revoke(scope: Scope, connection: Connection, found: Tokens) -> str:
    """Tell the platform once: `revoked`, `not_supported` or `failed`."""
    account = sessions.account_of(connection)
    return await _tell(scope, connection.provider, connection.registration_id, account, found)


async def _tell(scope: Scope, provider: str, registration_id: str | None, account: Account, found: Tokens) -> str:
    deadline = scope.part(Settings).revoke_deadline.total_seconds()
    try:
        registration = await catalog.registration(scope, provider, registration_id)
        app = located(registration, account.extra)
        async with (
            asyncio.timeout(deadline),
            scope.part(Clients).plain(registration, scope.clock, account.extra, tenant_id=scope.tenant_id) as client,
        ):

            async def send(clock: Clock) -> bool:
                return await registration.connector.revoke(app, account, found, client, clock)

            ended, _ = await far_time.asked(registration.connector, scope.clock, send)
    except (ClientError, TimeoutError, Problem):
        return "failed"
    return "revoked" if ended else "not_supported"


async def keep(  # house: silent - told as the end of the connection, in the same transaction
    scope: Scope, tx: Tx, connection: Connection, found: Tokens
) -> None:
    """Note, in the transaction that ends the connection, that the platform is to be told again."""
    id_ = scope.id("rvk")
    sealed = await sealing.seal_tokens(scope, tx, id_, _GENERATION, found)
    account = sessions.account_of(connection)
    made = store.Waiting(
        *(id_, connection.id, connection.provider, connection.registration_id, account, sealed.access, sealed.refresh),
        personal=connection.owner is not None,
    )
    await store.insert(tx, made, scope.now + _FIRST, scope.now)


async def try_again(scope: Scope, revocation_id: str) -> None:
    """Tell the platform of one revocation that it did not take before."""
    async with scope.tx() as tx:
        waiting = await store.load(tx, revocation_id)
        if waiting is None:
            return
        held = await _opened(scope, tx, waiting)
    told = await _tell(scope, waiting.provider, waiting.registration_id, waiting.account, held)
    body = {"provider": waiting.provider, **({} if waiting.personal else {"accountId": waiting.account.id})}
    async with scope.tx() as tx:
        if told == "failed" and waiting.attempts + 1 < _ATTEMPTS:
            await store.update_failed(tx, waiting, scope.now + min(_LONGEST, _FIRST * (2 << waiting.attempts)))
            return
        if not await store.delete(tx, waiting.id):
            return
        kind = RevocationFailed if told == "failed" else Revoked
        tx.emit(kind(subject=waiting.connection_id, body=body))


async def _opened(scope: Scope, tx: Tx, waiting: store.Waiting) -> Tokens:
    ended = Refresh(version=_GENERATION, status=Status.EXPIRED)
    held = Held(waiting.access, waiting.refresh, None, None, None, (), ended, scope.now)
    return await sealing.open_tokens(scope, tx, waiting.id, held)


async def missing(system: System, tx: SystemTx) -> Sequence[Wake]:
    """The revocations that are due."""
    return [Wake(JOB, id_, tenant_id) for tenant_id, id_ in await store.due(tx, system.now, _MOST)]


async def reseal(scope: Scope, after: str | None, limit: int) -> str | None:  # house: silent - no fact changes
    """Seal some under the tenant's current key; the last id, None behind the last one."""
    async with scope.tx() as tx:
        rows = await store.page(tx, after or "", limit)
        for row in rows:
            access = await _again(scope, tx, row, row.access, sealing.access_field(_GENERATION))
            refresh = await _again(scope, tx, row, row.refresh, sealing.refresh_field(_GENERATION))
            if (access, refresh) != (row.access, row.refresh):
                await store.update_sealed(tx, row.id, access, refresh)
    return rows[-1].id if len(rows) == limit else None


async def _again(scope: Scope, tx: Tx, row: store.Waiting, sealed: bytes | None, field: str) -> bytes | None:
    if sealed is None:
        return None
    return await vault.reseal(scope, tx, sealed, owner=row.id, field=field) or sealed
