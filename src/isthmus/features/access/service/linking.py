"""A member's own logins at issuers: added in a session of theirs, shown, taken away (security.md OA-03, OA-19)."""

from dataclasses import dataclass

from isthmus.features.access.errors import (
    IdentityNotFound,
    LastWayIn,
    LoginTaken,
    MemberNotFound,
    NoSession,
)
from isthmus.features.access.events import LoginLinked, LoginUnlinked
from isthmus.features.access.model import logins as model
from isthmus.features.access.model.accounts import UserStatus
from isthmus.features.access.model.logins import Identity
from isthmus.features.access.service import sessions
from isthmus.features.access.service.accounts import acting, other
from isthmus.features.access.service.login_issuers import every_login
from isthmus.features.access.settings import GivenLogin, Settings
from isthmus.features.access.store import accounts as accounts_store
from isthmus.features.access.store import logins as store
from isthmus.features.access.store import sessions as sessions_store
from isthmus.features.access.store import tenants as tenants_store
from isthmus.http import IdToken, RequestFacts
from isthmus.scope import Scope, System


@dataclass(frozen=True, slots=True)
class Ways:
    """How somebody comes in: with a password, and by which logins, each with its issuer where that is offered."""

    has_password: bool
    logins: tuple[tuple[Identity, GivenLogin | None], ...]


async def link(system: System, facts: RequestFacts, kept: store.Attempt, vouched: IdToken) -> None:
    """Add a login to whom the attempt belongs to, while the session goes on that it was begun in.

    Raises NoSession, LoginTaken.
    """
    async with system.tx() as look:
        tenant = await tenants_store.tenant_named(look, kept.tenant)
    if kept.member is None or kept.session is None or tenant is None or tenant.status != "active":
        raise NoSession
    scope, who = acting(system, facts, tenant.id, kept.member), (vouched.issuer, vouched.subject)
    idle = scope.part(Settings).session_idle
    async with scope.tx() as tx:
        found = await accounts_store.held(tx, kept.member)
        mine = (sessions.ISSUER, kept.member)
        if found is None or found.user.status is not UserStatus.ACTIVE:
            raise NoSession
        if not await sessions_store.is_alive(tx, mine, kept.session, scope.now, idle):
            raise NoSession
        if await store.insert_identity(tx, who, kept.member, scope.now):
            tx.emit(LoginLinked(subject=kept.member, body=told(vouched)))
        elif await store.user_of(tx, who) != kept.member:
            raise LoginTaken


async def ways_in(system: System, scope: Scope) -> Ways:
    """How the caller comes in; who has no account here comes in by none of these."""
    found = await _ways_of(system, scope, scope.principal.subject) if _is_member(scope) else None
    return found or Ways(has_password=False, logins=())


async def ways_of(system: System, scope: Scope, user_id: str) -> Ways:
    """How a member of the tenant comes in. Raises MemberNotFound."""
    found = await _ways_of(system, scope, user_id)
    if found is None:
        raise MemberNotFound
    return found


async def _ways_of(system: System, scope: Scope, user_id: str) -> Ways | None:
    offered = {one.issuer: one for one in await every_login(system)}
    async with scope.tx() as tx:
        found = await accounts_store.known(tx, user_id=user_id)
        if found is None or found.user.status is UserStatus.REMOVED:
            return None
        every = await store.identities(tx, user_id)
    return Ways(found.hash is not None, tuple((one, offered.get(one.issuer)) for one in every))


async def unlink(system: System, scope: Scope, identity_id: str) -> None:
    """One of the caller's logins opens nothing any more; their other sessions end.

    Raises MemberNotFound, IdentityNotFound, LastWayIn.
    """
    issuers = {one.issuer for one in await every_login(system)}
    async with scope.tx() as tx:
        found = await accounts_store.held(tx, scope.principal.subject) if _is_member(scope) else None
        if found is None:
            raise MemberNotFound
        user_id = found.user.id
        mine = await store.identities(tx, user_id)
        gone = next((one for one in mine if one.id == identity_id), None)
        if gone is None:
            raise IdentityNotFound
        if not model.can_go(gone, mine, issuers, has_password=found.hash is not None):
            raise LastWayIn
        await store.delete_identity(tx, user_id, (gone.issuer, gone.subject))
        await sessions_store.delete_other_sessions(tx, sessions.ISSUER, user_id, scope.principal.session)
        tx.emit(LoginUnlinked(subject=user_id, body={"issuer": gone.issuer, "subject": gone.subject}))


async def unlink_of(scope: Scope, user_id: str, identity_id: str) -> None:
    """A member's login opens nothing any more, and every session of theirs ends, as nobody knows which it began.

    The last one goes too: an admin takes away what is in wrong hands, and lets its member in by a password reset.
    Raises MemberNotFound, NotYourself, IdentityNotFound.
    """
    async with scope.tx() as tx:
        await other(scope, tx, user_id)
        every = await store.identities(tx, user_id)
        gone = next((one for one in every if one.id == identity_id), None)
        if gone is None or not await store.delete_identity(tx, user_id, (gone.issuer, gone.subject)):
            raise IdentityNotFound
        await sessions_store.delete_sessions(tx, sessions.ISSUER, user_id)
        tx.emit(LoginUnlinked(subject=user_id, body={"issuer": gone.issuer, "subject": gone.subject}))


def told(vouched: IdToken) -> dict[str, object]:
    """What the log says of a login."""
    return {"issuer": vouched.issuer, "subject": vouched.subject}


def _is_member(scope: Scope) -> bool:
    """Whether the caller may be a person with an account here."""
    return scope.principal.kind == "user" and scope.principal.issuer == sessions.ISSUER
