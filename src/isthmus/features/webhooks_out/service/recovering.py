"""Recoveries: everything that an endpoint missed in a time is sent anew, by a job that outlives a crash."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from isthmus.engine.db import Tx as SystemTx
from isthmus.engine.queue import Wake
from isthmus.features.webhooks_out.errors import EndpointNotFound, RecoveryNotFound, TooManyRecoveries, WrongEndpoint
from isthmus.features.webhooks_out.events import RecoveryCancelled, RecoveryStarted
from isthmus.features.webhooks_out.service import planning
from isthmus.features.webhooks_out.settings import Settings
from isthmus.features.webhooks_out.store import deliveries, endpoints
from isthmus.features.webhooks_out.store import recoveries as store
from isthmus.kit import ids
from isthmus.kit.errors import Invalid
from isthmus.kit.paging import Ask, Page
from isthmus.scope import Scope

RECOVER = "webhooks_out.recover"
_STEP = 500


async def recover(scope: Scope, endpoint_id: str, since: datetime, until: datetime | None) -> Mapping[str, Any]:
    """Send everything anew that the endpoint missed in this time; a job does it.

    Raises EndpointNotFound, WrongEndpoint, TooManyRecoveries.
    """
    end = until or scope.now
    if since.tzinfo is None or end.tzinfo is None or since >= end:
        raise WrongEndpoint.field("since", "A time with its offset from UTC, before the end.")
    recovery_id = scope.id("rcv")
    most = scope.part(Settings).recoveries
    async with scope.tx() as tx:
        if await endpoints.endpoint(tx, endpoint_id) is None:
            raise EndpointNotFound
        if await store.running(tx) >= most:
            raise TooManyRecoveries(details={"limit": most}, retry_after=30)
        await store.insert(tx, recovery_id, endpoint_id, (since, end))
        await tx.enqueue(RECOVER, recovery_id)
        tx.emit(RecoveryStarted(subject=endpoint_id, body={"recoveryId": recovery_id}))
        row = await store.recovery(tx, recovery_id)
    if row is None:
        raise EndpointNotFound
    return dict(row)


async def recovery(scope: Scope, recovery_id: str) -> Mapping[str, Any]:
    """How far a recovery is. Raises RecoveryNotFound."""
    async with scope.tx() as tx:
        row = await store.recovery(tx, recovery_id)
    if row is None:
        raise RecoveryNotFound
    return dict(row)


async def listing(scope: Scope, ask: Ask, endpoint_id: str | None = None) -> Page[Mapping[str, Any]]:
    """The newest first, of one endpoint or of all."""
    if ask.after is not None and not ids.is_id(ask.after, "rcv"):
        raise Invalid.field("cursor", "This is not a place in this list.")
    async with scope.tx() as tx:
        rows = await store.recoveries(tx, endpoint_id, ask)
    kept: list[Mapping[str, Any]] = [dict(row) for row in rows[: ask.limit]]
    more = len(rows) > ask.limit
    return Page(kept, next_after=str(kept[-1]["id"]) if more else None, has_more=more)


async def cancel(scope: Scope, recovery_id: str) -> Mapping[str, Any]:
    """Stop a recovery; what it has found already is sent. Raises RecoveryNotFound."""
    await recovery(scope, recovery_id)
    async with scope.tx() as tx:
        endpoint_id = await store.cancel(tx, recovery_id, scope.now)
        if endpoint_id is not None:
            tx.emit(RecoveryCancelled(subject=endpoint_id, body={"recoveryId": recovery_id}))
    return await recovery(scope, recovery_id)


async def carry_on(scope: Scope, recovery_id: str) -> None:  # house: silent - RecoveryStarted said it
    """Recover step by step; each step is one transaction with its place."""
    while True:
        async with scope.tx() as tx:
            row = await store.recovery(tx, recovery_id, locked=True)
            if row is None or row["state"] != "running":
                return
            step = await store.recover(tx, row, _STEP)
            done = step["seen"] < _STEP
            await store.move(tx, recovery_id, None if done else step["last"], step["lost"])
            if step["first"] is not None:
                await deliveries.note_waiting(tx, scope.tenant_id, row["endpoint_id"], step["first"])
                await planning.advance(tx, scope.tenant_id, row["endpoint_id"], scope.now)
        if done:
            return
        if scope.engine.queue.stopping.is_set():
            async with scope.tx() as tx:
                await tx.enqueue(RECOVER, recovery_id)
            return


async def unfinished(tx: SystemTx) -> list[Wake]:
    """A wake-up for each recovery that is not done."""
    return [Wake(RECOVER, row["id"], row["tenant_id"]) for row in await store.unfinished(tx)]
