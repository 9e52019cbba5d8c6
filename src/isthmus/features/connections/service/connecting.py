"""Connect sessions: made by a tenant's own server, used by its own front end without a login of ours."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from isthmus.connect.manifest import Field
from isthmus.engine.db import Tx as SystemTx
from isthmus.features import catalog
from isthmus.features.catalog import Provider
from isthmus.features.connections.errors import (
    ConnectSessionInvalid,
    ConnectSessionNotFound,
    OriginRefused,
    UserScopeDenied,
)
from isthmus.features.connections.events import ConnectSessionCreated, ConnectSessionRevoked, ConnectSessionUsed
from isthmus.features.connections.model import connecting as model
from isthmus.features.connections.model import integration as limits
from isthmus.features.connections.model import returns
from isthmus.features.connections.model.connecting import ConnectSession, Stage
from isthmus.features.connections.model.integration import Integration
from isthmus.features.connections.service import finishing, integrations, personal, placing, starting
from isthmus.features.connections.service.starting import Started
from isthmus.features.connections.settings import Settings
from isthmus.features.connections.store import connecting as store
from isthmus.features.connections.store import flows
from isthmus.features.connections.store import integrations as integration_store
from isthmus.kit import ids
from isthmus.kit.errors import Invalid
from isthmus.kit.facts import RequestFacts
from isthmus.kit.languages import Language
from isthmus.kit.paging import Ask, Page
from isthmus.kit.permissions import USER, Principal
from isthmus.kit.secret import Secret
from isthmus.scope import Scope, System

_FREE = (Stage.OPEN, Stage.STARTED)
_KEPT = timedelta(days=1)
_SHORTEST = timedelta(seconds=30)
_BUILT_IN = "isthmus"
_WHY = {
    "unknown": "This connect token is not known.",
    "expired": "This connect session has run out.",
    "used": "This connect session was used already.",
    "revoked": "This connect session was revoked.",
    "trying": "This connect session is in use just now.",
    "exhausted": "This connect session was tried too often.",
}


@dataclass(frozen=True, slots=True)
class Made:
    """A new session with its token, which is shown this once."""

    session: ConnectSession
    token: Secret


@dataclass(frozen=True, slots=True)
class Offer:
    """What a front end needs to draw its form."""

    session: ConnectSession
    integration: Integration
    provider: Provider
    #: Whether nothing that an operator has to set stands in the way.
    app_ready: bool = True

    @property
    def fields(self) -> tuple[Field, ...]:
        """What has to be asked for."""
        return self.provider.credential_fields


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a session is to be for; times in seconds."""

    integration_id: str
    origin: str
    return_url: str | None = None
    user_id: str | None = None
    seconds: int | None = None
    language: Language | None = None


@dataclass(frozen=True, slots=True)
class Caller:
    """Where a call with a connect token comes from."""

    facts: RequestFacts
    origin: str


async def create(scope: Scope, wanted: Wanted) -> Made:
    """A session for one integration and one web origin, which is on the list of return origins.

    Raises IntegrationNotFound, `catalog.PlanRequired`, Invalid, UserScopeDenied where a person names another one.
    """
    found = await integrations.integration(scope, wanted.integration_id)
    await catalog.admit_further(scope, found.provider)
    who = _principal(scope, found, wanted.user_id)
    origin = await _origin(scope, wanted.origin)
    if wanted.return_url is not None and returns.origin_of_or_none(wanted.return_url) != origin:
        raise Invalid.field("returnUrl", "The return address is of the session's own origin.")
    await starting.check_return(scope, wanted.return_url)
    token = Secret(model.PREFIX + ids.token(model.TOKEN_BITS))
    made = ConnectSession(
        id=scope.id("cns"),
        tenant_id=scope.tenant_id,
        integration_id=found.id,
        origin=origin,
        return_url=wanted.return_url,
        principal=who,
        created_by=scope.principal.id,
        state=Stage.OPEN,
        tries=0,
        connection_id=None,
        created_at=scope.now,
        expires_at=scope.now + _life(scope, wanted.seconds),
        language=wanted.language,
    )
    async with scope.tx() as tx:
        await store.insert_session(tx, made, model.digest(token))
        tx.emit(ConnectSessionCreated(subject=made.id, body={"integrationId": found.id, "origin": origin}))
    return Made(made, token)


def _principal(scope: Scope, found: Integration, user_id: str | None) -> Principal:
    """In whose name is connected: a person's own where each connects alone, else whoever made the session."""
    who = scope.principal
    if not found.user_scoped:
        return who
    if limits.is_person(who):
        if user_id not in (None, who.subject):
            raise UserScopeDenied
        return who
    if user_id is None:
        raise Invalid.field("userId", "Each person connects this integration alone: say who.")
    return Principal("user", user_id, _BUILT_IN, scope.tenant_id, frozenset({USER}))


async def _origin(scope: Scope, given: str) -> str:
    origin = returns.origin_of_or_none(given)
    if origin is None or origin not in await starting.allowed_origins(scope):
        raise Invalid.field("origin", "This is not a web origin on the list of return origins.")
    return origin


def _life(scope: Scope, seconds: int | None) -> timedelta:
    longest = scope.part(Settings).connect_session_life
    wanted = longest if seconds is None else timedelta(seconds=seconds)
    if not _SHORTEST <= wanted <= longest:
        raise Invalid.field(
            "expiresIn",
            f"A connect session lives between {_SHORTEST.seconds} and {int(longest.total_seconds())} seconds.",
        )
    return wanted


async def session(scope: Scope, session_id: str) -> ConnectSession:
    """One session. Raises ConnectSessionNotFound."""
    async with scope.tx() as tx:
        found = await store.session(tx, session_id)
    if found is None:
        raise ConnectSessionNotFound
    return found


async def sessions(scope: Scope, ask: Ask) -> Page[ConnectSession]:
    """The tenant's sessions, the newest first; kept for a day after their end."""
    async with scope.tx() as tx:
        found = await store.sessions(tx, ask)
    kept, more = found[: ask.limit], len(found) > ask.limit
    return Page(kept, next_after=kept[-1].id if more else None, has_more=more)


async def revoke(scope: Scope, session_id: str) -> ConnectSession:
    """End a session before it is used; one that has ended stays as it is. Raises ConnectSessionNotFound."""
    async with scope.tx() as tx:
        found = await store.session(tx, session_id)
        if found is None:
            raise ConnectSessionNotFound
        if not await store.update_stage(tx, session_id, model.LIVE, Stage.REVOKED):
            return found
        tx.emit(ConnectSessionRevoked(subject=session_id))
    return replace(found, state=Stage.REVOKED)


async def offer(system: System, caller: Caller, token: Secret) -> Offer:
    """What is connected, and what has to be asked for. Raises ConnectSessionInvalid, OriginRefused."""
    found = await _believed(system, caller, token)
    return await offered(scope_of(system, caller, found), found)


async def offered(scope: Scope, found: ConnectSession) -> Offer:
    """What a session connects."""
    integration = await integrations.integration(scope, found.integration_id)
    provider = await catalog.known_provider(scope, integration.provider)
    return Offer(found, integration, provider, await catalog.app_ready(scope, provider))


async def start(system: System, caller: Caller, token: Secret, keys: Mapping[str, Secret] | None) -> Started:
    """Begin the consent, or connect with keys, which are tried first; wrong keys may be corrected a few times.

    Raises ConnectSessionInvalid, OriginRefused, and what connecting raises.
    """
    found = await _believed(system, caller, token)
    asked = found.return_url is not None and not keys
    return await begin(scope_of(system, caller, found), found, keys, found.return_url, asked=asked)


async def begin(
    scope: Scope,
    found: ConnectSession,
    keys: Mapping[str, Secret] | None,
    return_url: str | None,
    *,
    asked: bool = False,
) -> Started:
    """The same for a session that is believed already; a consent returns to `return_url`.

    `asked`: whether a consent is chosen where there is another way too; secrets that were filled in do not count then.
    """
    async with scope.tx() as tx:
        if not await store.update_stage(tx, found.id, _FREE, Stage.TRYING, tries=1):
            raise refused("trying")
    started: Started | None = None
    try:
        started = await _connect(scope, found, keys, return_url, asked=asked)
    finally:
        # also where time was up, or whoever asked has gone: the token may be tried again
        if started is None:
            await _back(scope, found)
    done = started.consent is None
    async with scope.tx() as tx:
        after = Stage.USED if done else Stage.STARTED
        await store.update_stage(tx, found.id, [Stage.TRYING], after, connection=started.connection.id)
        if done:
            tx.emit(ConnectSessionUsed(subject=found.id, body={"connectionId": started.connection.id}))
    return started


async def _connect(
    scope: Scope,
    found: ConnectSession,
    keys: Mapping[str, Secret] | None,
    consent_return: str | None,
    *,
    asked: bool,
) -> Started:
    offer = await offered(scope, found)
    if asked:
        hidden = {one.name for one in offer.fields if one.secret}
        keys = {name: value for name, value in (keys or {}).items() if name not in hidden}
    return_url = consent_return if placing.by_consent(offer.provider.manifest, keys, asked=asked) else None
    if offer.integration.user_scoped:
        return await personal.connect(scope, found.integration_id, return_url=return_url, keys=keys)
    return await starting.connect_integration(scope, found.integration_id, return_url=return_url, keys=keys)


async def _back(scope: Scope, found: ConnectSession) -> None:  # house: silent - what failed was told to the caller
    async with scope.tx() as tx:
        await store.update_stage(tx, found.id, [Stage.TRYING], Stage.OPEN)


async def finish(system: System, caller: Caller, token: Secret, ticket: Secret) -> str:
    """Redeem the ticket of a consent that was given in another browser; the connection.

    Raises ConnectSessionInvalid, OriginRefused, TicketRefused, ConsentFailed.
    """
    found = await _believed(system, caller, token)
    scope = scope_of(system, caller, found)
    settled = await finishing.redeem(scope, ticket)
    connection_id = settled.connected[0]
    async with scope.tx() as tx:
        if await store.update_stage(tx, found.id, _FREE, Stage.USED, connection=connection_id):
            tx.emit(ConnectSessionUsed(subject=found.id, body={"connectionId": connection_id}))
    return connection_id


async def finished(tx: SystemTx, tenant_id: str, connection_id: str) -> None:  # house: silent - told by the connection
    """A consent that a session began ended well in its own browser: the session is used up."""
    await store.update_connected(tx, tenant_id, connection_id)


async def sweep(system: System) -> None:
    """Forget sessions a day after their end."""
    async with system.tx() as tx:
        await store.sweep(tx, _before(system.now))


def _before(now: datetime) -> datetime:
    return now - _KEPT


async def _believed(system: System, caller: Caller, token: Secret) -> ConnectSession:
    async with system.tx() as tx:
        found = await store.by_token(tx, model.digest(token))
    if found is None:
        raise refused("unknown")
    if caller.origin != found.origin:
        raise OriginRefused
    await check_usable(scope_of(system, caller, found), found)
    return found


async def check_usable(scope: Scope, found: ConnectSession) -> None:
    """Raise ConnectSessionInvalid for a session that has ended, or whose integration is gone."""
    why = model.refusal(found, scope.now)
    if why is not None:
        raise refused(why)
    async with scope.tx() as tx:
        if await integration_store.one(tx, found.integration_id) is None:
            raise refused("revoked")


async def withdraw(  # house: silent - the cause is an event itself
    tx: SystemTx, tenant_id: str, kind: str, subject: str
) -> None:
    """Somebody left, or may do something else: what they began to connect ends, whoever has it in hand now."""
    maker = Principal(kind, subject, _BUILT_IN, tenant_id).id
    await store.withdraw(tx, tenant_id, maker)
    await flows.withdraw(tx, tenant_id, maker)


def refused(why: str) -> ConnectSessionInvalid:
    """That a session cannot be used, and why."""
    return ConnectSessionInvalid(_WHY[why], details={"reason": why})


def scope_of(system: System, caller: Caller, found: ConnectSession) -> Scope:
    """In whose name a session's page acts."""
    return Scope(found.tenant_id, found.principal, system.engine, system.clock, *caller.facts)
