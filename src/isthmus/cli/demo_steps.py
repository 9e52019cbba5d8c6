"""What the demo does, through the public API over loopback HTTP: sign in three shops and sync their listings."""

import asyncio
import resource
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from http import HTTPStatus
from typing import Any

import aiohttp

from isthmus.app import Platform
from isthmus.client import NEVER, ApiClient, Bearer
from isthmus.features import access, catalog
from isthmus.kit.errors import Problem
from isthmus.kit.permissions import PLATFORM_TENANT, TENANT_ADMIN, system
from isthmus.kit.secret import Secret
from isthmus.sandbox import walk

_RUN_SECONDS = 1800.0
_STEP_SECONDS = 20.0
_LOOK_SECONDS = 0.5
_LIVE = {"queued", "running", "cancelling"}


class DemoFailed(Problem):
    """The demo could not connect a shop.

    The message names the shop and the step; run it again, and report it with that line if it stays.
    """

    code = "DEMO_FAILED"


@dataclass(frozen=True, slots=True)
class ConnectedShop:
    """A shop that went through its consent page."""

    provider: str
    connection_id: str
    name: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """One row of the demo's table."""

    provider: str
    shop: str
    state: str
    listings: int
    variants: int
    orders: int
    pages: int
    failed: int
    retries: int
    throttled: int
    seconds: float
    rows_per_cpu_second: float

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Emulated:
    """Where an emulated platform answers, and an app that is registered there."""

    hosts: Mapping[str, str]
    app: Mapping[str, str] = field(repr=False)


class Demo:
    """The steps, in order: prepare, connect_all, sync_all."""

    def __init__(self, platform: Platform, address: str, sandboxes: Mapping[str, Emulated]) -> None:
        self.address = address
        self.token = Secret("")
        self._platform = platform
        self._sandboxes = sandboxes
        self._api: ApiClient | None = None
        self._shops: list[ConnectedShop] = []

    async def aclose(self) -> None:
        """Close the client."""
        if self._api is not None:
            await self._api.aclose()

    async def prepare(self) -> None:
        """Make a tenant and give the platform the sandboxes' app registrations and hosts."""
        scope = self._platform.scope(PLATFORM_TENANT, system(PLATFORM_TENANT, "demo"))
        tenant = await access.create_tenant(scope, "Áo Dài Demo")
        providers = scope.part(catalog.Providers)
        # The demo walks consent pages; shops that are connected by keys have none.
        self._sandboxes = {
            name: shop for name, shop in self._sandboxes.items() if providers.found(name).manifest.auth == "oauth2"
        }
        for name, shop in self._sandboxes.items():
            credentials = {credential: Secret(value) for credential, value in shop.app.items()}
            known = providers.found(name).manifest.hosts
            hosts = {host: address for host, address in shop.hosts.items() if host in known}
            await catalog.set_app(scope, name, credentials=credentials, hosts=hosts)
        self.token = self._platform.development_token(tenant.id, subject="demo", roles=[TENANT_ADMIN], hours=24)
        self._api = ApiClient(self.address, auth=Bearer(self.token), deadline=_STEP_SECONDS, retry=NEVER)

    async def connect_all(self) -> Sequence[ConnectedShop]:
        """Walk each platform's consent page as a seller would."""
        self._shops = [await self._connect(name) for name in self._sandboxes]
        return self._shops

    async def _connect(self, provider: str) -> ConnectedShop:
        """One browser from the first call to the last page, so that the consent ends connected (security.md OA-03)."""
        deadline = aiohttp.ClientTimeout(total=_STEP_SECONDS)
        jar = aiohttp.CookieJar(unsafe=True)  # takes the cookies of loopback addresses
        async with aiohttp.ClientSession(timeout=deadline, cookie_jar=jar) as browser:
            signed_in = {"authorization": f"Bearer {self.token.reveal()}"}
            where = f"{self.address}/api/connections"
            async with browser.post(where, json={"provider": provider}, headers=signed_in) as answer:
                opened = await answer.json()
            if answer.status != HTTPStatus.CREATED:
                raise DemoFailed(f"{provider}: {opened['error']['message']}")
            async with browser.get(opened["authorizationUrl"], allow_redirects=False) as answer:
                consent = answer.headers.get("location", "")
            async with browser.get(await walk(consent), allow_redirects=False) as answer:
                await answer.read()
        state = await self._call("GET", f"/api/connections/{opened['id']}")
        if state["status"] != "connected":
            raise DemoFailed(f"{provider}: the connection is {state['status']} after its consent page")
        return ConnectedShop(provider, opened["id"], str(state.get("name") or provider))

    async def sync_all(self, show: Callable[[str, Mapping[str, Any]], None]) -> list[Outcome]:
        """Sync one shop after the other, so that each one's CPU time is its own."""
        return [await self._sync(shop, show) for shop in self._shops]

    async def _sync(self, shop: ConnectedShop, show: Callable[[str, Mapping[str, Any]], None]) -> Outcome:
        before = _cpu_seconds()
        run = await self._read(shop, "products", show)
        spent = _cpu_seconds() - before
        orders = await self._read(shop, "orders", show)
        return _outcome(shop, run, orders, spent)

    async def _read(
        self, shop: ConnectedShop, entity: str, show: Callable[[str, Mapping[str, Any]], None]
    ) -> dict[str, Any]:
        asked = {"connectionId": shop.connection_id, "mode": "full"}
        run = await self._call("POST", f"/api/sync/{entity}", asked)
        async with asyncio.timeout(_RUN_SECONDS):
            while run["state"] in _LIVE:
                show(shop.provider, run)
                await asyncio.sleep(_LOOK_SECONDS)
                run = await self._call("GET", f"/api/sync/runs/{run['id']}")
        show(shop.provider, run)
        return run

    async def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        if self._api is None:
            raise DemoFailed("prepare() comes first")
        answer: dict[str, Any] = (await self._api.request(method, path, json=body)).decode(dict[str, Any])
        return answer


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _outcome(shop: ConnectedShop, run: Mapping[str, Any], orders: Mapping[str, Any], cpu_seconds: float) -> Outcome:
    rows = run["listings"] + run["variants"]
    seconds = _seconds(run)
    return Outcome(
        provider=shop.provider,
        shop=shop.name,
        state=run["state"] if orders["state"] == "succeeded" else orders["state"],
        listings=run["listings"],
        variants=run["variants"],
        orders=orders["listings"],
        pages=run["pages"],
        failed=run["failed"] + orders["failed"],
        retries=run["retries"],
        throttled=run["throttled"],
        seconds=round(seconds, 2),
        rows_per_cpu_second=round(rows / cpu_seconds, 1) if cpu_seconds else 0.0,
    )


def _seconds(run: Mapping[str, Any]) -> float:
    if not run["startedAt"] or not run["finishedAt"]:
        return 0.0
    started, finished = (datetime.fromisoformat(run[name]) for name in ("startedAt", "finishedAt"))
    return (finished - started).total_seconds()
