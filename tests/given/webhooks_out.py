"""A tenant with webhook endpoints, and receivers on loopback that answer as they are told."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar

import asyncpg
from aiohttp import web
from tests.given import vault as given_vault
from tests.house_database import Copy

from isthmus.engine.bus import Walls
from isthmus.engine.db import Database
from isthmus.features.webhooks_out import Catalogue, Sender, Settings, deliver, fan_out
from isthmus.features.webhooks_out.events import EMITS
from isthmus.kit.clock import SYSTEM, Clock
from isthmus.kit.events import Event
from isthmus.scope import Scope, System

QUICK: Mapping[str, Any] = {
    "allow_networks": ("127.0.0.0/8",),
    "allow_http": True,
    "deadline": timedelta(seconds=20),
    "poll": timedelta(seconds=0.05),
    "heartbeat": timedelta(seconds=0.1),
    "lease": timedelta(seconds=60),
}


class Filled(Event):
    """A shelf was filled."""

    type: ClassVar[str] = "shelf.filled"
    public: ClassVar[bool] = True
    data: ClassVar[Mapping[str, Any]] = {"n": {"type": "integer"}}


class Dusted(Event):
    """Nobody outside cares."""

    type: ClassVar[str] = "shelf.dusted"


@dataclass
class Shifted:
    """The system's clock, some time ahead or behind."""

    ahead: timedelta = timedelta(0)

    def now(self) -> datetime:
        """The time of day."""
        return SYSTEM.now() + self.ahead

    def monotonic(self) -> float:
        """What no step of the clock moves."""
        return SYSTEM.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await SYSTEM.sleep(seconds)


@dataclass
class Sink:
    """A receiver: what came in, and what it answers."""

    answer: Callable[[web.Request], Awaitable[web.StreamResponse]] | None = None
    status: int = 204
    url: str = ""
    heads: list[Mapping[str, str]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    came: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Note the message and answer."""
        body = await request.read()
        self.paths.append(request.path)
        self.heads.append({name.lower(): value for name, value in request.headers.items()})
        self.bodies.append(body)
        self.came.set()
        return web.Response(status=self.status) if self.answer is None else await self.answer(request)

    async def wait_for(self, count: int, seconds: float = 60) -> None:
        """Until so many messages have come in."""
        async with asyncio.timeout(seconds):
            while len(self.bodies) < count:
                self.came.clear()
                await self.came.wait()


@asynccontextmanager
async def sink(**told: Any) -> AsyncIterator[Sink]:
    """A receiver on loopback."""
    made = Sink(**told)
    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", made.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    try:
        yield made
    finally:
        await runner.cleanup()


@asynccontextmanager
async def process(
    database: Database, clock: Clock = SYSTEM, walls: Walls | None = None, **knobs: Any
) -> AsyncIterator[System]:
    """One worker process with a vault and a sender of its own, and the walls around what its events are about."""
    settings = Settings(**{**QUICK, **knobs})
    sender = Sender(settings)
    parts: dict[type, object] = {Settings: settings, Sender: sender, Catalogue: Catalogue([*EMITS, Filled, Dusted])}
    if walls is not None:
        parts[Walls] = walls
    try:
        yield given_vault.process(database, clock=clock, parts=parts)
    finally:
        await sender.aclose()


@asynccontextmanager
async def working(system: System) -> AsyncIterator[None]:
    """The bus, the fan-out and the sender of one process."""
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for work in (system.engine.bus.run(stop, {}), fan_out(system, stop), deliver(system, stop)):
            group.create_task(work)
        try:
            yield
        finally:
            stop.set()


async def emit(scope: Scope, *numbers: int, kind: type[Event] = Filled) -> None:
    """Facts of the tenant, one transaction."""
    async with scope.tx() as tx:
        tx.emit(*(kind(subject=f"she_{number}", body={"n": number}) for number in numbers))


async def clear(copied: Copy) -> None:
    """Empty the room."""
    admin = await asyncpg.connect(copied.admin_url)
    await admin.execute(
        "truncate webhook_endpoints, webhook_deliveries, webhook_attempts, webhook_due, webhook_recoveries, events,"
        " webhook_event_types, webhook_retention, webhook_workers; update webhook_shards set until = '-infinity'"
    )
    await admin.close()
