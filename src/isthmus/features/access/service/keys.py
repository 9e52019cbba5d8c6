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
from isthmus.features.access.events import ApiKeyCreated, ApiKeyFound, ApiKeyRegraded, ApiKeyRevoked, ApiKeyRotated
from isthmus.features.access.model import keys as model
from isthmus.features.access.model.accounts import UserStatus
from isthmus.features.access.model.issuers import left_of
from isthmus.features.access.model.keys import ApiKey, KeyStatus, Mode
from isthmus.features.access.service import sessions
from isthmus.features.access.settings import Settings
from isthmus.features.access.store import accounts as accounts_store
from isthmus.features.access.store import issuers as issuers_store
from isthmus.features.access.store import keys as store
from isthmus.http import RequestFacts, read_origins
from isthmus.http.errors import PermissionDenied
from isthmus.kit import ids
from isthmus.kit.errors import Invalid
from isthmus.kit.paging import Ask, Page
from isthmus.kit.permissions import TENANT_ADMIN, Permission, Principal
from isthmus.kit.secret import Secret
from isthmus.scope import Scope, System, Tx


class Rights:
    """The permissions of all rooms that a key may hold, by name; the composition root provides it."""

    def __init__(self, registered: Iterable[Permission], embedded: Iterable[str] = ()) -> None:
        self.known = model.grantable(registered)
        #: Those that foreign pages may be given with a publishable key: of routes declared for them (AK-08).
        self.embedded = {name: self.known[name] for name in embedded if name in self.known}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The key that somebody asks for."""

    name: str
    permissions: Collection[str]
    mode: Mode = Mode.LIVE
    expires_at: datetime | None = None
    origins: Collection[str] = ()
    per_minute: int | None = None
    revoke_when_found: bool = False


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
    rights = scope.part(Rights)
    known = rights.embedded if wanted.mode is Mode.PUBLISHABLE else rights.known
    permissions = model.read_permissions(wanted.permissions, known)
    origins, per_minute = model.read_pages(wanted.mode, read_origins(wanted.origins), wanted.per_minute)
    draft = _Draft(
        name=model.read_name(wanted.name),
        mode=wanted.mode,
        permissions=permissions,
        expires_at=model.read_expiry(wanted.expires_at, scope.now),
        origins=origins,
        per_minute=per_minute,
        revoke_when_found=wanted.revoke_when_found,
    )
    made = _made(scope, draft)
    _check_reach(scope, permissions, scope.principal.roles)
    async with scope.tx() as tx:
        roles = await _roles_now(scope, tx)
        _check_reach(scope, permissions, roles)
        await _check_room(scope, tx)
        await store.insert_key(tx, made.key, digest=model.digest(made.shown.reveal()), creator_roles=sorted(roles))
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
        roles = await _roles_now(scope, tx)
        _check_reach(scope, old.permissions, roles)
        await _check_room(scope, tx)
        made = _made(scope, _Draft.after(old, scope.now))
        await store.insert_key(tx, made.key, digest=model.digest(made.shown.reveal()), creator_roles=sorted(roles))
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


async def report_found(system: System, facts: RequestFacts, shown: Secret) -> None:
    """Somebody, whoever it is, found this text where it does not belong (AK-09).

    When it is a live key its tenant is told at once; it is revoked only if its maker said so. Nobody is told whether
    it is one.
    """
    if not model.is_key(shown.reveal()):
        return
    async with system.tx() as look:
        found = await store.shown(look, model.digest(shown.reveal()))
    if found is None or found.key.status(system.now) is not KeyStatus.ACTIVE:
        return
    finder = Principal("finder", "anybody", "isthmus", found.tenant_id)
    scope = Scope(found.tenant_id, finder, system.engine, system.clock, *facts)
    async with scope.tx() as tx:
        if not await store.update_found(tx, found.key.id, scope.now):
            return
        tx.emit(
            ApiKeyFound(subject=found.key.id, after=_told(found.key), body={"revoked": found.key.revoke_when_found})
        )
        if found.key.revoke_when_found and await store.update_revoked(tx, found.key.id, scope.now):
            tx.emit(ApiKeyRevoked(subject=found.key.id, before=_told(found.key)))


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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Draft:
    """What a new key is to be."""

    name: str
    mode: Mode
    permissions: tuple[str, ...]
    expires_at: datetime | None
    origins: tuple[str, ...]
    per_minute: int | None
    revoke_when_found: bool

    @classmethod
    def after(cls, old: ApiKey, now: datetime) -> "_Draft":
        """What a key's successor is."""
        return cls(
            name=old.name,
            mode=old.mode,
            permissions=old.permissions,
            expires_at=model.successor_expiry(old, now),
            origins=old.origins,
            per_minute=old.per_minute,
            revoke_when_found=old.revoke_when_found,
        )


def _made(scope: Scope, draft: _Draft) -> Made:
    shown = model.form(draft.mode, ids.base62(model.RANDOM_LETTERS))
    made = ApiKey(
        id=scope.id("key"),
        name=draft.name,
        mode=draft.mode,
        prefix=model.prefix(shown),
        last4=model.last4(shown),
        permissions=draft.permissions,
        created_by=scope.principal.id,
        created_at=scope.now,
        expires_at=draft.expires_at,
        origins=draft.origins,
        per_minute=draft.per_minute,
        revoke_when_found=draft.revoke_when_found,
    )
    return Made(made, shown)


async def _roles_now(scope: Scope, tx: Tx) -> frozenset[str]:
    """The caller's roles as this transaction finds them (MA-05).

    A request is let in by what was known some seconds ago, and a key that is made in that time would outlive whatever
    took the roles away. A change of a member's roles waits for this transaction, and shrinks the new key too. Raises
    PermissionDenied for a member who is no admin any more.
    """
    who = scope.principal
    if who.issuer != sessions.ISSUER:
        limit = await issuers_store.account_of(tx, who.issuer, who.subject)
        return frozenset(who.roles) if limit is None else left_of(who.roles, limit.roles)
    found = await accounts_store.user(tx, who.subject, held=True)
    if found is None:
        return frozenset(who.roles)
    if found.status is not UserStatus.ACTIVE or TENANT_ADMIN not in found.roles:
        raise PermissionDenied(details={"permission": model.MANAGE})
    return frozenset(found.roles)


def _check_reach(scope: Scope, permissions: Iterable[str], roles: Collection[str]) -> None:
    held = model.reach(permissions, roles, scope.part(Rights).known)
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
        **({"origins": list(one.origins), "perMinute": one.per_minute} if one.origins else {}),
    }
