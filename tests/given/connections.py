"""A process with emulated platforms behind it, its API, and browsers that walk through consents."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx2
import msgspec
from tests.given import rotor, vault
from tests.given.connectors import shipped

from isthmus.client import Tokens
from isthmus.connect import registry
from isthmus.connect.manifest import Entity, Field
from isthmus.engine.db import Database
from isthmus.features import access, catalog, connections
from isthmus.features import vault as rooms
from isthmus.features.connections.feature import FEATURE
from isthmus.http import App, HttpSettings, SharedKey, TokenAuthenticator, create_app, mint, own_issuer
from isthmus.kit.clock import SYSTEM, Clock
from isthmus.kit.permissions import Principal
from isthmus.kit.secret import Secret
from isthmus.sandbox import SandboxServer, walk
from isthmus.sandbox.clock import ShiftedClock
from isthmus.scope import Scope, System

BASE, RETURN = "http://localhost", "https://app.example.com/done"
_KEY = Secret("k" * 40)


@dataclass
class Side:
    """One HTTP client with a cookie jar: a browser, or the machine of an API caller."""

    http: httpx2.AsyncClient
    headers: dict[str, str] = field(default_factory=dict)

    async def __call__(self, method: str, path: str, json: Any = None) -> httpx2.Response:
        return await self.http.request(method, path, json=json, headers=self.headers)

    async def go(self, address: str) -> httpx2.Response:
        """Open an address as a browser does: without credentials, one step."""
        return await self.http.get(address)


@dataclass
class World:
    """The process, its platforms, and who calls."""

    system: System
    clock: ShiftedClock
    sandbox: SandboxServer
    far: rotor.Far
    app: App

    def side(self, tenant: str = "", subject: str = "usr_1", role: str = "tenant_admin") -> Side:
        """A caller with a fresh cookie jar; without a tenant, nobody."""
        transport = httpx2.ASGITransport(app=self.app, client=("203.0.113.9", 4711))
        http = httpx2.AsyncClient(transport=transport, base_url=BASE)
        if not tenant:
            return Side(http)
        token = mint(SharedKey(_KEY), tenant_id=tenant, subject=subject, roles=[role], clock=self.system.clock)
        return Side(http, {"authorization": f"Bearer {token.reveal()}"})

    def scope(self, tenant: str, subject: str = "usr_1") -> Scope:
        """The same person, below HTTP."""
        return vault.scope(self.system, tenant, subject=subject)

    def person(self, tenant: str, subject: str, role: str) -> Scope:
        """Somebody of the tenant, below HTTP, as the API's tokens name people."""
        who = Principal("user", subject, "isthmus", tenant, frozenset({role}))
        return Scope(tenant, who, self.system.engine, self.system.clock)

    async def start(self, side: Side, provider: str = "tiki", **body: Any) -> dict[str, Any]:
        """Begin a connection."""
        answer = await side("POST", "/api/connections", {"provider": provider, "returnUrl": RETURN, **body})
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    async def ask(self, side: Side, link: str, *, seller: str | None = None, approve: bool = True) -> str:
        """Open the link and answer the platform's page; the callback address that the browser opens next."""
        opened = await side.go(link)
        assert opened.status_code == 303, opened.text
        return await walk(opened.headers["location"], seller=seller, approve=approve)

    async def connected(self, tenant: str, provider: str = "tiki", *, seller: str | None = None) -> str:
        """A whole consent in one browser; the id of the connection."""
        side = self.side(tenant)
        started = await self.start(side, provider)
        back = await side.go(await self.ask(side, started["authorizationUrl"], seller=seller))
        return query(back)["connectionId"]

    async def rotor(self, tenant: str, account: str) -> str:
        """A connection to the small far side, which asks nobody; its id."""
        side = self.side(tenant)
        started = await self.start(side, "rotor")
        opened = await side.go(started["authorizationUrl"])
        assert opened.status_code == 303
        return query(await side.go(self.back("rotor", started, account)))["connectionId"]

    def back(self, provider: str, started: dict[str, Any], code: str) -> str:
        """The callback address with a code."""
        fields = urlencode({"state": started["state"], "code": code})
        return f"{BASE}/api/integrations/oauth/callback/none-{provider}?{fields}"

    async def events(self, tenant: str, kind: str) -> list[dict[str, Any]]:
        """What the event log tells of this kind, oldest first."""
        async with self.system.tx() as tx:
            rows = await tx.fetch_sql(
                "select subject, actor, body, before, after from events where tenant_id = $1 and type = $2"
                " order by xid, id",
                *(tenant, kind),
            )
            return [dict(row) for row in rows]

    async def clear(self) -> None:
        """Every account is free again, every platform as at the start."""
        async with self.system.tx() as tx:
            await tx.execute_sql("delete from connections")
            await tx.execute_sql("delete from integrations")
        for shop in self.sandbox.shops.values():
            shop.faults.clear()
            shop.recording.clear()
        self.far.mode, self.far.revoke_mode, self.far.delay = "ok", "ok", 0.0
        self.far.refresh_life, self.far.scope = 0, ""
        self.far.counts.clear()
        self.far.refreshes.clear()


def seconds(count: float) -> timedelta:
    """A duration for a knob."""
    return timedelta(seconds=count)


def tokens(access: str, refresh: str) -> Tokens:
    """A pair that the far side never gave."""
    return Tokens(Secret(access), Secret(refresh))


def query(answer: httpx2.Response) -> dict[str, str]:
    """What a redirect carries."""
    assert answer.status_code == 302, answer.text
    return dict(parse_qsl(urlsplit(answer.headers["location"]).query))


def process(database: Database, clock: Clock, far: rotor.Far, **knobs: Any) -> tuple[System, connections.Clients]:
    """One process: its parts, its vault, its bound clients."""
    settings = connections.Settings(public_url=BASE, return_origins=("https://app.example.com",), **knobs)
    clients = connections.Clients(settings)
    shelf = {
        **shipped(),
        "rotor": rotor.found("rotor", far.url),
        "keys": rotor.found("keys", far.url, "api_key"),
        "desk": _desk(far),
        "either": _either(far),
        "scoped": rotor.found("scoped", far.url, scopes=("orders.read", "stock<write>")),
        "fixed": rotor.found("fixed", far.url, single_redirect_uri=True, issuer="https://as.example"),
    }
    parts: dict[type, object] = {
        connections.Settings: settings,
        connections.Clients: clients,
        catalog.Providers: catalog.Providers(shelf),
        catalog.GivenApps: catalog.read_apps({}),
        connections.Members: connections.Members(access.known_members),
    }
    reseals = rooms.Reseals(FEATURE.reseals)
    keys = rooms.Settings(active_check=timedelta(milliseconds=100))
    return vault.process(database, clock=clock, parts=parts, reseals=reseals, settings=keys), clients


def _either(far: rotor.Far) -> registry.Found:
    """A provider that is connected by a key or by a consent."""
    keys, consents = rotor.found("either", far.url, "api_key"), rotor.found("either", far.url)
    both = msgspec.structs.replace(keys.manifest, auth_also=("oauth2",), oauth=consents.manifest.oauth)
    return replace(keys, manifest=both)


def _desk(far: rotor.Far) -> registry.Found:
    """A provider with settings, and with records of two types."""
    plain = rotor.found("desk", far.url, "api_key")
    settings = (
        Field("site", "Site", pattern=r"[a-z]+"),
        Field("locale", "Locale", required=False),
        Field("pin", "PIN", secret=True, required=False),
    )
    entities = (Entity("Contact", "Contacts", "contact"), Entity("Ticket", "Tickets", "ticket"))
    manifest = msgspec.structs.replace(plain.manifest, settings_fields=settings, entities=entities, category="support")
    return replace(plain, manifest=manifest)


@asynccontextmanager
async def world(database: Database, *platforms: str, **knobs: Any) -> AsyncIterator[World]:
    """Emulated platforms, their apps registered for the deployment, and an API over one database."""
    clock = ShiftedClock(SYSTEM)
    async with SandboxServer(list(platforms), products=3, clock=clock) as sandbox, rotor.far() as far:
        system, clients = process(database, clock, far, **knobs)
        await rooms.check_canary(system)
        for name, shop in sandbox.shops.items():
            facts = system.engine.part(catalog.Providers)[name].manifest
            asked = {field.name for field in facts.app_fields}
            credentials = {name: Secret(value) for name, value in shop.apps[0].credentials.items() if name in asked}
            hosts = {host: address for host, address in shop.hosts.items() if host in facts.hosts}
            await catalog.set_app(vault.platform(system), name, credentials=credentials, hosts=hosts)
        try:
            yield World(system, clock, sandbox, far, api(system))
        finally:
            await clients.aclose()


def api(system: System, **limits: int) -> App:
    """The API over one process; `limits` per minute, by class."""
    return create_app(
        list(FEATURE.routes),
        open_scope=lambda who, facts: Scope(who.tenant_id, who, system.engine, system.clock, *facts),
        authenticators=[TokenAuthenticator([own_issuer(SharedKey(_KEY))], system.clock)],
        secret=_KEY,
        settings=HttpSettings(limits={"callback": 100_000, "connection": 100_000, "integration": 100_000, **limits}),
        checks={},
        system=system,
        clock=system.clock,
    )
