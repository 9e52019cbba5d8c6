"""Logins at other issuers: begun in a browser, finished in the same one, ended as a session (security.md OA-19).

Somebody is the issuer and its `sub`, in one tenant; no address of an e-mail links anything. Who has no account yet
brings an invitation.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from isthmus.engine import db
from isthmus.features.access.errors import (
    InvitationUnknown,
    LoginRefused,
    LoginTaken,
    NoSession,
    SignInFailed,
    TooManyLinks,
)
from isthmus.features.access.events import LoginLinked, MemberJoined, SignedIn
from isthmus.features.access.model import accounts as model
from isthmus.features.access.model import logins
from isthmus.features.access.model.accounts import UserStatus
from isthmus.features.access.model.logins import Attempt
from isthmus.features.access.model.sessions import Kind
from isthmus.features.access.service import linking, sessions
from isthmus.features.access.service.accounts import acting
from isthmus.features.access.service.issuing import Logins
from isthmus.features.access.service.login_issuers import find_login
from isthmus.features.access.service.sessions import Proven
from isthmus.features.access.settings import Settings
from isthmus.features.access.store import accounts as accounts_store
from isthmus.features.access.store import logins as store
from isthmus.features.access.store import tenants as tenants_store
from isthmus.http import IdToken, RequestFacts
from isthmus.kit import ids
from isthmus.kit.secret import Secret
from isthmus.scope import Scope, System

_BITS = 256
#: What an issuer says of a login in which more than one factor was shown (RFC 8176).
_STRONG = "mfa"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is wanted of a login: the tenant by id or slug, or an invitation; `fresh` asks for a new proof."""

    tenant: str = ""
    invitation: Secret | None = None
    return_to: str = "/"
    fresh: bool = False


@dataclass(frozen=True, slots=True)
class Started:
    """Where the browser goes, and what it keeps meanwhile."""

    address: Secret
    attempt: Attempt
    seconds: int


@dataclass(frozen=True, slots=True)
class Ended:
    """A session in this browser, none where it has one already, and where it goes now."""

    shown: Secret | None
    until: datetime | None
    return_to: str


async def start_login(  # house: silent - nobody is known yet
    system: System, name: str, asked: Asked
) -> Started:
    """Begin a login in this browser. Raises LoginNotFound, Invalid, Unavailable."""
    invited = None if asked.invitation is None else model.digest(asked.invitation)
    kept = store.Attempt(asked.tenant, invited, logins.read_path(asked.return_to))
    return await _begun(system, name, kept, fresh=asked.fresh)


async def start_link(  # house: silent - nothing is linked yet
    system: System, scope: Scope, name: str, return_to: str
) -> Started:
    """Begin a login in this browser that becomes one of the caller's own. Raises NoSession, LoginNotFound, Invalid,
    TooManyLinks, Unavailable.
    """
    check_session(scope)
    who = scope.principal
    path = logins.read_path(return_to)
    kept = store.Attempt(scope.tenant_id, None, path, member=who.subject, session=who.session)
    return await _begun(system, name, kept, fresh=False)


def check_session(scope: Scope) -> None:
    """Whether the caller is a member in a session. Raises NoSession."""
    if not scope.principal.session or scope.principal.issuer != sessions.ISSUER:
        raise NoSession


async def _begun(system: System, name: str, kept: store.Attempt, *, fresh: bool) -> Started:
    asking, life = system.engine.part(Logins), system.engine.part(Settings).login_life
    given = await find_login(system, name)
    endpoints = await asking.endpoints(given, system.clock)
    attempt = Attempt(Secret(ids.token(_BITS)), Secret(ids.token(_BITS)))
    async with system.tx() as tx:
        if kept.member is not None and await _is_full(tx, kept.tenant, kept.member, system.now):
            raise TooManyLinks(retry_after=60.0)
        await store.insert_attempt(tx, kept, attempt.digests, name, system.now + life)
    address = attempt.address(endpoints, given.client_id, asking.redirect(name), fresh=fresh)
    return Started(address, attempt, int(life.total_seconds()))


async def _is_full(tx: db.Tx, tenant: str, member: str, now: datetime) -> bool:
    """Whether a member has as many logins on their way as there may be (OA-20)."""
    return await store.count_links(tx, tenant, member, now) >= logins.MAX_LINKS


async def finish_login(
    system: System, facts: RequestFacts, name: str, query: Sequence[tuple[str, str]], cookies: dict[str, str]
) -> Ended:
    """A session for whom the issuer vouches, in the browser that began; what it began with is used up.

    Raises LoginNotFound, LoginRefused, LoginTaken, InvitationUnknown, SignInFailed for somebody without an account,
    NoSession where a login was to be added in a session that has ended, Unavailable.
    """
    given, answer = await find_login(system, name), logins.read_answer(query)
    if answer is None:
        raise LoginRefused("elsewhere")
    bare = Attempt(Secret(answer.state), Secret(""))
    attempt = Attempt(bare.state, Secret(cookies.get(bare.cookie, "")))
    async with system.tx() as tx:
        kept = await store.take_attempt(tx, attempt.digests, name, system.now)
    if kept is None:
        raise LoginRefused("elsewhere")
    vouched = await system.engine.part(Logins).vouched(given, attempt, answer, system.clock)
    if kept.member is not None:
        await linking.link(system, facts, kept, vouched)
        return Ended(None, None, kept.return_to)
    scope = await _joined(system, facts, kept.invitation, vouched) if kept.invitation is not None else None
    if scope is None:
        scope = await _known(system, facts, kept.tenant, vouched)
    return await _entered(scope, vouched, kept.return_to)


async def _joined(system: System, facts: RequestFacts, invitation: bytes, vouched: IdToken) -> Scope:
    """Take an invitation up with a login in place of a password, once."""
    async with system.tx() as look:
        found = await accounts_store.invited(look, invitation)
    if found is None or not found.tenant_live or found.until <= system.now:
        raise InvitationUnknown
    scope = acting(system, facts, found.tenant_id, found.user.id)
    async with scope.tx() as tx:
        if not await accounts_store.update_joined(tx, invitation):
            raise InvitationUnknown
        who = (vouched.issuer, vouched.subject)
        if not await store.insert_identity(tx, who, found.user.id, scope.now):
            raise LoginTaken
        told = {"email": found.user.email, "roles": list(found.user.roles)}
        tx.emit(
            MemberJoined(subject=found.user.id, after=told),
            LoginLinked(subject=found.user.id, body=linking.told(vouched)),
        )
    return scope


async def _known(system: System, facts: RequestFacts, tenant: str, vouched: IdToken) -> Scope:
    """The member whose login this is. Raises SignInFailed the same way for an unknown tenant and an unknown person."""
    async with system.tx() as look:
        found = await tenants_store.tenant_named(look, tenant)
    if found is None or found.status != "active":
        raise SignInFailed
    async with acting(system, facts, found.id, "nobody").tx() as tx:
        user_id = await store.user_of(tx, (vouched.issuer, vouched.subject))
        user = await accounts_store.user(tx, user_id) if user_id is not None else None
    if user is None or user.status is not UserStatus.ACTIVE:
        raise SignInFailed
    return acting(system, facts, found.id, user.id)


async def _entered(scope: Scope, vouched: IdToken, return_to: str) -> Ended:
    """The session's proof is as old as the issuer says; where it says nothing, what is dangerous asks for a new one."""
    proven = Proven(min(datetime.fromtimestamp(vouched.proved_at, UTC), scope.now), _STRONG in vouched.methods)
    user_id = scope.principal.subject
    async with scope.tx() as tx:
        if await store.user_of(tx, (vouched.issuer, vouched.subject), held=True) != user_id:
            raise SignInFailed  # taken away since it was looked up: a session would outlive it
        begun = await sessions.begin(scope, tx, Kind.COOKIE, user_id=user_id, proven=proven)
        tx.emit(SignedIn(subject=user_id, body=linking.told(vouched)))
    return Ended(begun.shown, begun.until, return_to)
