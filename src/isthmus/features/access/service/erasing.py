"""A tenant is deleted: kept out at once, ended at the far sides, its keys destroyed, its rows erased (ER-01)."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from isthmus.engine.blobs import FolderBlobs
from isthmus.engine.db import Tx
from isthmus.engine.queue import Wake
from isthmus.features import vault
from isthmus.features.access.errors import DeploymentTenant, TenantNotFound
from isthmus.features.access.events import TenantDeleted, TenantDeletionStarted
from isthmus.features.access.model.tenants import Tenant, TenantStatus
from isthmus.features.access.settings import Settings
from isthmus.features.access.store import erasures as store
from isthmus.features.access.store import tenants as tenants_store
from isthmus.kit.errors import Problem
from isthmus.kit.permissions import PLATFORM_TENANT
from isthmus.scope import Scope, System

ERASE = "access.erase"
_FILES = "files"
#: How often all tables are gone through before other work has its turn.
_SWEEPS, _SOON = 20, timedelta(seconds=1)
_LOG = logging.getLogger("isthmus.access")
Leave = Callable[[Scope], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Leaving:
    """What the rooms end elsewhere before a tenant's data go; the composition root provides it."""

    functions: Sequence[Leave] = ()


async def delete_tenant(scope: Scope, tenant_id: str) -> Tenant:
    """Begin to delete a tenant: nobody of it is let in from here on, and a worker erases everything that it has.

    Doing it again changes nothing. Raises TenantNotFound, DeploymentTenant.
    """
    if tenant_id == PLATFORM_TENANT:
        raise DeploymentTenant
    platform = scope.platform()  # house: platform - tenants belong to the deployment
    async with platform.tx() as tx:
        found = await tenants_store.tenant(tx, tenant_id)
        if found is None:
            raise TenantNotFound
        if found.status is TenantStatus.DELETING:
            return found
        await tenants_store.update_status(tx, tenant_id, TenantStatus.DELETING)
        await tx.enqueue(ERASE, tenant_id)
        tx.emit(TenantDeletionStarted(subject=tenant_id, before={"name": found.name, "slug": found.slug}))
    vault.forget(scope, tenant_id)
    return replace(found, status=TenantStatus.DELETING)


async def erase(scope: Scope, tenant_id: str) -> None:  # house: silent - the end is told when everything is gone
    """Work off one deletion, in short transactions; killed, it goes on where it stood. In the platform's scope."""
    system = System(scope.engine, scope.clock)
    async with system.tx() as tx:
        found = await tenants_store.tenant(tx, tenant_id)
        if found is None or found.status is not TenantStatus.DELETING:
            return
        await store.insert_erasure(tx, tenant_id, at=scope.now)
        begun = await store.erasure(tx, tenant_id)
    left = scope.part(Settings).erase_after - (scope.now - begun["asked_at"] if begun else timedelta())
    if left > timedelta():
        # whoever is remembered as let in may still write for some seconds
        async with scope.tx() as again:
            await again.enqueue(ERASE, tenant_id, after=left)
        return
    await _leave(system, tenant_id)
    files = await scope.part(FolderBlobs).delete_tenant(tenant_id)
    if files:
        async with system.tx() as tx:
            await _note(tx, tenant_id, _FILES, files)
    # a job that was under way may have written behind the first sweep: the last one finds nothing
    for _ in range(_SWEEPS):
        if not await _sweep(system, tenant_id):
            await _finish(system, scope, tenant_id)
            return
    async with scope.tx() as again:
        await again.enqueue(ERASE, tenant_id, after=_SOON)


async def missing(system: System, tx: Tx) -> Sequence[Wake]:  # noqa: ARG001 - the reconciler's own form
    """The wake-ups for deletions that are not done."""
    return [Wake(ERASE, tenant_id, PLATFORM_TENANT) for tenant_id in await tenants_store.leaving(tx)]


async def _leave(system: System, tenant_id: str) -> None:
    """What a far side does not take is logged and does not hold the deletion up: our copy goes in any case (OA-16)."""
    for function in system.engine.part(Leaving).functions:
        try:
            await function(system.scope(tenant_id, "access"))
        except Problem as problem:
            _LOG.warning("not everything of %s was ended elsewhere: %s", tenant_id, problem.message)


async def _sweep(system: System, tenant_id: str) -> int:
    """Delete what there is; how many rows there were. The counts are noted with each batch."""
    async with system.tx() as tx:
        names = await store.tables(tx)
    total = 0
    for name in names:
        try:
            total += await _empty(system, name, tenant_id)
        except store.StillReferredTo:
            total += 1  # somebody wrote behind the sweep: the next one begins with what came in
    return total


async def _empty(system: System, name: str, tenant_id: str) -> int:
    batch = gone = system.engine.part(Settings).erase_batch
    total = 0
    while gone >= batch:
        async with system.tx() as tx:
            gone = await store.delete_rows(tx, name, tenant_id, batch)
            if gone:
                await _note(tx, tenant_id, name, gone)
        total += gone
    return total


async def _note(tx: Tx, tenant_id: str, name: str, gone: int) -> None:
    noted = await store.erasure(tx, tenant_id)
    known: dict[str, int] = noted["erased"] if noted else {}
    await store.update_erased(tx, tenant_id, {**known, name: known.get(name, 0) + gone})


async def _finish(system: System, scope: Scope, tenant_id: str) -> None:
    """The proof goes into the deployment's own part of the audit log; a crash before the end proves it again."""
    async with system.tx() as look:
        noted = await store.erasure(look, tenant_id)
    platform = scope.platform()  # house: platform - tenants belong to the deployment
    async with platform.tx() as tx:
        tx.emit(TenantDeleted(subject=tenant_id, body={"erased": noted["erased"] if noted else {}}))
    async with system.tx() as end:
        await store.delete_tenant(end, tenant_id)
