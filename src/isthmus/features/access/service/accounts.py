"""Built-in accounts: invited, signed in, changed, removed (security.md SE-01 to SE-05, AK-04)."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime

from isthmus.features.access.errors import (
    DeploymentTenant,
    EmailTaken,
    InvitationUnknown,
    MemberNotFound,
    NotYourself,
    SignInFailed,
    SignInTooSoon,
)
from isthmus.features.access.events import (
    MemberInvited,
    MemberJoined,
    MemberRemoved,
    MemberRolesChanged,
    PasswordChanged,
    SignedIn,
    SignedOut,
)
from isthmus.features.access.model import accounts as model
from isthmus.features.access.model.accounts import User, UserStatus
from isthmus.features.access.service.hashing import NOBODY, Hasher, is_old
from isthmus.features.access.settings import Settings
from isthmus.features.access.store import accounts as store
from isthmus.features.access.store import keys as keys_store
from isthmus.features.access.store import tenants as tenants_store
from isthmus.http import RequestFacts
from isthmus.http.addresses import limit_key
from isthmus.kit import ids
from isthmus.kit.paging import Ask, Page
from isthmus.kit.permissions import PLATFORM_TENANT, Principal
from isthmus.kit.secret import Secret
from isthmus.scope import Scope, System, Tx

ISSUER = "isthmus"


@dataclass(frozen=True, slots=True)
class Shown:
    """Somebody, and a token that is shown this once."""

    user: User
    shown: Secret
    until: datetime


@dataclass(frozen=True, slots=True)
class SignIn:
    """What somebody says to get in; the tenant by its id or its slug."""

    tenant: str
    email: str
    said: Secret


async def invite(scope: Scope, email: str, roles: Collection[str]) -> Shown:
    """Make a place for somebody; whoever brings the invitation sets its password.

    Raises Invalid, EmailTaken, DeploymentTenant: the deployment's own tenant has no built-in accounts.
    """
    if scope.tenant_id == PLATFORM_TENANT:
        raise DeploymentTenant
    made = User(
        id=scope.id("usr"),
        email=model.read_email(email),
        roles=model.read_roles(roles),
        status=UserStatus.INVITED,
        created_at=scope.now,
    )
    shown = Secret(model.INVITATION + ids.base62(model.RANDOM_LETTERS))
    until = scope.now + scope.part(Settings).invitation_life
    async with scope.tx() as tx:
        if not await store.insert_user(tx, made, invitation=model.digest(shown), until=until):
            raise EmailTaken
        tx.emit(MemberInvited(subject=made.id, after=_told(made)))
    return Shown(made, shown, until)


async def accept(system: System, facts: RequestFacts, invitation: Secret, said: Secret) -> User:
    """Take an invitation up with a password, once. Raises InvitationUnknown, Invalid, Unavailable."""
    if not model.bears(invitation.reveal(), model.INVITATION):
        raise InvitationUnknown
    digest = model.digest(invitation)
    async with system.tx() as look:
        found = await store.invited(look, digest)
    if found is None or not found.tenant_live or found.until <= system.now:
        raise InvitationUnknown
    password = model.read_password(said, model.near(found.user.email))
    hashed = await system.engine.part(Hasher).hash(password)
    async with acting(system, facts, found.tenant_id, found.user.id).tx() as tx:
        if not await store.update_accepted(tx, digest, hashed):
            raise InvitationUnknown
        tx.emit(MemberJoined(subject=found.user.id, after=_told(found.user)))
    return replace(found.user, status=UserStatus.ACTIVE)


async def sign_in(system: System, facts: RequestFacts, asked: SignIn) -> Shown:
    """A session for whoever knows the password.

    Raises SignInFailed the same way, and after as much work, whatever was wrong; SignInTooSoon after wrong tries from
    this network; Unavailable.
    """
    async with system.tx() as look:
        tenant = await tenants_store.tenant_named(look, asked.tenant)
    email = asked.email.strip().lower()
    said = model.normal(asked.said)
    if tenant is None or tenant.status != "active" or tenant.id == PLATFORM_TENANT:
        await system.engine.part(Hasher).fits(said, NOBODY)
        raise SignInFailed
    scope = acting(system, facts, tenant.id, "nobody")
    place = model.place(email, limit_key(facts.address) if facts.address else "")
    async with scope.tx() as tx:
        found = await store.known(tx, email=email)
        tries, until = await store.failures(tx, place)
    if until is not None and until > scope.now:
        raise SignInTooSoon(retry_after=(until - scope.now).total_seconds())
    able = found is not None and found.hash is not None and found.user.status is UserStatus.ACTIVE
    right = await scope.part(Hasher).fits(said, found.hash if found and found.hash and able else NOBODY)
    if found is None or not able or not right:
        await _failed(scope, place, tries + 1)
        raise SignInFailed
    return await _signed_in(acting(system, facts, tenant.id, found.user.id), found, said, place)


async def sign_out(scope: Scope, only: Secret | None = None) -> None:
    """End every session of the caller, or `only` the one behind this token."""
    who = scope.principal.subject
    async with scope.tx() as tx:
        ended = (
            await store.delete_sessions(tx, who)
            if only is None
            else await store.delete_session(tx, who, model.digest(only))
        )
        if ended:
            tx.emit(SignedOut(subject=who, body={"everywhere": only is None}))


async def change_password(scope: Scope, current: Secret, wanted: Secret) -> None:
    """Another password for the caller; every session ends.

    Raises SignInFailed, Invalid, MemberNotFound, Unavailable.
    """
    async with scope.tx() as tx:
        found = await store.known(tx, user_id=scope.principal.subject)
    if found is None or found.hash is None:
        raise MemberNotFound
    hasher = scope.part(Hasher)
    if not await hasher.fits(model.normal(current), found.hash):
        raise SignInFailed
    hashed = await hasher.hash(model.read_password(wanted, model.near(found.user.email)))
    async with scope.tx() as tx:
        await store.update_hash(tx, found.user.id, hashed)
        await store.delete_sessions(tx, found.user.id)
        tx.emit(PasswordChanged(subject=found.user.id))


async def members(scope: Scope, ask: Ask) -> Page[User]:
    """The tenant's people, the oldest first."""
    async with scope.tx() as tx:
        found = await store.users(tx, after=ask.after or "", offset=ask.offset, limit=ask.limit + 1)
    kept, more = found[: ask.limit], len(found) > ask.limit
    return Page(kept, next_after=kept[-1].id if more else None, has_more=more)


async def change_roles(scope: Scope, user_id: str, roles: Collection[str]) -> User:
    """Give somebody these roles: sessions and API keys follow within five seconds.

    Raises MemberNotFound, NotYourself, Invalid.
    """
    wanted = model.read_roles(roles)
    async with scope.tx() as tx:
        found = await _other(scope, tx, user_id)
        await store.update_roles(tx, user_id, wanted)
        await keys_store.update_roles(tx, _principal(scope.tenant_id, user_id).id, wanted)
        tx.emit(MemberRolesChanged(subject=user_id, before=_told(found), after=_told(replace(found, roles=wanted))))
    return replace(found, roles=wanted)


async def remove_member(scope: Scope, user_id: str) -> None:
    """Somebody leaves: sessions end, and what API keys of theirs could do ends with them.

    Raises MemberNotFound, NotYourself.
    """
    async with scope.tx() as tx:
        found = await _other(scope, tx, user_id)
        await store.update_removed(tx, user_id)
        await store.delete_sessions(tx, user_id)
        await keys_store.update_roles(tx, _principal(scope.tenant_id, user_id).id, ())
        tx.emit(MemberRemoved(subject=user_id, before=_told(found)))


async def sweep(system: System) -> None:
    """Forget sessions that are over."""
    async with system.tx() as tx:
        await store.sweep(tx, system.now, system.engine.part(Settings).session_idle)


async def _other(scope: Scope, tx: Tx, user_id: str) -> User:
    found = await store.user(tx, user_id)
    if found is None or found.status is UserStatus.REMOVED:
        raise MemberNotFound
    if user_id == scope.principal.subject:
        raise NotYourself
    return found


async def _failed(scope: Scope, place: str, tries: int) -> None:
    async with scope.tx() as tx:
        await store.upsert_failure(tx, place, scope.now + model.delay(tries))


async def _signed_in(scope: Scope, found: store.Known, said: Secret, place: str) -> Shown:
    shown = Secret(model.SESSION + ids.base62(model.RANDOM_LETTERS))
    until = scope.now + scope.part(Settings).session_life
    fresh = await scope.part(Hasher).hash(said) if found.hash and is_old(found.hash) else None
    async with scope.tx() as tx:
        await store.delete_failures(tx, place)
        if fresh is not None:
            await store.update_hash(tx, found.user.id, fresh)
        await store.insert_session(
            tx, scope.id("ses"), user_id=found.user.id, digest=model.digest(shown), now=scope.now, ends=until
        )
        tx.emit(SignedIn(subject=found.user.id))
    return Shown(found.user, shown, until)


def _principal(tenant_id: str, user_id: str) -> Principal:
    return Principal("user", user_id, ISSUER, tenant_id)


def acting(system: System, facts: RequestFacts, tenant_id: str, user_id: str) -> Scope:
    """The scope of somebody who is not signed in, but known by what they brought."""
    who = _principal(tenant_id, user_id)
    return Scope(tenant_id, who, system.engine, system.clock, facts.request_id, facts.address)


def _told(user: User) -> dict[str, object]:
    return {"email": user.email, "roles": list(user.roles)}
