"""A whole deployment in one process over loopback: platform, API, worker and sandboxes, for the stories."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import aiohttp

from isthmus.app import SECTIONS, Platform, address_of, open_platform, serve_api, work_queue
from isthmus.client import calls_forbidden
from isthmus.features import access, catalog
from isthmus.http import SharedKey, mint
from isthmus.http.server import bind
from isthmus.kit.clock import SYSTEM, Clock
from isthmus.kit.permissions import PLATFORM_TENANT, TENANT_ADMIN, system
from isthmus.kit.secret import Secret
from isthmus.sandbox import SandboxServer, walk
from isthmus.settings import load

KEY = "journeys-sign-tokens-with-this-key-only"
MASTER = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
_LIMITS = dict.fromkeys(("other", "connection", "integration", "provider", "callback", "search", "widget"), 100_000)
LIVE = {"queued", "running", "cancelling"}


class Place(Protocol):
    """What has an address."""

    @property
    def address(self) -> str:
        """Where the API answers."""
        ...


@dataclass
class Answer:
    """Status, headers and decoded body of an API answer."""

    status: int
    headers: Mapping[str, str]
    body: Any


class Form(dict[str, Any]):
    """A body that goes as a form with a file; `file` is its text."""

    def data(self) -> aiohttp.FormData:
        """The form as it is sent."""
        form = aiohttp.FormData()
        for name, value in self.items():
            form.add_field(name, value, **({"filename": "products.csv"} if name == "file" else {}))
        return form


def sent(body: object) -> dict[str, Any]:
    """The arguments of a request that carries this body."""
    return {"data": body.data()} if isinstance(body, Form) else {"json": body}


@dataclass
class Merchant:
    """A tenant and somebody in it, with a browser that keeps cookies."""

    deployment: "Place"
    tenant_id: str
    token: str
    browser: aiohttp.ClientSession = field(repr=False)

    async def call(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """One call to the API, signed in."""
        signed_in = {"authorization": f"Bearer {self.token}", **headers}
        url = self.deployment.address + path
        async with self.browser.request(method, url, **sent(body), headers=signed_in, allow_redirects=False) as answer:
            raw = await answer.read()
            parsed = (
                await answer.json() if raw and answer.headers.get("content-type", "") == "application/json" else raw
            )
            return Answer(answer.status, answer.headers, parsed)

    async def connect(self, provider: str, seller: str | None = None) -> str:
        """Through the platform's consent page; the connection's id."""
        opened = await self.call("POST", "/api/connections", {"provider": provider})
        assert opened.status == 201, opened.body
        async with self.browser.get(opened.body["authorizationUrl"], allow_redirects=False) as answer:
            consent = answer.headers["location"]
        async with self.browser.get(await walk(consent, seller=seller), allow_redirects=False) as answer:
            assert answer.status == 200, await answer.text()
        return str(opened.body["id"])

    async def sync(self, connection_id: str, mode: str = "full", entity: str = "products") -> dict[str, Any]:
        """Start a run and wait for its end."""
        run = await self.call("POST", f"/api/sync/{entity}", {"connectionId": connection_id, "mode": mode})
        assert run.status == 202, run.body
        return await self.finished(run.body["id"])

    async def finished(self, run_id: str, patience: float = 60) -> dict[str, Any]:
        """The run, once it has ended."""
        async with asyncio.timeout(patience):
            while True:
                run: dict[str, Any] = (await self.call("GET", f"/api/sync/runs/{run_id}")).body
                if run["state"] not in LIVE:
                    return run
                await asyncio.sleep(0.05)

    async def everything(self, path: str, key: str) -> list[dict[str, Any]]:
        """All rows of a list, page by page."""
        rows: list[dict[str, Any]] = []
        cursor = ""
        while True:
            answer = await self.call("GET", f"{path}limit=100{cursor}")
            assert answer.status == 200, answer.body
            rows += answer.body[key]
            if not answer.body.get("nextCursor"):
                return rows
            cursor = f"&cursor={answer.body['nextCursor']}"


@dataclass
class Deployment:
    """What runs."""

    platform: Platform
    sandbox: SandboxServer
    address: str
    browsers: list[aiohttp.ClientSession] = field(default_factory=list)
    owners: dict[str, tuple["Merchant", str]] = field(default_factory=dict)
    worker: asyncio.Task[None] | None = None
    #: Set when the worker is to end.
    resting: asyncio.Event = field(default_factory=asyncio.Event)

    async def owner(self, provider: str) -> tuple["Merchant", str]:
        """The merchant who has the first shop of a platform, and its connection; a shop has one owner."""
        if provider not in self.owners:
            amy = await self.merchant(f"Amy at {provider}")
            self.owners[provider] = (amy, await amy.connect(provider))
        return self.owners[provider]

    async def rest(self) -> None:
        """End the worker: from here on nothing moves by itself. Jobs that a test calls are not told to hurry."""
        self.resting.set()
        if self.worker is not None:
            await self.worker
        self.platform.engine.queue.stopping.clear()

    async def merchant(self, name: str, roles: Sequence[str] = (TENANT_ADMIN,)) -> Merchant:
        """A new tenant with one signed-in person."""
        tenant = await access.create_tenant(self.platform.scope(PLATFORM_TENANT, _OPERATOR), name)
        return self.person(tenant.id, roles)

    def person(self, tenant_id: str, roles: Sequence[str], subject: str = "amy") -> Merchant:
        """Somebody in a tenant."""
        key = SharedKey(Secret(KEY))
        token = mint(key, tenant_id=tenant_id, subject=subject, roles=roles, clock=self.platform.clock).reveal()
        jar = aiohttp.CookieJar(unsafe=True)
        browser = aiohttp.ClientSession(cookie_jar=jar, timeout=aiohttp.ClientTimeout(total=30))
        self.browsers.append(browser)
        return Merchant(self, tenant_id, token, browser)


_OPERATOR = system(PLATFORM_TENANT, "journeys")


@contextmanager
def no_calls() -> Iterator[None]:
    """Outbound calls are refused while their task holds an open transaction."""
    token = calls_forbidden.set("a database transaction is open")
    try:
        yield
    finally:
        calls_forbidden.reset(token)


@asynccontextmanager
async def deployment(
    database_url: str,
    home: Path,
    products: int = 12,
    *,
    clock: Clock = SYSTEM,
    searches: str = "100000",
    **more: str,
) -> AsyncIterator[Deployment]:
    """Everything up, with the sandboxes' apps registered; `more` are settings, `ISTHMUS_` left out."""
    bound = bind("127.0.0.1", 0)
    address = address_of(bound)
    given = {
        "ISTHMUS_HOME": str(home),
        "ISTHMUS_DATABASE_URL": database_url,
        "ISTHMUS_AUTH__HS256": KEY,
        "ISTHMUS_MASTER_KEY": MASTER,
        **{f"ISTHMUS_{name}": value for name, value in more.items()},
    }
    stop = asyncio.Event()
    async with (
        SandboxServer(products=products) as sandbox,
        open_platform(
            load(
                SECTIONS,
                given,
                {
                    "ISTHMUS_HTTP__LIMITS": _LIMITS | {"search": int(searches)},
                    "ISTHMUS_HTTP__FAILURES_PER_MINUTE": 100_000,
                },
            ),
            upgrade=False,
            public_url=address,
            on_open=no_calls,
            clock=clock,
        ) as platform,
        asyncio.TaskGroup() as group,
    ):
        group.create_task(serve_api(platform, bound, stop))
        made = Deployment(platform, sandbox, address)
        made.worker = group.create_task(work_queue(platform, made.resting))
        try:
            await register(platform, sandbox)
            yield made
        finally:
            for browser in made.browsers:
                await browser.close()
            made.resting.set()
            stop.set()


async def register(platform: Platform, sandbox: SandboxServer) -> None:
    """Tell the platform the sandboxes' apps and addresses."""
    scope = platform.scope(PLATFORM_TENANT, _OPERATOR)
    for name, shop in sandbox.shops.items():
        manifest = scope.part(catalog.Providers).found(name).manifest
        asked = {field.name for field in manifest.app_fields}
        given = {field: Secret(value) for field, value in shop.apps[0].credentials.items() if field in asked}
        hosts = {host: place for host, place in shop.hosts.items() if host in manifest.hosts}
        await catalog.set_app(scope, name, credentials=given, hosts=hosts)
