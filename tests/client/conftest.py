"""A far side on loopback that answers what a test tells it to, byte by byte if need be."""

import asyncio
import heapq
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import pytest

from isthmus.client import AioTransport
from isthmus.kit.clock import ManualClock


@dataclass
class Seen:
    """One request as the far side read it."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


Reply = bytes | Callable[[Seen, asyncio.StreamWriter], Awaitable[None]]


def reply(status: int = 200, body: bytes = b"{}", *, kind: str = "application/json", **headers: str) -> bytes:
    """A whole reply; `Retry_After="2"` becomes a header."""
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}"]
    if kind:
        lines.append(f"Content-Type: {kind}")
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@dataclass
class FarSide:
    """Answers by `routes` (path -> replies in turn, the last one for ever) or with 200 {}."""

    url: str = ""
    port: int = 0
    seen: list[Seen] = field(default_factory=list)
    routes: dict[str, list[Reply]] = field(default_factory=dict)
    connections: int = 0
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    def answer(self, path: str, *replies: Reply) -> None:
        self.routes[path] = list(replies)

    def paths(self) -> list[str]:
        return [one.target for one in self.seen]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._open.add(writer)
        try:
            while (seen := await self._read(reader)) is not None:
                self.seen.append(seen)
                replies = self.routes.get(seen.target.partition("?")[0], [reply()])
                chosen = replies.pop(0) if len(replies) > 1 else replies[0]
                if isinstance(chosen, bytes):
                    writer.write(chosen)
                    await writer.drain()
                else:
                    await chosen(seen, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._open.discard(writer)
            writer.close()

    async def _read(self, reader: asyncio.StreamReader) -> Seen | None:
        head = await reader.readuntil(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")[:-2]
        method, target, _ = first.split(" ")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        body = b""
        if "content-length" in headers:
            body = await reader.readexactly(int(headers["content-length"]))
        elif "chunked" in headers.get("transfer-encoding", ""):
            while size := int(await reader.readuntil(b"\r\n"), 16):
                body += await reader.readexactly(size)
                await reader.readline()
            await reader.readline()
        return Seen(method, target, headers, body)

    def drop(self) -> None:
        for writer in list(self._open):
            writer.transport.abort()


@pytest.fixture
async def far_side() -> AsyncIterator[FarSide]:
    side = FarSide()
    server = await asyncio.start_server(side.serve, "127.0.0.1", 0, limit=2**20)
    side.port = server.sockets[0].getsockname()[1]
    side.url = f"http://127.0.0.1:{side.port}"
    yield side
    side.drop()
    server.close()
    await server.wait_closed()
    await asyncio.sleep(0)


@pytest.fixture
async def transport() -> AsyncIterator[AioTransport]:
    opened = AioTransport()
    yield opened
    await opened.aclose()


@pytest.fixture
def respond() -> Callable[..., bytes]:
    return reply


class VirtualClock(ManualClock):
    """Time that moves to the next sleeper when nothing else is left to do."""

    def __init__(self) -> None:
        super().__init__()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = itertools.count()
        self._driver: asyncio.Task[None] | None = None

    async def sleep(self, seconds: float) -> None:
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self.monotonic() + max(0.0, seconds), next(self._order), woken))
        if self._driver is None or self._driver.done():
            self._driver = asyncio.create_task(self._drive())
        await woken

    async def _drive(self) -> None:
        ready = asyncio.get_running_loop()._ready  # type: ignore[attr-defined] # the only way to see idleness
        while self._sleepers:
            await asyncio.sleep(0)
            if ready:
                continue
            when, _, woken = heapq.heappop(self._sleepers)
            if not woken.done():
                self.advance(max(0.0, when - self.monotonic()))
                woken.set_result(None)


@pytest.fixture
def virtual() -> VirtualClock:
    return VirtualClock()


@pytest.fixture(scope="module")
def virtual_clock() -> type[VirtualClock]:
    """To make one in a loop of the test's own."""
    return VirtualClock
