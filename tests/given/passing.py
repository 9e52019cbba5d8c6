# ruff: noqa: ARG002 - the signatures are the contract's
"""A far side that tells what reached it, can search, and has bad days; and an API of search, proxy and widgets."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import httpx2
import msgspec
from aiohttp import web
from tests.given import rotor, vault
from tests.given.connections import Side

from isthmus.connect.manifest import Entity
from isthmus.connect.record import Record
from isthmus.connect.registry import Found
from isthmus.connect.spi import Account, FoundRecord, RawRecord, RecordPage, SearchFor, Session, Unmappable, Window
from isthmus.engine.db import Database
from isthmus.engine.presence import Presence
from isthmus.feature import Feature
from isthmus.features import catalog, connections, proxy, search, widgets
from isthmus.features.connections.feature import FEATURE as CONNECTIONS
from isthmus.features.proxy.feature import FEATURE as PROXY
from isthmus.features.search.feature import FEATURE as SEARCH
from isthmus.features.widgets.feature import FEATURE as WIDGETS
from isthmus.http import App, Authenticator, HttpSettings, SharedKey, TokenAuthenticator, create_app, mint, own_issuer
from isthmus.kit.clock import SYSTEM
from isthmus.kit.secret import Secret
from isthmus.sandbox.clock import ShiftedClock
from isthmus.scope import Scope, System

BASE = "http://localhost"
_KEY = Secret("k" * 40)
_ENTITIES = (
    Entity("products", "Products", "product"),
    Entity("tickets", "Tickets", "ticket", fields=("state", "size")),
)


@dataclass
class Far:
    """The far side: who calls it with which key, and everything that arrived."""

    url: str = ""
    keys: dict[str, str] = field(default_factory=dict)
    seen: list[dict[str, Any]] = field(default_factory=list)
    #: What a search finds, by account.
    shelf: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    #: What the next calls are answered, whatever they are.
    statuses: list[int] = field(default_factory=list)
    released: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Tells what arrived, or what the path asks for."""
        body = await _length_alone(request) if request.path == "/sink" else await request.read()
        told = {
            "method": request.method,
            "path": request.raw_path,
            "headers": {name.lower(): value for name, value in request.headers.items()},
            "body": body.decode("latin-1"),
        }
        self.seen.append(told)
        if self.statuses:
            return self._bad()
        account = self.keys.get(request.headers.get("authorization", "").removeprefix("Bearer "))
        if account is None:
            return web.json_response({"error": "unauthorized"}, status=401)
        if request.path == "/hang" or account.startswith("hang"):
            await self.released.wait()
            if self.statuses:
                return self._bad()
        return self._said(request, account) or _odd(request) or web.json_response(told, headers=_BAGGAGE)

    def _bad(self) -> web.Response:
        return web.json_response({"error": "bad day"}, status=self.statuses.pop(0), headers={"retry-after": "0"})

    def _said(self, request: web.Request, account: str) -> web.Response | None:
        """What some paths answer instead."""
        if request.path == "/me":
            return web.json_response({"id": account})
        if request.path == "/search":
            return web.json_response(self.shelf.get(account, []), status=500 if account.startswith("fail") else 200)
        if request.path == "/tickets":
            return web.json_response(self.shelf.get(account, []))
        if request.headers.get("if-none-match"):
            return web.Response(status=304, headers={"etag": request.headers["if-none-match"]})
        if request.path == "/large":
            return web.Response(body=b"x" * int(request.query["bytes"]))
        if request.path == "/status":
            return web.json_response({"error": "as asked"}, status=int(request.query["code"]))
        return None


def _odd(request: web.Request) -> web.Response | None:
    """Answers that want to be read with care."""
    if request.path == "/led":
        return web.Response(status=int(request.query["code"]), headers={"location": request.query["to"]})
    if request.path == "/packed":
        packing = request.query["as"]
        packed = gzip.compress(b"unpacked") if packing == "gzip" else b"whatever it is"
        return web.Response(body=packed, headers={"content-encoding": packing, "content-md5": "x", "etag": '"e"'})
    if request.path == "/part":
        told = {"content-range": "bytes 0-1/9", "x-asked": request.headers["accept-encoding"]}
        return web.Response(status=206, body=b"ab", headers=told)
    return None


async def _length_alone(request: web.Request) -> bytes:
    """How long the body is; what is longer than anybody keeps can be sent, too."""
    return b"%d" % sum([len(piece) async for piece in request.content.iter_any()])


_BAGGAGE = {
    "set-cookie": "far=1",
    "connection": "keep-alive, x-hop",
    "x-hop": "1",
    "access-control-allow-origin": "*",
    "strict-transport-security": "max-age=1",
    "x-page-token": "secret of the platform",
    "link": "</next>; rel=next",
    "x-total": "7",
}


class Reader(rotor.Rotor):
    """A connector that reads an entity by name."""

    async def pull(self, session: Session, entity: str, window: Window, cursor: str | None) -> RecordPage:
        """What is on the account's shelf, three at a time."""
        at = int(cursor or 0)
        rows = msgspec.json.decode((await session.client.get("/tickets")).content, type=list[dict[str, Any]])
        records = [RawRecord(row["id"], msgspec.json.encode(row)) for row in rows[at : at + 3]]
        return RecordPage(records, str(at + 3) if at + 3 < len(rows) else None)

    def map(self, entity: str, record: RawRecord, account: Account) -> Record:
        """Its fields as they are."""
        row = msgspec.json.decode(record.payload)
        if "title" not in row:
            raise Unmappable("no title")
        return Record(row["id"], row["title"], body={name: row[name] for name in row if name not in {"id", "title"}})


class _Row(msgspec.Struct):
    id: str
    title: str
    entity: str = "products"
    at: datetime | None = None


class Finder(Reader):
    """The same, with a far side that can search."""

    search_filters = frozenset({"colour"})

    async def search(self, session: Session, wanted: SearchFor) -> Sequence[FoundRecord]:
        """What is on the account's shelf."""
        if session.account.id == "broken":
            raise RuntimeError("a mistake of the connector's own")
        answer = await session.client.get("/search", query={"q": wanted.query, **wanted.filters})
        rows = msgspec.json.decode(answer.content, type=list[_Row])
        return [FoundRecord(row.entity, row.id, row.title, updated_at=row.at) for row in rows]


@asynccontextmanager
async def far_side() -> AsyncIterator[Far]:
    """The far side on a loopback port."""
    state = Far()
    app = web.Application(client_max_size=8 * 1024 * 1024)
    app.router.add_route("*", "/{tail:.*}", state.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    state.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield state
    finally:
        state.released.set()
        await runner.cleanup()


@dataclass
class World:
    """The process, its far side, and who calls."""

    system: System
    clock: ShiftedClock
    far: Far
    app: App

    def side(self, tenant: str, subject: str = "usr_1", role: str = "tenant_admin") -> Side:
        """A signed-in caller."""
        http = httpx2.AsyncClient(transport=httpx2.ASGITransport(app=self.app), base_url=BASE)
        token = mint(SharedKey(_KEY), tenant_id=tenant, subject=subject, roles=[role], clock=self.system.clock)
        return Side(http, {"authorization": f"Bearer {token.reveal()}"})

    def scope(self, tenant: str, subject: str = "usr_1") -> Scope:
        """The same person, below HTTP."""
        return vault.scope(self.system, tenant, subject=subject)

    async def connect(self, tenant: str, account: str, provider: str = "keys", **facts: Any) -> tuple[str, str]:
        """An integration of that provider with its connection; their ids. `facts` are of the integration."""
        side = self.side(tenant)
        self.far.keys[f"canary-key-{account}"] = account
        body = {"integrationId": provider, "name": f"{provider} {account}", **facts}
        made = await side("POST", "/api/tenant/integrations", body)
        assert made.status_code == 201, made.text
        path = f"/api/tenant/integrations/{made.json()['id']}/connect/api-key"
        connected = await side("POST", path, {"apiKey": f"canary-key-{account}"})
        assert connected.status_code == 200, connected.text
        return made.json()["id"], connected.json()["connectionId"]

    async def clear(self) -> None:
        """Nobody has connected anything, and the far side is well."""
        await self.system.engine.part(proxy.Lines).aclose()
        async with self.system.tx() as tx:
            await tx.execute_sql("delete from widget_activities")
            await tx.execute_sql("delete from connections")
            await tx.execute_sql("delete from integrations")
        self.far.seen.clear()
        self.far.statuses.clear()
        self.far.shelf.clear()


def provider(name: str, url: str, *, finds: bool = False) -> Found:
    """A provider that is connected by a key."""
    plain = rotor.found(name, url, "api_key")
    manifest = msgspec.structs.replace(plain.manifest, entities=_ENTITIES)
    return replace(plain, manifest=manifest, connector=(Finder if finds else Reader)(manifest))


@asynccontextmanager
async def world(
    database: Database, *more: Feature, authenticators: Sequence[Authenticator] = (), **settings: object
) -> AsyncIterator[World]:
    """The API over one database; `settings` replace those of rooms, by any name."""
    clock = ShiftedClock(SYSTEM)
    async with far_side() as far:
        reach = connections.Settings(public_url=BASE)
        clients = connections.Clients(reach)
        shelf = {"keys": provider("keys", far.url), "finder": provider("finder", far.url, finds=True)}
        given = [search.Settings(), proxy.Settings(), widgets.Settings(), *settings.values()]
        lines = proxy.Lines(next(one for one in reversed(given) if isinstance(one, proxy.Settings)))
        presence = Presence(database)
        presence.tell("proxy.at_once", lines.counts)
        presence.tell("connections.host_connections", clients.hosts.counts)
        parts: dict[type, object] = {
            Presence: presence,
            connections.Settings: reach,
            connections.Clients: clients,
            catalog.Providers: catalog.Providers(shelf),
            catalog.GivenApps: catalog.read_apps({}),
            proxy.Lines: lines,
            widgets.Shelf: widgets.Shelf(1_000_000),
            **{type(one): one for one in given},
        }
        system = vault.process(database, clock=clock, parts=parts)
        features = (CONNECTIONS, SEARCH, PROXY, WIDGETS, *more)
        try:
            yield World(system, clock, far, _api(system, features, authenticators))
        finally:
            await lines.aclose()
            await clients.aclose()


def _api(system: System, features: Sequence[Feature], authenticators: Sequence[Authenticator]) -> App:
    return create_app(
        [routes for one in features for routes in one.routes],
        open_scope=lambda who, facts: Scope(who.tenant_id, who, system.engine, system.clock, *facts),
        authenticators=[*authenticators, TokenAuthenticator([own_issuer(SharedKey(_KEY))], system.clock)],
        secret=_KEY,
        settings=HttpSettings(
            limits=dict.fromkeys(("connection", "integration", "search", "widget", "other"), 100_000)
        ),
        checks={},
        system=system,
        clock=system.clock,
    )


def told(answer: httpx2.Response) -> dict[str, Any]:
    """What the far side says that it was asked."""
    found: dict[str, Any] = json.loads(answer.content)
    return found
