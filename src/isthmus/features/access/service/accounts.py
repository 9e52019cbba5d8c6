"""Built-in accounts: invited, signed in, changed, removed (security.md SE-01 to SE-05, AK-04)."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from isthmus.features.access.errors import (
    EmailTaken,
    InvitationUnknown,
    LastAdmin,
    MemberChangedMeanwhile,
    MemberNotFound,
    NotYourself,
    SignInFailed,
)
from isthmus.features.access.events import (
    MemberInvited,
    MemberJoined,
    MemberRemoved,
    MemberRolesChanged,
    PasswordChanged,
    SignedIn,
)
from isthmus.features.access.model import accounts as model
from isthmus.features.access.model.accounts import User, UserStatus
from isthmus.features.access.model.keys import MEMBERS
from isthmus.features.access.model.sessions import Kind
from isthmus.features.access.service import proving, sessions
from isthmus.features.access.service.hashing import Hasher, is_old
from isthmus.features.access.settings import Settings
from isthmus.features.access.store import accounts as store
from isthmus.features.access.store import issuers as issuers_store
from isthmus.features.access.store import keys as keys_store
from isthmus.features.access.store import logins as logins_store
from isthmus.features.access.store import resets as resets_store
from isthmus.features.access.store import sessions as sessions_store
from isthmus.features.access.store import tenants as tenants_store
from isthmus.http import RequestFacts
from isthmus.http.errors import PermissionDenied
from isthmus.kit import ids
from isthmus.kit.paging import Ask, Page
from isthmus.kit.permissions import PLATFORM_TENANT, SUPER_ADMIN, TENANT_ADMIN
from isthmus.kit.secret import Secret
from isthmus.scope import Scope, System, Tx

#: How long wrong tries are kept behind the end of their wait: guessers are strangers for a quiet day (SE-04).
_QUIET = timedelta(days=1)
#: Who handles members.
_ADMINS = frozenset({TENANT_ADMIN, SUPER_ADMIN})


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
    code: Secret | None = None


async def invite(scope: Scope, email: str, roles: Collection[str]) -> Shown:
    """Make a place for somebody; whoever brings the invitation sets its password.

    Raises Invalid, EmailTaken. In the deployment's own tenant there are super admins only (SA-02).
    """
    made = User(
        id=scope.id("usr"),
        email=model.read_email(email),
        roles=_roles(scope, roles),
        status=UserStatus.INVITED,
        created_at=scope.now,
    )
    shown = Secret(model.INVITATION + ids.base62(model.RANDOM_LETTERS))
    until = scope.now + scope.part(Settings).invitation_life
    async with scope.tx() as tx:
        await check_still(scope, tx)
        by = scope.principal.id
        if not await store.insert_user(tx, made, invitation=model.digest(shown), until=until, maker=by):
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


async def sign_in(
    system: System, facts: RequestFacts, asked: SignIn, kind: Kind = Kind.TOKEN, before: Secret | None = None
) -> Shown:
    """A session for whoever knows the password, and the second factor's code where there is one.

    before: the session that a browser has now; it ends. Raises SignInFailed the same way, and after as much work,
    whatever was wrong; SignInTooSoon after wrong tries from this network; SecondFactorRequired; Unavailable.
    """
    async with system.tx() as look:
        tenant = await tenants_store.tenant_named(look, asked.tenant)
    email = asked.email.strip().lower()
    if tenant is None or tenant.status != "active":
        # guesses at a place that is none are counted too, under what is nobody's address: else their waits would tell
        scope, email = acting(system, facts, PLATFORM_TENANT, "nobody"), f"{asked.tenant}\n{email}"
    else:
        scope = acting(system, facts, tenant.id, "nobody")
    async with scope.tx() as tx:
        found = await store.known(tx, email=email)
        tries = await proving.tries_of(scope, tx, email)
    tries.check(scope.now)
    able = found if found is not None and found.user.status is UserStatus.ACTIVE else None
    if not await proving.fits(scope, asked.said, able) or able is None:
        await proving.count_failure(scope, tries)
        raise SignInFailed
    own = acting(system, facts, scope.tenant_id, able.user.id)
    strong = await proving.check_factor(own, tries, able.user.id, asked.code)
    return await _signed_in(own, able, asked.said, _Entry(kind, before, strong=strong))


async def change_password(scope: Scope, current: Secret, wanted: Secret, shown: Secret | None = None) -> Secret | None:
    """Another password for the caller. Wrong tries count as those of a sign-in (SE-04).

    shown: the session in which the caller does so; it goes on under the token that is answered, and every other one
    ends. None where there is no such session any more.
    Raises SignInFailed, SignInTooSoon, Invalid, MemberNotFound, Unavailable.
    """
    async with scope.tx() as tx:
        found = await store.known(tx, user_id=scope.principal.subject)
        tries = await proving.tries_inside(scope, tx, found)
    if found is None or found.hash is None:
        raise MemberNotFound
    tries.check(scope.now)
    if not await proving.fits(scope, current, found):
        await proving.count_failure(scope, tries)
        raise SignInFailed("This is not your password as it is now.")
    hashed = await scope.part(Hasher).hash(model.read_password(wanted, model.near(found.user.email)))
    async with scope.tx() as tx:
        held = await store.held(tx, found.user.id)
        if held is None or held.hash != found.hash:
            raise SignInFailed  # removed, or given another password, since it was compared
        await store.update_hash(tx, found.user.id, hashed)
        fresh = None if shown is None else await sessions.renewed(scope, tx, shown, strong=False)
        await sessions_store.delete_other_sessions(
            tx, sessions.ISSUER, found.user.id, scope.principal.session if fresh is not None else ""
        )
        tx.emit(PasswordChanged(subject=found.user.id))
    return fresh


async def members(scope: Scope, ask: Ask) -> Page[User]:
    """The tenant's people, the oldest first."""
    async with scope.tx() as tx:
        found = await store.users(tx, after=ask.after or "", offset=ask.offset, limit=ask.limit + 1)
    kept, more = found[: ask.limit], len(found) > ask.limit
    return Page(kept, next_after=kept[-1].id if more else None, has_more=more)


async def known_members(scope: Scope, user_ids: Collection[str]) -> set[str]:
    """Those of these ids whose people belong to the scope's tenant."""
    async with scope.tx() as tx:
        return await store.known_ids(tx, user_ids)


async def other_super_admins(scope: Scope) -> list[str]:
    """Accounts of super admins beside the caller's own: who could be the second person of something (SA-03)."""
    async with scope.platform().tx() as tx:  # house: platform - the deployment's own people
        return await store.other_super_admins(tx, scope.principal.subject)


async def is_super_admin(tx: Tx, principal_id: str) -> bool:
    """Whether a principal of the deployment is a super admin still, and stays one until this transaction ends.

    Somebody of another issuer says what they are whenever they come, so that only a limit speaks against them.
    """
    head = sessions.member(PLATFORM_TENANT, "").id
    found = await store.user(tx, principal_id.removeprefix(head), held=True) if principal_id.startswith(head) else None
    if found is None:
        return not await issuers_store.is_limited(tx, principal_id)
    return found.status is UserStatus.ACTIVE and SUPER_ADMIN in found.roles


async def change_roles(scope: Scope, user_id: str, roles: Collection[str]) -> User:
    """Give somebody these roles: tokens of sessions and API keys follow within five seconds, browsers sign in anew.

    Raises MemberNotFound, NotYourself, Invalid, MemberChangedMeanwhile.
    """
    async with scope.tx() as tx:
        found = await other(scope, tx, user_id)
        wanted = _roles(scope, roles)
        if wanted != found.roles:
            scope.check_seen(found.etag, MemberChangedMeanwhile)
        await store.update_roles(tx, user_id, wanted)
        await sessions_store.delete_sessions(tx, sessions.ISSUER, user_id, kind=Kind.COOKIE)
        await keys_store.update_roles(tx, sessions.member(scope.tenant_id, user_id).id, wanted)
        if not _ADMINS & set(wanted):
            await withdraw(tx, sessions.member(scope.tenant_id, user_id).id)
        tx.emit(MemberRolesChanged(subject=user_id, before=_told(found), after=_told(replace(found, roles=wanted))))
    return replace(found, roles=wanted)


async def remove_member(scope: Scope, user_id: str) -> None:
    """Somebody leaves: sessions end, and with them what API keys, invitations and resets of theirs could do.

    Raises MemberNotFound, NotYourself, LastAdmin.
    """
    async with scope.tx() as tx:
        last = scope.tenant_id == PLATFORM_TENANT and not await store.others_active(tx, user_id)
        found = await other(scope, tx, user_id)
        if last:
            raise LastAdmin
        await store.update_removed(tx, user_id)
        await sessions_store.delete_sessions(tx, sessions.ISSUER, user_id)
        await logins_store.delete_identities(tx, user_id)
        await keys_store.update_roles(tx, sessions.member(scope.tenant_id, user_id).id, ())
        await withdraw(tx, sessions.member(scope.tenant_id, user_id).id)
        tx.emit(MemberRemoved(subject=user_id, before=_told(found)))


async def withdraw(tx: Tx, maker: str) -> None:
    """Somebody handles no members any more: nobody comes in by what they handed out, whoever has it in hand now."""
    await resets_store.withdraw(tx, maker)
    for user_id, email in await store.withdraw(tx, maker):
        tx.emit(MemberRemoved(subject=user_id, before={"email": email}, body={"invitedBy": maker}))


async def sweep(system: System) -> None:
    """Forget sessions that are over, wrong tries of yesterday, and logins that nobody came back from."""
    now = system.now
    await system.forget(logins_store.sweep, now)
    await system.forget(store.sweep_ended, now)
    await system.forget(store.sweep_idle, now - system.engine.part(Settings).session_idle)
    await system.forget(store.sweep_resets, now)
    await system.forget(store.sweep_failures, now - _QUIET)


def _roles(scope: Scope, roles: Collection[str]) -> tuple[str, ...]:
    return model.read_roles(roles, of_deployment=scope.tenant_id == PLATFORM_TENANT)


async def check_still(scope: Scope, tx: Tx) -> None:
    """Raise PermissionDenied for an admin who is none any more since the request came in (MA-05)."""
    if scope.principal.session:
        _check_admin(await store.user(tx, scope.principal.subject, held=True))


def _check_admin(found: User | None) -> None:
    """Somebody of another issuer, who is none of ours, says what they are."""
    if found is not None and (found.status is not UserStatus.ACTIVE or not _ADMINS & set(found.roles)):
        raise PermissionDenied("You are no admin any more.", details={"permission": MEMBERS})


async def other(scope: Scope, tx: Tx, user_id: str) -> User:
    """A member whom the caller is about to change. Raises MemberNotFound, NotYourself, PermissionDenied."""
    own = scope.principal.subject
    both = await store.held_users(tx, {own, user_id})
    if scope.principal.session:
        _check_admin(both.get(own))
    found = both.get(user_id)
    if found is None or found.status is UserStatus.REMOVED:
        raise MemberNotFound
    if user_id == own:
        raise NotYourself
    return found


@dataclass(frozen=True, slots=True)
class _Entry:
    """How somebody came in."""

    kind: Kind
    before: Secret | None
    strong: bool


async def _signed_in(scope: Scope, found: store.Known, said: Secret, entry: _Entry) -> Shown:
    word = model.normal(said)
    fresh = await scope.part(Hasher).hash(word) if found.hash and is_old(found.hash) else None
    async with scope.tx() as tx:
        held = await store.held(tx, found.user.id)
        if held is None or held.hash != found.hash:
            raise SignInFailed  # removed, or given another password, since it was compared: a session would outlive it
        await proving.note_entry(scope, tx, found.user.email)
        if fresh is not None:
            await store.update_hash(tx, found.user.id, fresh)
        if entry.before is not None:
            await sessions_store.delete_shown(tx, model.digest(entry.before))
        proven = sessions.Proven(scope.now, entry.strong)
        begun = await sessions.begin(scope, tx, entry.kind, user_id=found.user.id, proven=proven)
        tx.emit(SignedIn(subject=found.user.id))
    return Shown(found.user, begun.shown, begun.until)


def acting(system: System, facts: RequestFacts, tenant_id: str, user_id: str) -> Scope:
    """The scope of somebody who is not signed in, but known by what they brought."""
    who = sessions.member(tenant_id, user_id)
    return Scope(tenant_id, who, system.engine, system.clock, *facts)


def _told(user: User) -> dict[str, object]:
    return {"email": user.email, "roles": list(user.roles)}
