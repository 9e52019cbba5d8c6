"""Runs emulated platforms on loopback ports, inside the calling process."""

import asyncio
import contextlib
import importlib
import importlib.util
import pkgutil
import socket
from collections.abc import Iterator, Mapping, Sequence

import uvicorn

from isthmus.kit.clock import SYSTEM, Clock
from isthmus.kit.errors import NotFound, Unavailable
from isthmus.sandbox.catalogue import CatalogueProduct
from isthmus.sandbox.clock import ShiftedClock
from isthmus.sandbox.front import Front, Wire
from isthmus.sandbox.shop import Shop, World

_ROOT = "isthmus.connectors"
_LOOPBACK = "127.0.0.1"


def discover() -> dict[str, type[Shop]]:
    """Every platform that has a sandbox, by name: the connectors' folders with a `sandbox` that names a `PLATFORM`."""
    found: dict[str, type[Shop]] = {}
    for module in pkgutil.iter_modules(importlib.import_module(_ROOT).__path__):
        name = f"{_ROOT}.{module.name}.sandbox"
        if module.ispkg and importlib.util.find_spec(name) is not None:
            kind = importlib.import_module(name).PLATFORM
            found[kind.platform] = kind
    return dict(sorted(found.items()))


class _Served(uvicorn.Server):
    """A server that leaves the process's signals alone and tells when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self.listening.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class SandboxServer:
    """Emulated platforms, one loopback port each: `async with SandboxServer() as server: server.shops[...]`.

    The same seed gives the same ids, data and tokens; dates lie before the midnight (UTC) ahead of `clock`, which
    `server.clock.advance(seconds)` moves. `catalogue` fills each main seller's shop in place of `products` drawn ones.
    `kinds` are platforms beside those of the connectors' folders, such as one that is being written.
    Raises `NotFound` for a platform that has no sandbox, `Unavailable` when a port of `ports` is taken.
    """

    def __init__(  # one knob per property of the world, all optional
        self,
        platforms: Sequence[str] | None = None,
        *,
        seed: int = 1,
        products: int = 60,
        orders: int = 40,
        clock: Clock = SYSTEM,
        catalogue: Sequence[CatalogueProduct] | None = None,
        ports: Mapping[str, int] | None = None,
        kinds: Mapping[str, type[Shop]] | None = None,
    ) -> None:
        known = {**discover(), **(kinds or {})}
        missing = [name for name in platforms or () if name not in known]
        if missing:
            raise NotFound(f"no sandbox for {', '.join(missing)}; there are {', '.join(known)}")
        self.clock = ShiftedClock(clock)
        world = World(seed, products, self.clock, catalogue, orders)
        names = list(known) if platforms is None else list(platforms)
        self.shops: Mapping[str, Shop] = {name: known[name](world) for name in names}
        self._ports = dict(ports or {})
        self._running: list[tuple[_Served, Front, asyncio.Task[None]]] = []

    async def __aenter__(self) -> "SandboxServer":
        try:
            for shop in self.shops.values():
                await self._start(shop)
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def _start(self, shop: Shop) -> None:
        sock = _listen(self._ports.get(shop.platform, 0), shop.platform)
        shop.base_url = f"http://{_LOOPBACK}:{sock.getsockname()[1]}"
        shop.hosts = shop.addresses(shop.base_url)
        front = Front(shop)
        config = uvicorn.Config(
            front,
            http=Wire,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            timeout_graceful_shutdown=1,
        )
        server = _Served(config)
        task = asyncio.create_task(server.serve(sockets=[sock]), name=f"sandbox {shop.platform}")
        self._running.append((server, front, task))
        await server.listening.wait()

    async def stop(self) -> None:
        """Close every port; requests in flight get a second to end."""
        for server, front, _ in self._running:
            front.stop()
            server.should_exit = True
        await asyncio.gather(*[task for _, _, task in self._running], return_exceptions=True)
        self._running.clear()


def _listen(port: int, platform: str) -> socket.socket:
    # Named as TCP, since asyncio turns Nagle off for no other: small answers would wait 40 ms each.
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((_LOOPBACK, port))
    except OSError as error:
        sock.close()
        raise Unavailable(f"the {platform} sandbox cannot use port {port}: {error.strerror}") from error
    sock.listen(128)
    sock.setblocking(False)
    return sock
