"""Sessions: begun, shown, renewed by a fresh proof, ended (security.md SE-05, SE-06, SE-09, JT-10)."""

import hmac
from dataclasses import dataclass
from datetime import datetime

from isthmus.features.access.errors import NoPerson, NoSession, ProofElsewhere, SessionEnded, SignInFailed
from isthmus.features.access.events import SessionBegun, SessionProved, SignedOut
from isthmus.features.access.model import accounts as model
from isthmus.features.access.model.sessions import Kind, Session
from isthmus.features.access.service import proving
from isthmus.features.access.settings import Settings
from isthmus.features.access.store import accounts as accounts_store
from isthmus.features.access.store import sessions as store
from isthmus.http import Credentials, Verified
from isthmus.kit import ids
from isthmus.kit.errors import Invalid, Unauthenticated
from isthmus.kit.permissions import Principal
from isthmus.kit.secret import Secret
from isthmus.scope import Scope, System, Tx

ISSUER = "isthmus"
_NOTED_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Begun:
    """A session's token, which is shown this once, and its end."""

    shown: Secret
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What somebody says once more to show that it is them: the password, or a code of the second factor."""

    said: Secret | None = None
    code: Secret | None = None


class SessionAuthenticator:
    """Tells who shows the token of a session; removal, change of roles and sign-out count at once where it is asked."""

    def __init__(self, system: System, settings: Settings) -> None:
        self._system = system
        self._settings = settings

    async def verify(self, credentials: Credentials) -> Verified | None:
        """The session's principal; None for what has not the form of one. Raises Unauthenticated, Unavailable."""
        if credentials.kind == "key" or not model.bears(credentials.text, model.SESSION):
            return None
        kind = Kind.COOKIE if credentials.kind == "cookie" else Kind.TOKEN
        digest, now = model.digest(Secret(credentials.text)), self._system.now
        idle = self._settings.session_idle
        async with self._system.tx() as tx:
            found = await store.session(tx, digest)
            if found is None or not hmac.compare_digest(found.digest, digest) or found.kind is not kind:
                raise Unauthenticated
            if not found.is_live(now, idle):
                raise Unauthenticated
            if (now - found.seen_at).total_seconds() >= _NOTED_SECONDS:
                await store.update_seen(tx, found.tenant_id, found.id, now)
        return Verified(found.principal, min(found.ends_at, now + idle).timestamp())


@dataclass(frozen=True, slots=True)
class Proven:
    """When somebody last proved who they are, and whether with a second factor."""

    at: datetime
    strong: bool = False


async def begin(  # house: silent - whoever calls tells why it began
    scope: Scope, tx: Tx, kind: Kind, *, user_id: str | None, proven: Proven, until: datetime | None = None
) -> Begun:
    """A session for the scope's principal; `until` where it ends before the longest life of one."""
    shown = fresh_token()
    who, longest = scope.principal, scope.now + scope.part(Settings).session_life
    ends = longest if until is None else min(until, longest)
    made = Session(
        tenant_id=scope.tenant_id,
        tenant_live=True,
        id=scope.id("ses"),
        digest=model.digest(shown),
        kind=kind,
        issuer=who.issuer,
        subject=who.subject,
        roles=tuple(sorted(who.roles)),
        let_in=True,
        seen_at=scope.now,
        ends_at=ends,
        proved_at=proven.at,
        strong=proven.strong,
    )
    await store.insert_session(tx, made, user_id=user_id)
    return Begun(shown, ends)


async def begin_with_token(scope: Scope, before: Secret | None = None) -> Begun:
    """A browser's session for somebody who shows a token of an issuer, with the roles that the token gives.

    before: the session that the browser has now; it ends. What the token says of when its person proved who they are
    (`auth_time`) counts as the proof. Raises NoPerson for keys and for sessions.
    """
    if scope.principal.kind != "user" or scope.principal.session:
        raise NoPerson
    until = scope.now + scope.part(Settings).session_of_token_life
    proven = Proven(datetime.fromtimestamp(scope.principal.proved_at, scope.now.tzinfo))
    async with scope.tx() as tx:
        if before is not None:
            await store.delete_shown(tx, model.digest(before))
        begun = await begin(scope, tx, Kind.COOKIE, user_id=None, proven=proven, until=until)
        tx.emit(SessionBegun(subject=scope.principal.id))
    return begun


async def prove(scope: Scope, shown: Secret, proof: Proof) -> Secret:
    """A fresh proof: the session goes on under another token, and the one that was shown is void.

    Raises NoSession, Invalid without either, ProofElsewhere for people of another issuer, SignInFailed, SignInTooSoon,
    SessionEnded, Unavailable.
    """
    who = scope.principal
    if not who.session:
        raise NoSession
    if proof.said is None and proof.code is None:
        raise Invalid.field("password", "Say your password, or a code of your second factor.")
    async with scope.tx() as tx:
        found = await accounts_store.known(tx, user_id=who.subject)
        tries = await proving.tries_inside(scope, tx, found)
    if found is None:
        raise ProofElsewhere
    tries.check(scope.now)
    strong = proof.code is not None and await proving.check_factor(scope, tries, who.subject, proof.code)
    if not strong and not await proving.fits(scope, proof.said or Secret(""), found):
        await proving.count_failure(scope, tries)
        raise SignInFailed("This is not the password of your account.")
    return await renew(scope, shown, strong=strong)


async def renew(scope: Scope, shown: Secret, *, strong: bool) -> Secret:
    """The caller's session under another token. Raises SessionEnded, as a session is believed for a moment longer."""
    async with scope.tx() as tx:
        fresh = await renewed(scope, tx, shown, strong=strong)
        if fresh is None:
            raise SessionEnded
        tx.emit(SessionProved(subject=scope.principal.subject, body={"secondFactor": strong}))
    return fresh


async def renewed(  # house: silent - whoever calls tells why
    scope: Scope, tx: Tx, shown: Secret, *, strong: bool
) -> Secret | None:
    """Another token for the caller's session, which was proved just now; None where it has ended."""
    who, fresh = scope.principal, fresh_token()
    digests = model.digest(shown), model.digest(fresh)
    going = await store.update_renewed(tx, (who.issuer, who.subject), digests, now=scope.now, strong=strong)
    return fresh if going else None


async def sign_out(scope: Scope, only: Secret | None = None) -> None:
    """End every session of the caller, or `only` the one behind this token."""
    who = scope.principal
    async with scope.tx() as tx:
        ended = (
            await store.delete_sessions(tx, who.issuer, who.subject)
            if only is None
            else await store.delete_session(tx, who.issuer, who.subject, model.digest(only))
        )
        if ended:
            tx.emit(SignedOut(subject=who.subject, body={"everywhere": only is None}))


def fresh_token() -> Secret:
    """A session's token: 256 random bits, kept as a digest only."""
    return Secret(model.SESSION + ids.base62(model.RANDOM_LETTERS))


def member(tenant_id: str, user_id: str) -> Principal:
    """A built-in account as a principal."""
    return Principal("user", user_id, ISSUER, tenant_id)
