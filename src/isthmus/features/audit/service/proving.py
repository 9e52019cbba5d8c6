"""Proofs of single entries, which anybody checks without the database (security.md AU-04)."""

import json

from isthmus.features.audit.errors import EntryNotFound, NotAsSealed, NotSealed
from isthmus.features.audit.model import proofs as model
from isthmus.features.audit.model.entries import masked
from isthmus.features.audit.model.proofs import Proof
from isthmus.features.audit.service import signing
from isthmus.features.audit.store import checkpoints as store
from isthmus.kit.permissions import PLATFORM_TENANT
from isthmus.scope import Scope, System


async def prove(scope: Scope, entry_id: str) -> Proof:
    """The proof of one of the tenant's entries.

    Raises EntryNotFound, NotSealed within the first seconds, NotAsSealed, KeyNotHeld.
    """
    system = System(scope.engine, scope.clock)
    async with system.tx() as tx:
        row = await store.entry(tx, scope.tenant_id, entry_id)
        if row is None:
            raise EntryNotFound
        floors = await store.floors(tx)
        epoch = max((number for number, floor in floors.items() if row.id > floor), default=0)
        one = await store.covering(tx, epoch, row.place)
    if one is None:
        raise NotSealed
    publics = await signing.publics(system.scope(PLATFORM_TENANT, "audit"))
    public = publics.get(one.key_id)
    proof = None if public is None else model.prove(row.entry, row.id, one, public, shown=_is_shown(row.entry))
    if proof is None or model.fault_of(proof) is not None:
        raise NotAsSealed
    return proof


async def public_keys(system: System) -> dict[str, bytes]:
    """The public half of every key that checkpoints are signed with, by its id. Raises KeyNotHeld."""
    return await signing.publics(system.scope(PLATFORM_TENANT, "audit"))


def _is_shown(entry: bytes) -> bool:
    """Whether an entry holds nothing that the log hides."""
    parts = json.loads(entry)
    return bool(masked(parts) == parts)
