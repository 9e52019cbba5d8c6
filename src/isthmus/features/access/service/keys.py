"""API keys of a tenant: made once-shown, replaced with an overlap, revoked (security.md AK-02, AK-04, AK-06, AK-07)."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from isthmus.features.access.errors import (
    KeyExceedsCreator,
    KeyNotActive,
    KeyNotFound,
    MerchantNotFound,
    TooManyKeys,
)
from isthmus.features.access.events import ApiKeyCreated, ApiKeyRegraded, ApiKeyRevoked, ApiKeyRotated
from isthmus.features.access.model import keys as model
from isthmus.features.access.model.keys import ApiKey, KeyStatus, Mode
from isthmus.features.access.settings import Settings
from isthmus.features.access.store import keys as store
from isthmus.kit import ids
from isthmus.kit.errors import Invalid
from isthmus.kit.paging import Ask, Page
from isthmus.kit.permissions import Permission
from isthmus.kit.secret import Secret
from isthmus.scope import Scope, Tx


class Rights:
    """The permissions of all rooms that a key may hold, by name; the composition root provides it."""

    def __init__(self, registered: Iterable[Permission]) -> None:
        self.known = model.grantable(registered)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The key that somebody asks for."""

    name: str
    permissions: Collection[str]
    mode: Mode = Mode.LIVE
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Made:
    """A new key; the only time that it can be read."""

    key: ApiKey
    shown: Secret


def check_merchant(scope: Scope, merchant_id: str) -> None:
    """Raise MerchantNotFound for anybody else's merchant, without looking whether there is one."""
    if merchant_id != scope.tenant_id:
        raise MerchantNotFound


async def create_key(scope: Scope, wanted: Wanted) -> Made:
    """A key with some of the caller's own permissions. Raises Invalid, KeyExceedsCreator, TooManyKeys."""
    known = scope.part(Rights).known
    permissions = model.read_permissions(wanted.permissions, known)
    expires_at = model.read_expiry(wanted.expires_at, scope.now)
    made = _made(scope, model.read_name(wanted.name), wanted.mode, permissions, expires_at)
    _check_reach(scope, permissions)
    async with scope.tx() as tx:
        await _check_room(scope, tx)
        await store.insert_key(
            tx, made.key, digest=model.digest(made.shown.reveal()), creator_roles=list(scope.principal.roles)
        )
        tx.emit(ApiKeyCreated(subject=made.key.id, after=_told(made.key)))
    return made


async def rotate_key(scope: Scope, key_id: str, overlap: timedelta | None = None) -> Made:
    """A successor with the same permissions; the old key lives on until the overlap ends.

    Raises KeyNotFound, KeyNotActive for one that is replaced, expired or revoked, KeyExceedsCreator, TooManyKeys,
    Invalid.
    """
    wanted = _overlap(scope, overlap)
    async with scope.tx() as tx:
        old = await store.key(tx, key_id, locked=True)
        if old is None:
            raise KeyNotFound
        if old.status(scope.now) is not KeyStatus.ACTIVE or old.replaced_by is not None:
            raise KeyNotActive
        _check_reach(scope, old.permissions)
        await _check_room(scope, tx)
        made = _made(scope, old.name, old.mode, old.permissions, model.successor_expiry(old, scope.now))
        await store.insert_key(
            tx, made.key, digest=model.digest(made.shown.reveal()), creator_roles=list(scope.principal.roles)
        )
        end = model.overlap_end(old, scope.now, wanted)
        await store.update_replaced(tx, old.id, successor=made.key.id, end=end)
        after = {**_told(made.key), "replaces": old.id, "oldEndsAt": end.isoformat()}
        tx.emit(ApiKeyRotated(subject=made.key.id, before=_told(old), after=after))
    return made


async def revoke_key(scope: Scope, key_id: str) -> None:
    """End a key: every process refuses it within five seconds. Doing it again changes nothing. Raises KeyNotFound."""
    async with scope.tx() as tx:
        old = await store.key(tx, key_id)
        if old is None:
            raise KeyNotFound
        if await store.update_revoked(tx, key_id, scope.now):
            tx.emit(ApiKeyRevoked(subject=key_id, before=_told(old)))


async def key(scope: Scope, key_id: str) -> ApiKey:
    """One key. Raises KeyNotFound."""
    async with scope.tx() as tx:
        found = await store.key(tx, key_id)
    if found is None:
        raise KeyNotFound
    return found


async def keys(scope: Scope, ask: Ask) -> Page[ApiKey]:
    """The tenant's keys, the newest first."""
    async with scope.tx() as tx:
        found = await store.keys(tx, before=ask.after, offset=ask.offset, limit=ask.limit + 1)
    kept, more = found[: ask.limit], len(found) > ask.limit
    return Page(kept, next_after=kept[-1].id if more else None, has_more=more)


async def regrade(scope: Scope, creator: str, roles: Collection[str]) -> int:
    """What a creator of keys holds has changed: each of their keys shrinks to it at once (AK-04).

    creator: the principal's id. roles: the ones held now; none for somebody who left. Answers the number of keys.
    """
    async with scope.tx() as tx:
        changed = await store.update_roles(tx, creator, list(roles))
        if changed:
            tx.emit(ApiKeyRegraded(subject=creator, after={"roles": sorted(roles), "keys": changed}))
    return changed


def _made(scope: Scope, name: str, mode: Mode, permissions: tuple[str, ...], expires_at: datetime | None) -> Made:
    shown = model.form(mode, ids.base62(model.RANDOM_LETTERS))
    made = ApiKey(
        id=scope.id("key"),
        name=name,
        mode=mode,
        prefix=model.prefix(shown),
        last4=model.last4(shown),
        permissions=permissions,
        created_by=scope.principal.id,
        created_at=scope.now,
        expires_at=expires_at,
    )
    return Made(made, shown)


def _check_reach(scope: Scope, permissions: Iterable[str]) -> None:
    held = model.reach(permissions, scope.principal.roles, scope.part(Rights).known)
    missing = sorted(set(permissions) - held)
    if missing:
        raise KeyExceedsCreator(details={"permissions": missing})


async def _check_room(scope: Scope, tx: Tx) -> None:
    most = scope.part(Settings).keys_per_tenant
    if await store.alive(tx, scope.now) >= most:
        raise TooManyKeys(details={"limit": most})


def _overlap(scope: Scope, overlap: timedelta | None) -> timedelta:
    settings = scope.part(Settings)
    if overlap is None:
        return settings.key_overlap
    if not timedelta() <= overlap <= settings.key_overlap_most:
        most = int(settings.key_overlap_most.total_seconds())
        raise Invalid.field("overlapSeconds", f"Between 0 and {most} seconds.")
    return overlap


def _told(one: ApiKey) -> dict[str, object]:
    """What the audit log keeps of a key."""
    return {
        "name": one.name,
        "prefix": one.prefix,
        "last4": one.last4,
        "permissions": list(one.permissions),
        "expiresAt": one.expires_at.isoformat() if one.expires_at else None,
    }
