"""Bytes that no upload names, since a process died between the file and the database: kept for a day, then removed."""

import asyncio
from datetime import timedelta
from typing import Final

from isthmus.engine.blobs import FolderBlobs
from isthmus.features import access
from isthmus.features.uploads.service import scratch
from isthmus.features.uploads.store.strays import named
from isthmus.scope import Scope, System

#: The note of bytes follows them within seconds; a file that is still written is as young as its last byte.
_AGE: Final = timedelta(days=1)
_AT_ONCE: Final = 1_000


async def sweep(system: System) -> None:
    """Remove them, of tenants that this database knows: a folder of another one is left alone.

    Copies that a killed worker made of them go too.
    """
    await asyncio.to_thread(scratch.sweep, system.now)
    blobs = system.engine.part(FolderBlobs)
    for tenant_id in sorted(await access.live_tenants(system, await blobs.tenants())):
        await sweep_of(system.scope(tenant_id, "uploads"))


async def sweep_of(scope: Scope) -> None:  # house: silent - nobody ever saw them
    """Remove one tenant's."""
    blobs = scope.part(FolderBlobs)
    old = await blobs.stored_before(scope.tenant_id, scope.now - _AGE)
    for start in range(0, len(old), _AT_ONCE):
        some = old[start : start + _AT_ONCE]
        async with scope.tx() as tx:
            known = await named(tx, some)
        for blob_id in some:
            if blob_id not in known:
                await blobs.delete(scope.tenant_id, blob_id)
