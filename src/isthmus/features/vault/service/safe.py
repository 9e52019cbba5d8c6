"""Sealing and opening a tenant's secrets under the tenant's own data key.

A seal binds tenant, owner, field and key (security.md VA-04): moved anywhere else, it does not open. With the data key
in memory neither sealing nor opening touches the database.
"""

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from isthmus.engine import keys
from isthmus.engine.keys import Key, KeyRing
from isthmus.features.vault import model, store
from isthmus.features.vault.errors import KeyNotHeld, Unreadable
from isthmus.features.vault.events import DataKeyMade
from isthmus.features.vault.model import DataKey, KeyCache
from isthmus.features.vault.settings import Settings
from isthmus.kit.secret import Secret
from isthmus.scope import Scope, Tx

_LOG = logging.getLogger("isthmus.features.vault")


class Vault:
    """What one process holds: the master keys, its settings, and data keys for a few minutes.

    `reload` reads the ring anew from a place that can change under a running process, such as a file: it is called,
    at most once in a few seconds, when a key is met that is not held. It must be quick.
    """

    def __init__(
        self, ring: KeyRing, settings: Settings | None = None, *, reload: Callable[[], KeyRing] | None = None
    ) -> None:
        self.ring = ring
        self.settings = settings or Settings()
        self._reload = reload
        self._reload_at = 0.0
        self._reported: set[str] = set()
        self.cache: KeyCache[Key] = KeyCache(
            limit=self.settings.cached_keys,
            ttl=self.settings.cached_for.total_seconds(),
            check=self.settings.active_check.total_seconds(),
        )
        #: Values that this process sealed anew, by tenant: a pass that adds nothing here proves that none are left.
        self.resealed: Counter[str] = Counter()
        #: Values met on the way that do not open at all, by tenant; they are left as they are.
        self.damaged: Counter[str] = Counter()

    def master(self, master_key_id: str) -> Key:
        """A master key by its id. Raises KeyNotHeld."""
        key = self.ring.get(master_key_id)
        if key is None:
            self._report(master_key_id)
            raise KeyNotHeld
        return key

    def _report(self, master_key_id: str) -> None:
        """Say once for each key what an operator must know and a caller need not (VA-10)."""
        if master_key_id not in self._reported:
            self._reported.add(master_key_id)
            _LOG.error("the master key %s is not held here, only %s", master_key_id, ", ".join(self.ring.ids))

    def learn(self, master_key_id: str, now: float) -> None:
        """Look for new master keys when this one is not held. Raises MasterKeyUnusable."""
        if self._reload is not None and self.ring.get(master_key_id) is None and now >= self._reload_at:
            self._reload_at = now + self.settings.active_check.total_seconds()
            self.ring = self._reload()

    def unwrap(self, row: DataKey) -> Key:
        """The data key itself. Raises KeyNotHeld, Unreadable."""
        context = model.key_context(row.tenant_id, row.id, row.master_key_id)
        return Key(row.id, _opened(self.master(row.master_key_id), row.wrapped, context))

    def wrap(self, row: DataKey, key: Key, master_key_id: str) -> bytes:
        """The data key, sealed with a master key. Raises KeyNotHeld."""
        context = model.key_context(row.tenant_id, row.id, master_key_id)
        return keys.seal(self.master(master_key_id), key.material, context)


@dataclass(frozen=True, slots=True)
class ToSeal:
    """A secret and its place."""

    secret: Secret
    owner: str
    field: str


@dataclass(frozen=True, slots=True)
class Sealed:
    """A sealed value and its place."""

    value: bytes
    owner: str
    field: str


async def seal(scope: Scope, tx: Tx, secret: Secret, *, owner: str, field: str) -> bytes:
    """Seal one secret for its place. Raises KeyNotHeld."""
    key = await _current(scope, tx, 1)
    return keys.seal(key, _bytes(secret), model.field_context(scope.tenant_id, owner, field, key.id))


async def seal_many(scope: Scope, tx: Tx, secrets: Sequence[ToSeal]) -> list[bytes]:
    """Seal several. Raises KeyNotHeld."""
    key = await _current(scope, tx, len(secrets))
    tenant = scope.tenant_id
    return [
        keys.seal(key, _bytes(one.secret), model.field_context(tenant, one.owner, one.field, key.id)) for one in secrets
    ]


async def open(scope: Scope, tx: Tx, sealed: bytes, *, owner: str, field: str) -> Secret:  # noqa: A001 - vault.open
    """Open one value in its place. Raises Unreadable, KeyNotHeld."""
    key_id = _key_id(sealed)
    held = scope.part(Vault).cache.get(scope.tenant_id, key_id, scope.clock.monotonic())
    key = held or (await _load(scope, tx, [key_id]))[key_id]
    return _secret(_opened(key, sealed, model.field_context(scope.tenant_id, owner, field, key_id)))


async def open_many(scope: Scope, tx: Tx, values: Sequence[Sealed]) -> list[Secret]:
    """Open several, with at most one question to the database. Raises Unreadable, KeyNotHeld."""
    wanted = [_key_id(one.value) for one in values]
    held = await _load(scope, tx, sorted(set(wanted)))
    tenant = scope.tenant_id
    return [
        _secret(_opened(held[key_id], one.value, model.field_context(tenant, one.owner, one.field, key_id)))
        for key_id, one in zip(wanted, values, strict=True)
    ]


async def reseal(scope: Scope, tx: Tx, sealed: bytes, *, owner: str, field: str) -> bytes | None:
    """The same secret under the tenant's current key; None when it is sealed with that one already, or does not open.

    A damaged value must not keep all the others under an old key: it is counted and left as it is. Raises KeyNotHeld.
    """
    vault = scope.part(Vault)
    current = await _current(scope, tx, 1)
    try:
        if _key_id(sealed) == current.id:
            return None
        secret = await open(scope, tx, sealed, owner=owner, field=field)
    except Unreadable:
        vault.damaged[scope.tenant_id] += 1
        return None
    vault.resealed[scope.tenant_id] += 1
    return await seal(scope, tx, secret, owner=owner, field=field)


def forget(scope: Scope, tenant_id: str) -> None:
    """Let go of a tenant's keys at once, as when it is suspended (VA-13)."""
    scope.part(Vault).cache.forget(tenant_id)


async def _current(scope: Scope, tx: Tx, seals: int) -> Key:
    _check_tenant(scope, tx)
    vault, now = scope.part(Vault), scope.clock.monotonic()
    taken = vault.cache.take(scope.tenant_id, seals, now)
    return taken if taken is not None else await _ask(scope, tx, seals)


async def _ask(scope: Scope, tx: Tx, seals: int) -> Key:
    """Learn the current key from the database, and make a new one where it is due."""
    vault, settings = scope.part(Vault), scope.part(Vault).settings
    row, left = await _counted(scope, tx, seals)
    if row is not None and model.outgrown(row, scope.now, settings.seal_limit, settings.data_key_age):
        await store.retire_key(tx, row, scope.now)
        row = None
    if row is None:
        row, left = await _make(scope, tx), 0
    key = _unwrapped(scope, [row])[row.id]
    if not row.fresh:
        vault.cache.appoint(scope.tenant_id, row.id, left, scope.clock.monotonic())
    return key


async def _counted(scope: Scope, tx: Tx, seals: int) -> tuple[DataKey | None, int]:
    """The current key and how many seals are counted ahead under it, these ones taken off (VA-07)."""
    vault, tenant = scope.part(Vault), scope.tenant_id
    key_id, left = vault.cache.left(tenant)
    if left >= seals:
        row = await store.current_key(tx, tenant)
        if row is not None and row.id == key_id:
            return row, left - seals
    ahead = max(seals, min(vault.settings.seal_block, vault.settings.seal_limit // 4))
    counted = await store.charge(tx, tenant, ahead)
    if counted is not None:
        return counted, ahead - seals
    # another transaction is counting just now: these seals alone go uncounted, and nobody waits
    return await store.current_key(tx, tenant), 0


async def _make(scope: Scope, tx: Tx) -> DataKey:
    """A new current key for the tenant, or the one that somebody else made meanwhile."""
    vault = scope.part(Vault)
    await store.hold_master(tx)
    master = await store.current_master(tx) or vault.ring.primary.id
    vault.learn(master, scope.clock.monotonic())
    blank = DataKey(scope.tenant_id, scope.id("dk"), b"", master, scope.now, None, 0, fresh=True)
    made = fill(vault, blank)
    if await store.insert_key(tx, made):
        tx.emit(DataKeyMade(subject=made.id))
    found = await store.current_key(tx, scope.tenant_id)
    if found is None:
        raise KeyNotHeld("The tenant's data key was taken away in the middle of its making; try again.")
    return found


def fill(vault: Vault, blank: DataKey) -> DataKey:
    """The row with fresh key material, wrapped by the master key that it names. Raises KeyNotHeld."""
    key = Key(blank.id, keys.random_material())
    return DataKey(
        blank.tenant_id,
        blank.id,
        vault.wrap(blank, key, blank.master_key_id),
        blank.master_key_id,
        blank.created_at,
        None,
        0,
        fresh=blank.fresh,
    )


async def _load(scope: Scope, tx: Tx, key_ids: Sequence[str]) -> dict[str, Key]:
    _check_tenant(scope, tx)
    vault, now = scope.part(Vault), scope.clock.monotonic()
    held = {key_id: key for key_id in key_ids if (key := vault.cache.get(scope.tenant_id, key_id, now)) is not None}
    missing = [key_id for key_id in key_ids if key_id not in held]
    if missing:
        held |= _unwrapped(scope, await store.keys(tx, scope.tenant_id, missing))
    if held.keys() != set(key_ids):
        raise Unreadable
    return held


def _unwrapped(scope: Scope, rows: Sequence[DataKey]) -> dict[str, Key]:
    """The keys themselves; those that are certain to stay are kept in memory."""
    vault, now = scope.part(Vault), scope.clock.monotonic()
    found: dict[str, Key] = {}
    for row in rows:
        key = vault.cache.get(scope.tenant_id, row.id, now)
        if key is None:
            vault.learn(row.master_key_id, now)
            key = vault.unwrap(row)
            if not row.fresh:
                vault.cache.put(scope.tenant_id, row.id, key, now)
        found[row.id] = key
    return found


def _check_tenant(scope: Scope, tx: Tx) -> None:
    if tx.tenant_id != scope.tenant_id:
        raise ValueError("the transaction belongs to another tenant than the scope")


def _bytes(secret: Secret) -> bytes:
    return secret.reveal().encode("utf-8", "surrogatepass")


def _secret(text: bytes) -> Secret:
    return Secret(text.decode("utf-8", "surrogatepass"))


def _key_id(sealed: bytes) -> str:
    try:
        return keys.key_id(sealed)
    except ValueError:
        raise Unreadable from None


def _opened(key: Key, sealed: bytes, context: Sequence[str]) -> bytes:
    try:
        return keys.open(key, sealed, context)
    except ValueError:
        raise Unreadable from None
