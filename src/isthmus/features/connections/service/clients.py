"""Bound clients: to a connection's hosts, credentials and limits, and to nothing else (security.md PL-03, VA-01)."""

from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType

from isthmus.client import (
    NEVER,
    AddressGuard,
    ApiClient,
    Budget,
    Gate,
    Retry,
    Tokens,
    tell_listener,
    urgent,
)
from isthmus.client.events import Hook
from isthmus.client.transport.shared import lend
from isthmus.client.url import parse
from isthmus.connect import declarative
from isthmus.connect.spi import Account, App, Session
from isthmus.features.catalog import Registration
from isthmus.features.connections.service.bearing import NO_TOKENS, Grant, Keys, Plain, Refresh, traded
from isthmus.features.connections.service.counting import Calls
from isthmus.features.connections.service.gates import Gates
from isthmus.features.connections.service.hosts import Bounded, Hosts, Share
from isthmus.features.connections.service.masking import masked
from isthmus.features.connections.service.recording import Recorder
from isthmus.features.connections.service.tokens import VaultTokenStore
from isthmus.features.connections.service.vouching import may_leave
from isthmus.features.connections.settings import Settings
from isthmus.kit.clock import Clock
from isthmus.kit.errors import Invalid
from isthmus.kit.secret import Secret
from isthmus.scope import Scope

#: Largest token reply (security.md OA-13).
_TOKEN_REPLY = 256 * 1024
#: A provider whose every address has a part to be filled in has none before an account is known.
_NOWHERE = "https://invalid.invalid"
_NO_KEYS: Mapping[str, Secret] = MappingProxyType({})
#: Kinds of registrations whose hosts may lead to the public Internet only.
_GUARDED = frozenset({"tenant", "remote"})


@dataclass(frozen=True, slots=True)
class Binding:
    """What a client is bound to; another binding of the same connection replaces it."""

    tenant_id: str
    connection_id: str
    registration: Registration
    account: Account
    generation: int = 0
    keys: Mapping[str, Secret] = field(default_factory=dict)
    #: The keys that were replaced a moment ago; empty once their overlap is over.
    previous_keys: Mapping[str, Secret] = field(default_factory=dict)
    #: The keys are traded for a token, and calls bear that.
    traded: bool = False
    #: The room's own scope, in which calls are written down; without one they are not.
    own: Scope | None = None

    @property
    def name(self) -> tuple[str, str]:
        """Whose client it is."""
        return self.tenant_id, self.connection_id

    @property
    def print(self) -> tuple[object, ...]:
        """What must be the same for the client to be used again."""
        known = self.registration
        hosts = tuple(sorted(known.app.hosts.items()))
        said = tuple(sorted(self.account.extra.items())), tuple(sorted(self.account.settings.items()))
        credentials = known.id, known.version, hosts, self.generation, bool(self.previous_keys)
        # a definition made at run time changes under its connections, and says how they are signed and limited
        # keys that are traded have no generation of their own: each new token is one
        return *credentials, self.account.id, said, known.manifest, dict(self.keys) if self.traded else None


@dataclass(slots=True)
class _Pooled:
    print: tuple[object, ...]
    session: Session
    walled: Session
    tokens: ApiClient
    transport: Bounded
    auth: Grant | Keys
    users: int = 0
    dropped: bool = False

    async def aclose(self) -> None:
        await self.session.client.aclose()
        await self.transport.aclose()
        await self.tokens.aclose()


class Clients:
    """The bound clients of this process, kept ready between calls; `app.py` makes one and closes it at the end.

    budget: where permits of published limits are leased when several processes share them. allow: networks and
    names that tenants' own apps may point at, beside the public Internet.
    """

    def __init__(self, settings: Settings, *, budget: Budget | None = None, share: Share = int) -> None:
        self._settings = settings
        #: The calls under way, by tenant and host.
        self.hosts = Hosts(settings.host_connections, share)
        self._gates = Gates(budget)
        #: Hears the calls of all connections.
        self.recorder = Recorder()
        #: Counts them by provider.
        self.calls = Calls()
        self._pool: OrderedDict[tuple[str, str], _Pooled] = OrderedDict()
        self._guards: dict[frozenset[str], AddressGuard] = {}

    @asynccontextmanager
    async def bound(
        self, binding: Binding, store: VaultTokenStore | None, clock: Clock, *, walled: bool = False
    ) -> AsyncIterator[Session]:
        """The connection's client; `store` is None for connections without tokens that expire.

        walled: what stops new calls takes back one that has waited, too.
        """
        pooled = await self._pooled(binding, store, clock)
        pooled.users += 1
        try:
            yield pooled.walled if walled else pooled.session
        finally:
            pooled.users -= 1
            if pooled.dropped and not pooled.users:
                await pooled.aclose()

    async def renew(self, binding: Binding, store: VaultTokenStore, clock: Clock) -> None:
        """Refresh the connection's tokens now. Raises the client's errors."""
        pooled = await self._pooled(binding, store, clock)
        grant = pooled.auth
        if not isinstance(grant, Grant):
            return
        pooled.users += 1
        try:
            await grant.force(await grant.current())
        finally:
            pooled.users -= 1
            if pooled.dropped and not pooled.users:
                await pooled.aclose()

    @asynccontextmanager
    async def passing(self, binding: Binding, clock: Clock) -> AsyncIterator[tuple[Session, Tokens | None]]:
        """A client for keys that are only being tried, and the token that they were traded for.

        Raises what `Connector.refresh` raises where they cannot be traded.
        """
        made, tokens = self._make(binding, None, clock), None
        try:
            if binding.traded and isinstance(made.auth, Keys):
                known, hosts = binding.registration, made.session.app_hosts
                app = App({**known.app.credentials, **binding.keys}, hosts)
                tokens = await traded(known.connector, app, binding.account, NO_TOKENS, made.tokens, clock)
                made.auth.tokens = tokens
            with urgent():
                yield made.session, tokens
        finally:
            await made.aclose()

    @asynccontextmanager
    async def plain(
        self,
        registration: Registration,
        clock: Clock,
        account: Mapping[str, str] | None = None,
        *,
        tenant_id: str = "",
        urgent: bool = False,
    ) -> AsyncIterator[ApiClient]:
        """A client without credentials, for the exchange and the revocation of tokens: each is sent once.

        account: what is filled into addresses that differ from one account to the next. tenant_id: whose turn at the
        app's quota it is. urgent: somebody waits for it at the platform's page. Raises Invalid.
        """
        gates = self._gates.of_app(registration, tenant_id, clock, urgent=urgent)
        client = self._token_client(registration, clock, located(registration, account or {}).hosts, gates)
        try:
            yield client
        finally:
            await client.aclose()

    async def drop(self, tenant_id: str, connection_id: str) -> None:
        """Forget a connection's client; calls under way end with it."""
        pooled = self._pool.pop((tenant_id, connection_id), None)
        if pooled is not None:
            await self._retire(pooled)

    async def aclose(self) -> None:
        """Close every client, and write down what their calls came to."""
        pool, self._pool = self._pool, OrderedDict()
        for pooled in pool.values():
            await pooled.aclose()
        await self.recorder.aclose()

    async def _retire(self, pooled: _Pooled) -> None:
        pooled.dropped = True
        if not pooled.users:
            await pooled.aclose()

    async def _pooled(self, binding: Binding, store: VaultTokenStore | None, clock: Clock) -> _Pooled:
        found = self._pool.get(binding.name)
        if found is not None and found.print == binding.print:
            self._pool.move_to_end(binding.name)
            return found
        made = self._pool[binding.name] = self._make(binding, store, clock)
        if found is not None:
            await self._retire(found)
        while len(self._pool) > self._settings.pooled_clients:
            _, oldest = self._pool.popitem(last=False)
            await self._retire(oldest)
        return made

    def _make(self, binding: Binding, store: VaultTokenStore | None, clock: Clock) -> _Pooled:
        known = binding.registration
        identity = "/".join(binding.name)
        hosts = _filled(binding)
        app = App({**known.app.credentials, **binding.keys}, hosts)
        gates = self._gates.of_app(known, binding.tenant_id, clock, urgent=True)
        tokens = self._token_client(known, clock, hosts, gates, binding.keys)
        auth: Grant | Keys
        if store is None:
            before = App({**known.app.credentials, **binding.previous_keys}, hosts) if binding.previous_keys else None
            auth = Keys(known.connector, app, binding.account, identity, before)
        else:
            deadline = self._settings.exchange_deadline.total_seconds()
            refresh = Refresh(known.connector, app, binding.account, tokens, store, clock, deadline, binding.traded)
            auth = Grant(store, refresh, identity)
        secrets = [*app.credentials.values(), *binding.previous_keys.values()]
        guard = self._guard(known)
        transport = Bounded(lend(guard), self.hosts, binding.tenant_id)
        client = ApiClient(
            _base(hosts),
            auth=auth,
            retry=Retry(max_attempts=self._settings.call_attempts),
            rate_limit=self._gates.of_connection(known, *binding.name, clock),
            deadline=self._settings.call_deadline.total_seconds(),
            guard=guard,
            transport=transport,
            classify=masked(known.connector.classify, secrets),
            hosts=hosts.values(),
            idempotency_header=None,
            hooks=self._hooks(binding),
            clock=clock,
        )
        session = walled = Session(client, hosts, binding.account, clock)
        if binding.own is not None:
            asked = client.vouched(partial(may_leave, binding.own, binding.connection_id))
            walled = Session(asked, hosts, binding.account, clock)
        return _Pooled(binding.print, session, walled, tokens, transport, auth)

    def _hooks(self, binding: Binding) -> tuple[Hook, ...]:
        if binding.own is None:
            return (tell_listener,)
        told = self.calls.hook(binding.registration.provider)
        return (tell_listener, told, self.recorder.hook(binding.own, binding.connection_id))

    def _token_client(
        self,
        known: Registration,
        clock: Clock,
        hosts: Mapping[str, str],
        gates: Sequence[Gate],
        keys: Mapping[str, Secret] = _NO_KEYS,
    ) -> ApiClient:
        return ApiClient(
            _base(hosts),
            auth=Plain(),
            retry=NEVER,
            rate_limit=gates,
            breaker=None,
            deadline=self._settings.exchange_deadline.total_seconds(),
            max_body=_TOKEN_REPLY,
            guard=self._guard(known),
            classify=masked(known.connector.classify, [*known.app.credentials.values(), *keys.values()]),
            hosts=hosts.values(),
            redirects=0,
            clock=clock,
        )

    def tighten(self, settings: Settings) -> None:
        """Go on with safer settings: what they let through no more is refused from the next address on."""
        gone = set(self._settings.allow_networks) - set(settings.allow_networks)
        self._settings, held = settings, list(self._guards.values())
        self._guards.clear()
        for guard in held:
            guard.withdraw(gone)

    def _guard(self, known: Registration) -> AddressGuard:
        """Hosts that came with the house or by an operator's hand are let through by name; all others are judged.

        Those are a tenant's own, those that were given over the API, and addresses with a part that a person filled in.
        """
        allowed = set(self._settings.allow_networks)
        if known.kind not in _GUARDED and not known.declared:
            allowed |= {parse(address).host for address in declarative.static(known.app.hosts).values()}
        names = frozenset(allowed)
        found = self._guards.get(names)
        if found is None:
            if len(self._guards) >= 1_000:
                self._guards.clear()
            found = self._guards[names] = AddressGuard(names)
        return found


def _filled(binding: Binding) -> dict[str, str]:
    """The addresses of this account. Raises Invalid where a part of one does not fit."""
    values = {**binding.account.extra, **{name: key.reveal() for name, key in binding.keys.items()}}
    return dict(located(binding.registration, values).hosts)


def located(registration: Registration, values: Mapping[str, str]) -> App:
    """The app with the addresses of one account. Raises Invalid where a part of one does not fit."""
    app = registration.app
    if len(declarative.static(app.hosts)) == len(app.hosts):
        return app
    try:
        return App(app.credentials, declarative.fill(app.hosts, values))
    except declarative.Misfit as error:
        raise Invalid.field(error.part, f"{error}.") from None


def _base(hosts: Mapping[str, str]) -> str:
    if not hosts:
        return _NOWHERE
    return hosts["api"] if "api" in hosts else next(iter(hosts.values()))
