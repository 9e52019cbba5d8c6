"""Where credentials that were proven go: one connection per account, and each account in one tenant (OA-14)."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from isthmus.client import Tokens
from isthmus.connect.spi import Account, Granted
from isthmus.features.catalog import Registration
from isthmus.features.connections.errors import ConnectionNotFound, CredentialsChangedMeanwhile
from isthmus.features.connections.events import ClaimedElsewhere, Connected, Created, ScopesChanged
from isthmus.features.connections.model import connection as model
from isthmus.features.connections.model import lease, trying
from isthmus.features.connections.model.connection import Connection, Owner, Place, Placement, Status
from isthmus.features.connections.model.flow import scopes_changed
from isthmus.features.connections.service import sealing
from isthmus.features.connections.service.clients import Clients
from isthmus.features.connections.settings import Settings
from isthmus.features.connections.store import connections as store
from isthmus.features.connections.store import owning, tokens
from isthmus.kit.chance import draw
from isthmus.kit.secret import Secret
from isthmus.scope import Scope, System, Tx

REVIEW = "needs_review"
_ATTEMPTS = 3

Seal = Callable[[int], Awaitable[tokens.Sealed]]


class Raced(Exception):
    """Another request of this tenant took the account, or the person's place, at the same moment."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a new connection is for: an integration that exists, or one with this name and these settings."""

    name: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    integration_id: str | None = None
    #: The person whose connection it becomes; None for the tenant's.
    owner: Owner | None = None
    #: How it is connected, where that is not the provider's first way.
    auth: str = ""


@dataclass(frozen=True, slots=True)
class Proven:
    """Keys that the far side took, whose they are, and what they were traded for where calls do not bear them."""

    account: Account
    keys: Mapping[str, Secret]
    tokens: Tokens | None = None


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of a consent: the connections that work now, and those that wait for a review."""

    connected: tuple[str, ...]
    held: tuple[str, ...]

    @property
    def primary(self) -> str | None:
        """The connection that the starter is told of."""
        return next(iter(self.connected), None)


async def settle(scope: Scope, registration: Registration, connection_id: str, grants: Sequence[Granted]) -> Settled:
    """Store each shop of a consent. Raises WrongAccount, and ConnectionNotFound if the connection went meanwhile."""
    for _ in range(_ATTEMPTS):
        try:
            settled, rivals = await _settle(scope, registration, connection_id, grants)
        except Raced:
            continue
        for changed in settled.connected:
            await scope.part(Clients).drop(scope.tenant_id, changed)
        for account_id in rivals:
            await _tell_holder(scope, registration.provider, account_id)
        return settled
    raise ConnectionNotFound


async def _settle(
    scope: Scope, registration: Registration, connection_id: str, grants: Sequence[Granted]
) -> tuple[Settled, list[str]]:
    by_account = {grant.account.id: grant for grant in grants}
    connected: list[str] = []
    held: list[str] = []
    rivals: list[str] = []
    async with scope.tx() as tx:
        await store.take_turns(tx, registration.provider)
        start = await store.by_id(tx, connection_id, lock=True)
        if start is None or start.status_reason == owning.DEPARTED:
            raise ConnectionNotFound
        existing = await store.by_accounts(tx, registration.provider, list(by_account), start.owner_id)
        places = model.place(start.id, start.account_id, [grant.account.id for grant in grants], existing)
        # In one order everywhere: two tenants that want the same accounts wait for each other and never in a ring.
        for place in sorted(_wanted(start, places), key=lambda one: one.account_id):
            grant = by_account[place.account_id]
            target = place.connection_id or await _sibling(scope, tx, registration, grant.account)
            if place.place is Place.START and start.account_id is None:
                await _name(scope, tx, registration, start, grant.account, alone=len(places) == 1)
            if await take(scope, tx, registration, target, grant):
                connected.append(target)
            else:
                held.append(target)
                rivals.append(place.account_id)
        if not any(place.place is Place.START for place in places):
            await _drop_placeholder(tx, start)
    connected.sort(key=lambda one: one != connection_id)
    return Settled(tuple(connected), tuple(held)), rivals


def _wanted(start: Connection, places: Sequence[Placement]) -> list[Placement]:
    """A person connects one account; further ones that the consent covers are no shops of the tenant."""
    return [one for one in places if start.owner_id is None or one.place is not Place.CREATE]


async def take(scope: Scope, tx: Tx, registration: Registration, connection_id: str, grant: Granted) -> bool:
    """Let a connection hold this account with these tokens; False when the account has to wait for a review."""

    async def seal(version: int) -> tokens.Sealed:
        return await sealing.seal_tokens(scope, tx, connection_id, version, grant.tokens)

    return await _take(scope, tx, registration, connection_id, grant.account, seal)


async def take_keys(
    scope: Scope,
    tx: Tx,
    registration: Registration,
    connection_id: str,
    proven: Proven,
    *,
    overlap: datetime | None = None,
) -> bool:
    """The same for keys; with `overlap` the keys that they replace are kept until then."""

    async def seal(version: int) -> tokens.Sealed:
        if proven.tokens is not None:
            return await sealing.seal_traded(scope, tx, connection_id, version, proven.keys, proven.tokens)
        return replace(await sealing.seal_keys(scope, tx, connection_id, version, proven.keys), overlap=overlap)

    return await _take(scope, tx, registration, connection_id, proven.account, seal)


async def _take(
    scope: Scope,
    tx: Tx,
    registration: Registration,
    connection_id: str,
    account: Account,
    seal: Seal,
) -> bool:
    holder = await store.claim(tx, registration.provider, account.id, connection_id, scope.now)
    if holder is None or not await owning.of_one_owner(tx, holder, connection_id):
        await store.update_status(tx, connection_id, [Status.PENDING], Status.PENDING, REVIEW, scope.now)
        return False
    before = await tokens.load(tx, connection_id, lock=True)
    if holder != connection_id or before is None:
        raise Raced
    scope.check_seen(model.credentials_tag(connection_id, before.connected_at), CredentialsChangedMeanwhile)
    state = lease.granted(before.state)
    owner = tokens.Owner(
        account.id,
        {"name": account.name, "region": account.region, "extra": dict(account.extra)},
        registration.id,
        model.hosts_digest(registration.app.hosts),
        trying.first_at(scope.now, scope.part(Settings).test_every, draw()),
    )
    sealed = await seal(state.version)
    await tokens.update_granted(tx, connection_id, state, sealed, owner, scope.now)
    changed = scopes_changed(before.scope, sealed.scope)
    if changed is not None:
        tx.emit(ScopesChanged(subject=connection_id, body=changed))
    await store.update_integration_of(tx, connection_id, "connected", scope.now)
    # whose account a person has connected of their own is nobody else's to read, in the log neither
    told = {} if await owning.is_personal(tx, connection_id) else {"accountId": account.id, "accountName": account.name}
    tx.emit(
        Connected(
            subject=connection_id,
            body={"provider": registration.provider, **told},
            before={"status": before.state.status.value},
            after={"status": state.status.value},
        )
    )
    return True


async def create(  # house: silent - create_on emits
    scope: Scope, tx: Tx, registration: Registration, target: Target
) -> str:
    """A new connection that waits for its credentials, on a free integration of the provider or on a new one."""
    if target.integration_id is not None:
        return await create_on(scope, tx, registration, target.integration_id, target.owner, target.auth)
    provider, shown = registration.provider, target.name or registration.manifest.name
    integration_id = await store.free_integration(tx, provider, target.name)
    if integration_id is None:
        integration_id = scope.id("int")
        await store.insert_integration(tx, integration_id, registration.manifest, shown, target.settings, scope.now)
    else:
        # It may still be called after the shop that was connected before.
        await store.update_integration(
            tx, integration_id, "pending", scope.now, name=shown, settings=target.settings or None
        )
    return await create_on(scope, tx, registration, integration_id, auth=target.auth)


async def create_on(
    scope: Scope,
    tx: Tx,
    registration: Registration,
    integration_id: str,
    owner: Owner | None = None,
    auth: str = "",
) -> str:
    """A new connection of this integration: the tenant's, or one person's. Raises Raced where a person has one."""
    connection_id = scope.id("con")
    way, provider = auth or registration.manifest.auth, registration.provider
    fresh = store.Fresh(connection_id, integration_id, provider, way, registration.id)
    if not await store.insert_connection(tx, fresh, owner, scope.now):
        raise Raced
    tx.emit(Created(subject=connection_id, body={"provider": provider, "integrationId": integration_id}))
    return connection_id


async def _sibling(scope: Scope, tx: Tx, registration: Registration, account: Account) -> str:
    """A further shop of the same consent: an integration and a connection of its own."""
    integration_id = scope.id("int")
    shown = model.shop_name(None, account.name, registration.manifest.name, account.id, alone=False)
    await store.insert_integration(tx, integration_id, registration.manifest, shown, {}, scope.now)
    return await create_on(scope, tx, registration, integration_id)


async def _name(
    scope: Scope, tx: Tx, registration: Registration, start: Connection, account: Account, *, alone: bool
) -> None:
    default = registration.manifest.name
    given = None if start.name == default else start.name
    shown = model.shop_name(given, account.name, default, account.id, alone=alone)
    await store.update_integration(tx, start.integration_id, "pending", scope.now, name=shown)


async def _drop_placeholder(tx: Tx, start: Connection) -> None:
    """Every shop of the consent was known: the connection that was made for it is not needed."""
    await store.delete_connection(tx, start.id)
    await store.delete_unused_integration(tx, start.integration_id)


async def _tell_holder(scope: Scope, provider: str, account_id: str) -> None:
    system = System(scope.engine, scope.clock)
    async with system.tx() as tx:
        found = await store.holder(tx, provider, account_id)
    if found is not None and found[0] != scope.tenant_id:
        async with system.scope(found[0], "connections").tx() as told:
            told.emit(ClaimedElsewhere(subject=found[1], body={"provider": provider}))
