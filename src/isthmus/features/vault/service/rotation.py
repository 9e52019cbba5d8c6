"""Changing keys while calls go on, and proving that a process holds the right ones.

The state of a rotation is the rows themselves: which master key wraps a data key, which data key a value is sealed
with. So a rotation that was killed goes on where it stood, and an old key stays readable until a count says zero.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from isthmus.engine import keys
from isthmus.engine.db import Tx
from isthmus.features.vault import model, store
from isthmus.features.vault.errors import NotLost, RotationStuck, WrongMasterKey
from isthmus.features.vault.events import DataKeysRotated, MasterKeyExported, MasterKeyLost, MasterKeyRotated
from isthmus.features.vault.model import Canary, DataKey, Status
from isthmus.features.vault.service.safe import Vault, fill
from isthmus.kit.events import Event
from isthmus.kit.permissions import PLATFORM_TENANT
from isthmus.kit.secret import Secret
from isthmus.scope import Scope, System

Reseal = Callable[[Scope, str | None, int], Awaitable[str | None]]

_CANARY = b"isthmus"
_PASSES = 20
_PART = "vault"


@dataclass(frozen=True, slots=True)
class Reseals:
    """The re-sealings that the rooms registered, by the kind of sealed column."""

    functions: Mapping[str, Reseal] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rotated:
    """What a rotation did."""

    rewrapped: int = 0
    tenants: int = 0
    resealed: int = 0
    #: Values that do not open under any key; they were left as they are.
    damaged: int = 0


async def check_canary(system: System) -> None:
    """Whether this process holds the master key that the database was sealed with; the first start writes the proof.

    Raises WrongMasterKey, naming where keys were looked for; nothing is changed then.
    """
    vault = _vault(system)
    async with system.tx() as tx:
        known = await store.canaries(tx) or await _first_start(vault, tx, system.now)
    vault.learn(_current(known).master_key_id, system.clock.monotonic())
    _prove(vault, known)


async def _first_start(vault: Vault, tx: Tx, at: datetime) -> list[Canary]:
    await store.change_master(tx)
    known = await store.canaries(tx)  # another process may have been first
    if known:
        return known
    if await store.wrapped_by(tx):
        raise WrongMasterKey("The database holds data keys, but no proof of a master key; restore a whole backup.")
    await store.put_canary(tx, _canary(vault, at))
    return await store.canaries(tx)


def _current(known: Sequence[Canary]) -> Canary:
    return next((one for one in known if one.retired_at is None), known[0])


def _canary(vault: Vault, at: datetime) -> Canary:
    primary = vault.ring.primary
    return Canary(primary.id, keys.seal(primary, _CANARY, model.canary_context(primary.id)), at, None)


def _prove(vault: Vault, known: Sequence[Canary]) -> None:
    current = _current(known)
    key = vault.ring.get(current.master_key_id)
    sources = ", ".join(vault.ring.sources)
    if key is None:
        raise WrongMasterKey(
            f"The master key is not the one this database was sealed with: it wants {current.master_key_id}, and "
            f"{', '.join(vault.ring.ids)} was found in {sources}. Nothing was changed.",
            details={
                "wanted": current.master_key_id,
                "held": list(vault.ring.ids),
                "sources": list(vault.ring.sources),
            },
        )
    try:
        proven = keys.open(key, current.sealed, model.canary_context(key.id)) == _CANARY
    except ValueError:
        proven = False
    if not proven:
        raise WrongMasterKey(f"The proof of the master key from {sources} does not open. Nothing was changed.")


async def status(system: System) -> Status:
    """Counts of data keys by master key, and of open re-sealings."""
    async with system.tx() as tx:
        active, retired, reseals = await store.counts(tx)
        masters, wrapped = await store.canaries(tx), await store.wrapped_by(tx)
    current = next((one.master_key_id for one in masters if one.retired_at is None), None)
    former = tuple(one.master_key_id for one in masters if one.retired_at is not None)
    return Status(current, former, wrapped, tuple(_vault(system).ring.ids), active, retired, reseals)


async def rotate(system: System, *, data: bool = False, by: Scope | None = None) -> Rotated:
    """Wrap every data key with the ring's first master key; with `data` give every tenant a new data key, too.

    Goes on where an earlier, interrupted rotation stood. `by` is the operator, in the platform's scope, whom the audit
    log names. Raises WrongMasterKey, KeyNotHeld, RotationStuck.
    """
    log = by or system.scope(PLATFORM_TENANT, _PART)
    await check_canary(system)
    rewrapped = await _rewrap(system, log)
    if not data:
        return Rotated(rewrapped)
    async with system.tx() as tx:
        unfinished = await store.open_reseals(tx, 1)
    tenants = 0 if unfinished else await _new_data_keys(system, log)
    resealed, damaged = await finish_reseals(system)
    return Rotated(rewrapped, tenants, resealed, damaged)


async def _rewrap(system: System, log: Scope) -> int:
    vault = _vault(system)
    primary = vault.ring.primary
    async with system.tx() as tx:
        # waits for every transaction that is making a data key under the old master key
        await store.change_master(tx)
        changes = await store.current_master(tx) != primary.id
        if changes:
            await store.put_canary(tx, _canary(vault, system.now))
    count = 0
    while done := await _rewrap_some(system, primary.id):
        count += done
    if changes or count:
        await _tell(log, MasterKeyRotated(subject=primary.id, body={"rewrapped": count}))
    return count


async def _rewrap_some(system: System, master_key_id: str) -> int:
    vault = _vault(system)
    async with system.tx() as tx:
        rows = await store.keys_of_others(tx, master_key_id, vault.settings.batch)
        await store.rewrap(tx, [_rewrapped(vault, row, master_key_id) for row in rows])
    return len(rows)


def _rewrapped(vault: Vault, row: DataKey, master_key_id: str) -> DataKey:
    return replace(row, wrapped=vault.wrap(row, vault.unwrap(row), master_key_id), master_key_id=master_key_id)


async def _tell(log: Scope, event: Event) -> None:
    async with log.tx() as tx:
        tx.emit(event)


async def _new_data_keys(system: System, log: Scope) -> int:
    """Every tenant's key of today retires and a new one takes over, all in one transaction."""
    vault, names = _vault(system), sorted(_reseals(system).functions)
    async with system.tx() as tx:
        await store.hold_master(tx)
        master = await store.current_master(tx) or vault.ring.primary.id
        tenants = await store.retire_all(tx, system.now)
        blanks = [
            DataKey(tenant, system.scope(tenant, _PART).id("dk"), b"", master, system.now, None, 0)
            for tenant in tenants
        ]
        await store.insert_keys(tx, [fill(vault, blank) for blank in blanks])
        await store.ask_reseals(tx, tenants, names, system.now)
    vault.cache.forget()
    await _tell(log, DataKeysRotated(subject=master, body={"tenants": len(tenants)}))
    return len(tenants)


async def export_key(system: System, by: Scope) -> Secret:
    """The master keys held here, one a line, in the form that every source takes; the audit log tells who asked.

    Raises WrongMasterKey, so that no useless copy is kept.
    """
    await check_canary(system)
    ring = _vault(system).ring
    await _tell(by, MasterKeyExported(subject=ring.primary.id, body={"keys": list(ring.ids)}))
    return keys.written(ring)


async def start_over(system: System, lost: str, by: Scope) -> int:  # house: silent - tells in the operator's scope
    """Go on with the ring's first key after the master key `lost` is gone for good; the data keys given up.

    What was sealed under it answers Unreadable from now on, until it is given anew. Nothing else changes. Other
    processes must have stopped. Raises NotLost.
    """
    vault = _vault(system)
    async with system.tx() as tx:
        await store.change_master(tx)
        if await store.current_master(tx) != lost or vault.ring.get(lost) is not None:
            raise NotLost
        count = await store.delete_keys_of_others(tx, vault.ring.ids)
        await store.put_canary(tx, _canary(vault, system.now))
    vault.cache.forget()
    await _tell(by, MasterKeyLost(subject=lost, body={"dataKeys": count}))
    return count


async def finish_reseals(system: System) -> tuple[int, int]:
    """Work off every re-sealing that is asked for: values sealed anew, and damaged ones. Raises RotationStuck."""
    total, damaged = 0, 0
    while True:
        async with system.tx() as tx:
            open_ones = await store.open_reseals(tx, _vault(system).settings.batch)
        if not open_ones:
            return total, damaged
        for row in open_ones:
            done = await reseal_one(system, row["tenant_id"], row["id"], row["place"], row["asked_at"])
            total, damaged = total + done[0], damaged + done[1]


async def tenants_behind(tx: Tx, limit: int) -> list[str]:
    """Tenants with values that are still to be sealed anew; in a transaction of the system."""
    return sorted({row["tenant_id"] for row in await store.open_reseals(tx, limit)})


async def reseal_tenant(system: System, tenant_id: str) -> None:
    """Work off what is asked for of one tenant. Raises RotationStuck."""
    async with system.tx() as tx:
        open_ones = await store.open_reseals_of(tx, tenant_id)
    for row in open_ones:
        await reseal_one(system, tenant_id, row["id"], row["place"], row["asked_at"])


async def reseal_one(
    system: System, tenant_id: str, name: str, place: str | None, asked_at: datetime
) -> tuple[int, int]:
    """One kind of sealed column of one tenant, until a whole pass finds nothing under an old key."""
    vault, scope = _vault(system), system.scope(tenant_id, _PART)
    function = _reseals(system).functions.get(name)
    if function is None:
        raise RotationStuck(f"No room of this version seals {name!r}; start the version that does.")
    # until then another process may seal with the old key, which it still takes for the current one
    late = (asked_at + vault.settings.active_check - system.now).total_seconds()
    await system.clock.sleep(max(0.0, late))
    total = 0
    for _ in range(_PASSES):
        whole, before, broken = place is None, vault.resealed[tenant_id], vault.damaged[tenant_id]
        await _pass(system, scope, name, function, place)
        changed = vault.resealed[tenant_id] - before
        total += changed
        if whole and not changed:
            async with system.tx() as tx:
                await store.finish_reseal(tx, tenant_id, name, asked_at, system.now)
            return total, vault.damaged[tenant_id] - broken
        place = None
    raise RotationStuck(details={"tenant": tenant_id, "name": name})


async def _pass(system: System, scope: Scope, name: str, function: Reseal, place: str | None) -> None:
    while True:
        place = await function(scope, place, _vault(system).settings.batch)
        async with system.tx() as tx:
            await store.put_place(tx, scope.tenant_id, name, place)
        if place is None:
            return


def _vault(system: System) -> Vault:
    return system.engine.part(Vault)


def _reseals(system: System) -> Reseals:
    return system.engine.part(Reseals)
