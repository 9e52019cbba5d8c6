"""Beginning: a consent at the platform, or keys that are tried before they are stored."""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, TypedDict

from isthmus.client import (
    AuthError,
    ClientError,
    InvalidRequest,
    PlatformError,
    PlatformFailed,
    RefreshFailed,
    RefreshRefused,
    Throttled,
)
from isthmus.connect.manifest import Field
from isthmus.connect.spi import Account, Unmappable
from isthmus.features import catalog, vault
from isthmus.features.catalog import Registration
from isthmus.features.connections.errors import (
    AlreadyConnected,
    ConnectionNotFound,
    CredentialsRefused,
    IntegrationNotFound,
    PlatformUnreachable,
    TooManyFlows,
    UserScoped,
    WrongAccountGiven,
    WrongKind,
)
from isthmus.features.connections.events import ConsentStarted
from isthmus.features.connections.model import connection as model
from isthmus.features.connections.model import flow as rules
from isthmus.features.connections.model import returns, unusable
from isthmus.features.connections.model.connection import Connection, Owner, reachable
from isthmus.features.connections.model.flow import Flow
from isthmus.features.connections.model.integration import chosen, setting_faults
from isthmus.features.connections.service import placing, settling
from isthmus.features.connections.service.clients import Binding, Clients
from isthmus.features.connections.service.sessions import OAUTH, account_of
from isthmus.features.connections.settings import Settings
from isthmus.features.connections.store import connections as store
from isthmus.features.connections.store import flows, integrations
from isthmus.kit import ids
from isthmus.kit.errors import Invalid
from isthmus.kit.secret import Secret
from isthmus.scope import Scope, Tx

START_PATH = "/api/integrations/oauth/start"
_STATE_BITS = 256
_ONLY_KEYS = "This provider is connected by keys; there is no consent to return from."
_KEYED = "Keys are given or in use, so there is no consent to return from; leave them out, or disconnect first."
#: Of keys: there is nothing that could wait for a review, and nothing is stored.
_HELD = "Somebody else's connection holds this account; an account has one owner in a deployment. Nothing was stored."
#: What is shown of the platform's words, and what is none: our own name for a status without words.
_SAID, _BARE = 500, re.compile(r"HTTP \d+")
_UNSENDABLE = "These credentials cannot be sent: a line break or the like has no place in a call. Nothing was stored."


_ALONE = "Each person connects this provider alone: make an integration of it first, then connect under `/api/user`."


@dataclass(frozen=True, slots=True)
class Consent:
    """What the starter gets: the link to open, the state, and the cookie that proves his browser."""

    link: Secret
    state: str
    cookie_name: str
    cookie: Secret


@dataclass(frozen=True, slots=True)
class Started:
    """A connection that was begun; `consent` where a person has to agree at the platform."""

    connection: Connection
    consent: Consent | None = None


async def start(
    scope: Scope,
    provider: str,
    *,
    name: str | None = None,
    settings: Mapping[str, Any] | None = None,
    return_url: str | None = None,
    keys: Mapping[str, Secret] | None = None,
) -> Started:
    """Make a connection: with a consent for OAuth providers, with `keys` for the others.

    Raises what the catalog raises for the provider and its app, UserScoped where each person has to connect alone,
    Invalid, WrongKind, TooManyFlows, AlreadyConnected, CredentialsRefused, PlatformUnreachable.
    """
    if (await catalog.provider(scope, provider)).user_scoping:
        raise UserScoped(_ALONE)
    return await start_for(scope, provider, settling.Target(name, settings or {}), return_url, keys)


async def start_for(
    scope: Scope,
    provider: str,
    target: settling.Target,
    return_url: str | None,
    keys: Mapping[str, Secret] | None,
) -> Started:
    """A first connection for what `target` names. Raises what `start` raises."""
    await catalog.admit(scope, provider)
    registration = await catalog.registration(scope, provider)
    _check_settings(registration.manifest.settings_fields, target.settings)
    if placing.by_consent(registration.manifest, keys, asked=return_url is not None):
        placing.check_app(registration)
        place = placing.read(registration, keys)
        allowed = await check_return(scope, return_url)
        async with held_by_one(), scope.tx() as tx:
            made = await settling.create(scope, tx, registration, replace(target, auth=OAUTH))
            consent = await begin(scope, tx, registration, made, allowed, place)
        return Started(await get(scope, made), consent)
    given = _checked(registration, keys, return_url)
    proven = await _try(scope, registration, given, Account("", settings=chosen(target.settings)), "")
    async with held_by_one(), scope.tx() as tx:
        await _not_connected(tx, provider, proven.account, target.owner)
        named = replace(target, name=target.name or proven.account.name or None)
        made = await settling.create(scope, tx, registration, named)
        if not await settling.take_keys(scope, tx, registration, made, proven):
            raise AlreadyConnected(_HELD)
    return Started(await get(scope, made))


async def reconnect(
    scope: Scope, connection_id: str, *, return_url: str | None = None, keys: Mapping[str, Secret] | None = None
) -> Started:
    """Give an existing connection new credentials; it keeps its account. Raises what `start` raises."""
    connection = await get(scope, connection_id)
    await catalog.admit_further(scope, connection.provider)
    registration = await catalog.registration(scope, connection.provider)
    if connection.auth == OAUTH:
        place = placing.read(registration, keys, account_of(connection).extra)
        allowed = await check_return(scope, return_url)
        async with scope.tx() as tx:
            consent = await begin(scope, tx, registration, connection.id, allowed, place)
        return Started(connection, consent)
    given = _checked(registration, keys, return_url)
    proven = await _try(scope, registration, given, account_of(connection), connection.id)
    account = proven.account
    async with held_by_one(), scope.tx() as tx:
        if connection.account_id not in (None, account.id):
            raise WrongAccountGiven(details={"expected": connection.account_id, "given": account.id})
        if connection.account_id is None:
            await _not_connected(tx, connection.provider, account, connection.owner)
        if not await settling.take_keys(scope, tx, registration, connection.id, proven):
            raise AlreadyConnected(_HELD)
    await scope.part(Clients).drop(scope.tenant_id, connection.id)
    return Started(await get(scope, connection.id))


async def connect_integration(  # house: silent - what it calls emits
    scope: Scope,
    integration_id: str,
    *,
    return_url: str | None = None,
    keys: Mapping[str, Secret] | None = None,
) -> Started:
    """Connect an integration that exists (002's `/connect/*`): its connection, or a new one if it has none."""
    async with scope.tx() as tx:
        integration = await integrations.one(tx, integration_id)
        if integration is None:
            raise IntegrationNotFound
        connection = await store.by_integration(tx, integration_id)
    if integration.user_scoped:
        raise UserScoped
    if connection is not None:
        return await reconnect(scope, connection.id, return_url=return_url, keys=keys)
    target = settling.Target(integration.name, integration.settings, integration_id)
    return await start_for(scope, integration.provider, target, return_url, keys)


async def of_integration(scope: Scope, integration_id: str) -> Connection:
    """The tenant's connection of an integration. Raises IntegrationNotFound, ConnectionNotFound."""
    async with scope.tx() as tx:
        if await integrations.one(tx, integration_id) is None:
            raise IntegrationNotFound
        found = await store.by_integration(tx, integration_id)
    if found is None or not reachable(found, scope.principal):
        raise ConnectionNotFound("This integration has no connection; connect it first.")
    return found


async def get(scope: Scope, connection_id: str) -> Connection:
    """One connection; another person's own is not there. Raises ConnectionNotFound."""
    async with scope.tx() as tx:
        found = await store.by_id(tx, connection_id)
    if found is None or not reachable(found, scope.principal):
        raise ConnectionNotFound
    return found


async def begin(
    scope: Scope,
    tx: Tx,
    registration: Registration,
    connection_id: str,
    return_url: str | None,
    place: Mapping[str, str],
) -> Consent:
    """Write a consent down and answer what its starter may know. Raises TooManyFlows."""
    if await flows.count_open(tx, scope.principal.id, scope.now) >= rules.MAX_OPEN:
        raise TooManyFlows(retry_after=60.0)
    link = Secret(ids.token(_STATE_BITS))
    cookie = Secret(ids.token(_STATE_BITS))
    state = rules.state_of(link)
    oauth = registration.manifest.oauth
    verifier = None
    if oauth is not None and oauth.pkce:
        verifier = await vault.seal(
            scope, tx, Secret(ids.token(384)), owner=connection_id, field=verifier_field(rules.flow_key(state))
        )
    flow = Flow(
        tenant_id=scope.tenant_id,
        connection_id=connection_id,
        provider=registration.provider,
        registration_id=registration.id,
        registration_version=registration.version,
        hosts_digest=rules.frozen(model.hosts_digest(registration.app.hosts), oauth),
        redirect_uri=redirect_uri(scope, registration),
        return_url=return_url,
        principal=scope.principal,
        starter_bound=False,
        expires_at=scope.now + rules.LIFETIME,
        account=place,
    )
    row = flows.Row(flow, rules.flow_key(state), verifier, None, rules.proof(cookie.reveal()), None)
    await flows.insert_flow(tx, row, scope.now)
    tx.emit(ConsentStarted(subject=connection_id, body={"provider": registration.provider}))
    secure = scope.part(Settings).secure
    address = f"{scope.part(Settings).public_url.rstrip('/')}{START_PATH}?link={link.reveal()}"
    return Consent(Secret(address), state, rules.cookie_name(state, secure=secure), cookie)


def verifier_field(key: bytes) -> str:
    """The place of a PKCE verifier: its flow is part of what the seal is bound to."""
    return f"verifier/{key.hex()}"


def redirect_uri(scope: Scope, registration: Registration) -> str:
    """Where the platform sends people back to: a path per app, the bare one only where a platform takes just one."""
    oauth = registration.manifest.oauth
    single = oauth is not None and oauth.single_redirect_uri
    path = catalog.CALLBACK_PATH if single else registration.redirect_path
    return scope.part(Settings).public_url.rstrip("/") + path


async def check_return(scope: Scope, return_url: str | None) -> str | None:
    """The return address, if it may be used now. Raises Invalid."""
    if return_url is None:
        return None
    try:
        return returns.check(return_url, await allowed_origins(scope))
    except ValueError as error:
        raise Invalid.field("returnUrl", f"This return address is not allowed: {error}.") from None


async def allowed_origins(scope: Scope) -> frozenset[str]:
    """Where this tenant's consents may return to: its own list, and the deployment's."""
    settings = scope.part(Settings)
    async with scope.tx() as tx:
        own = await flows.return_origins(tx)
    shared = [returns.origin_of(origin) for origin in (*settings.return_origins, settings.public_url)]
    return own.union(shared)


def _check_settings(fields: tuple[Field, ...], given: Mapping[str, Any]) -> None:
    wrong = [{"path": path, "message": message} for path, message in setting_faults(fields, given)]
    if wrong:
        raise Invalid("The settings are not valid.", details={"fields": wrong})


def _checked(
    registration: Registration, keys: Mapping[str, Secret] | None, return_url: str | None
) -> dict[str, Secret]:
    """The given keys, by the manifest's fields. Raises WrongKind or Invalid, never with a value in it."""
    if return_url is not None:
        raise WrongKind(_KEYED if OAUTH in registration.manifest.auth_also else _ONLY_KEYS)
    given = dict(keys or {})
    placing.check(registration.manifest.credential_fields, given)
    return given


async def tried_keys(
    scope: Scope, registration: Registration, connection: Connection, keys: Mapping[str, Secret]
) -> settling.Proven:
    """Whose these keys are, by the far side, and the keys by the provider's fields. Raises what `start` raises."""
    given = _checked(registration, keys, None)
    return await _try(scope, registration, given, account_of(connection), connection.id)


async def _try(
    scope: Scope, registration: Registration, keys: Mapping[str, Secret], known: Account, connection_id: str
) -> settling.Proven:
    """Ask the platform who these keys are. Raises CredentialsRefused or PlatformUnreachable."""
    traded = registration.manifest.trades_keys
    binding = Binding(scope.tenant_id, connection_id or "trial", registration, known, 0, keys, traded=traded)
    waited = scope.part(Settings).exchange_deadline.total_seconds()
    try:
        async with asyncio.timeout(waited), scope.part(Clients).passing(binding, scope.clock) as (session, tokens):
            return settling.Proven(await registration.connector.test(session), keys, tokens)
    except RefreshRefused as error:
        said = _answered(CredentialsRefused().message, error.__cause__, keys)
        raise CredentialsRefused(**said) from error
    except RefreshFailed as error:
        raise _unusable("refresh_unavailable") from error
    except (PlatformFailed, Throttled) as error:
        said = _answered(unusable.told(error.kind) or PlatformUnreachable().message, error, keys)
        raise _unusable(error.kind, said, error.retry_after) from error
    except PlatformError as error:
        raise CredentialsRefused(**_answered(CredentialsRefused().message, error, keys)) from error
    except InvalidRequest as error:
        raise CredentialsRefused(_UNSENDABLE) from error
    except AuthError as error:
        raise CredentialsRefused from error
    except ClientError as error:
        raise _unusable(error.kind) from error
    except Unmappable as error:
        raise _unusable("account_unnamed") from error
    except TimeoutError as error:
        raise _unusable("deadline_exceeded") from error


class _Told(TypedDict, total=False):
    """What a failure is told with, where the far side's own words are among it."""

    message: str
    details: Mapping[str, str]


def _unusable(kind: str, said: _Told | None = None, retry_after: float | None = None) -> PlatformUnreachable:
    """That there was no usable answer: the far side's words, else ours for the kind of failure. Seconds to wait."""
    told = said or {}
    message = told.get("message") or unusable.told(kind)
    return PlatformUnreachable(message, details={**told.get("details", {}), "reason": kind}, retry_after=retry_after)


def _answered(ours: str, error: BaseException | None, keys: Mapping[str, Secret]) -> _Told:
    """What the platform said, if it said anything; never the credentials, should it repeat them."""
    if not isinstance(error, PlatformError):
        return {}
    said = error.message.strip()[:_SAID]
    for secret in keys.values():
        said = said.replace(secret.reveal(), "***")
    if not said or _BARE.fullmatch(said) or said == type(error)().message:
        return {}
    return {"message": f"{ours} The platform answered: {said}", "details": {"platformMessage": said}}


@asynccontextmanager
async def held_by_one() -> AsyncIterator[None]:
    """Says that something is connected already where two came for it at the same moment."""
    try:
        yield
    except settling.Raced as race:
        raise AlreadyConnected from race


async def _not_connected(tx: Tx, provider: str, account: Account, owner: Owner | None) -> None:
    existing = await store.by_accounts(tx, provider, [account.id], owner.id if owner else None)
    if existing:
        raise AlreadyConnected(details={"connectionId": existing[account.id]})
