"""The keys that checkpoints are signed with: made and renewed by operators, sealed by the vault."""

from dataclasses import dataclass
from datetime import datetime

from isthmus.engine import keys
from isthmus.features import vault
from isthmus.features.audit.events import SigningKeyMade
from isthmus.features.audit.model import checkpoints as model
from isthmus.features.audit.store import checkpoints as store
from isthmus.kit.secret import Secret
from isthmus.scope import Scope, Tx

_FIELD = "private"


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key that signs checkpoints."""

    id: str
    private: Secret


@dataclass(frozen=True, slots=True)
class MadeKey:
    """A new signing key by its public half."""

    id: str
    public: bytes
    at: datetime


async def current_key(scope: Scope) -> SigningKey:
    """The key in use, in the platform's scope; the first call makes one. Raises KeyNotHeld, Unreadable."""
    async with scope.tx() as tx:
        row = await store.newest_key(tx)
        if row is not None:
            return SigningKey(row["id"], await _opened(scope, tx, row["id"], row["sealed"]))
    await renew_key(scope)
    return await current_key(scope)


async def renew_key(scope: Scope) -> MadeKey:
    """Sign with a new key from now on, in the platform's scope; what the old ones signed stays checkable."""
    private = Secret(keys.random_material().hex())
    made = MadeKey(scope.id("aky"), model.public_of(private), scope.now)
    async with scope.tx() as tx:
        sealed = await vault.seal(scope, tx, private, owner=made.id, field=_FIELD)
        await store.insert_key(tx, {"id": made.id, "public": made.public, "sealed": sealed, "created_at": made.at})
        tx.emit(SigningKeyMade(subject=made.id, after={"public": made.public.hex()}))
    return made


async def publics(scope: Scope) -> dict[str, bytes]:
    """The public half of every key, by its id: made of the sealed private ones, which nobody can plant.

    Keys that do not open are left out: what they signed cannot be believed. Raises KeyNotHeld.
    """
    found: dict[str, bytes] = {}
    async with scope.tx() as tx:
        for row in await store.signing_keys(tx):
            try:
                found[row["id"]] = model.public_of(await _opened(scope, tx, row["id"], row["sealed"]))
            except vault.Unreadable:
                continue
    return found


async def reseal(scope: Scope, _after: str | None, _limit: int) -> str | None:  # house: silent - no fact changes
    """Seal the signing keys under the tenant's current data key; there are few, so it is one call."""
    async with scope.tx() as tx:
        for row in await store.signing_keys(tx):
            sealed = await vault.reseal(scope, tx, row["sealed"], owner=row["id"], field=_FIELD)
            if sealed is not None:
                await store.update_sealed(tx, row["id"], sealed)
    return None


async def _opened(scope: Scope, tx: Tx, key_id: str, sealed: bytes) -> Secret:
    return await vault.open(scope, tx, sealed, owner=key_id, field=_FIELD)
