"""Senders of large bodies, all at once, who stand before the end of theirs: what a process holds of them is seen."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import psutil

_PIECE = bytes(65_536)
_PATIENCE = 3_600


@dataclass(frozen=True, slots=True)
class Body:
    """What is sent where: so many zeros, with what stands before and behind them."""

    address: str
    path: str
    size: int
    headers: Sequence[str] = ()
    before: bytes = b""
    behind: bytes = b"\0"

    def head(self) -> bytes:
        """Its head, with its whole length."""
        length = len(self.before) + self.size + len(self.behind)
        lines = [f"POST {self.path} HTTP/1.1", f"Host: {urlsplit(self.address).netloc}", *self.headers]
        return "\r\n".join([*lines, f"Content-Length: {length}", "Connection: close", "\r\n"]).encode()


async def send(body: Body, stand: Callable[[], Awaitable[None]]) -> int:
    """The status that a body is answered; all of it but the end is sent, then its sender stands."""
    there = urlsplit(body.address)
    reader, writer = await asyncio.open_connection(there.hostname, there.port)
    answer = asyncio.create_task(reader.readline())
    try:
        # a server that refuses does not take the rest
        with contextlib.suppress(ConnectionError):
            writer.write(body.head() + body.before)
            for _ in range(body.size // len(_PIECE)):
                await writer.drain()
                writer.write(_PIECE)
                if answer.done():
                    break
            await writer.drain()
            await asyncio.wait([answer, waiting := asyncio.ensure_future(stand())], return_when="FIRST_COMPLETED")
            waiting.cancel()
            writer.write(body.behind)
        async with asyncio.timeout(_PATIENCE):
            line = await answer
        return int(line.split()[1]) if line else 0
    except ConnectionError:
        return 0
    finally:
        answer.cancel()
        writer.close()


class Crowd:
    """Senders who all stand at the end of their bodies until everybody does or has been refused."""

    def __init__(self, bodies: Sequence[Body]) -> None:
        self._bodies = bodies
        self._left = len(bodies)
        self._all, self._go = asyncio.Event(), asyncio.Event()

    def _arrived(self, *_: object) -> None:
        self._left -= 1
        if self._left == 0:
            self._all.set()

    async def _one(self, body: Body) -> int:
        stood = False

        async def stand() -> None:
            nonlocal stood
            stood = True
            self._arrived()
            await self._go.wait()

        status = await send(body, stand)
        if not stood:
            self._arrived()
        return status

    async def grown(self, look: Callable[[], Awaitable[None]]) -> tuple[int, list[int]]:
        """How much this process holds more while they stand, and what they were answered at last."""
        before = psutil.Process().memory_info().rss
        sending = [asyncio.create_task(self._one(body)) for body in self._bodies]
        async with asyncio.timeout(_PATIENCE):
            await self._all.wait()
            await look()
            held = psutil.Process().memory_info().rss - before
            self._go.set()
            return held, list(await asyncio.gather(*sending))
