"""Recording and replaying: real exchanges kept as JSON lines, secrets hidden, and played back in tests."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from pathlib import Path

import msgspec
from multidict import CIMultiDict

from isthmus.client import redact
from isthmus.client.errors import ConnectFailed, TooLarge
from isthmus.client.message import Request, Response
from isthmus.client.transport.port import Exchange, Flight, Transport


class Take(msgspec.Struct, frozen=True):
    """One exchange as it is kept. The reply's body is kept as it came; request bodies and headers are redacted."""

    method: str
    url: str
    status: int
    headers: list[tuple[str, str]]
    content: str
    request_headers: dict[str, str] = {}
    request_body: str = ""


class KeptExchange:
    """A reply that is already whole."""

    def __init__(self, status: int, headers: CIMultiDict[str], content: bytes) -> None:
        self.status = status
        self.headers = headers
        self._content = content

    async def read(self, limit: int) -> bytes:
        if len(self._content) > limit:
            raise TooLarge(f"the body is larger than {limit} bytes", sent=True)
        return self._content

    async def chunks(self) -> AsyncIterator[bytes]:
        yield self._content

    async def release(self) -> None:
        return

    def abort(self) -> None:
        return


class Recorder:
    """Passes calls on to another transport and keeps what came; `save` writes it. limit: bytes per body."""

    def __init__(self, inner: Transport, *, limit: int = 8 * 1024 * 1024) -> None:
        self._inner = inner
        self._limit = limit
        self.takes: list[Take] = []

    async def send(self, request: Request, flight: Flight) -> Exchange:
        exchange = await self._inner.send(request, flight)
        content = await exchange.read(self._limit)
        headers = CIMultiDict(exchange.headers)
        self.takes.append(
            Take(
                request.method,
                redact.url(request.url),
                exchange.status,
                [(str(name), redact.HIDDEN if redact.secret_name(name) else value) for name, value in headers.items()],
                b64encode(content).decode(),
                redact.headers(request.headers),
                redact.body(request.body, request.headers.get("Content-Type", "")),
            )
        )
        return KeptExchange(exchange.status, headers, content)

    def save(self, path: Path) -> None:
        """Write the takes as JSON lines."""
        path.write_bytes(b"".join(msgspec.json.encode(take) + b"\n" for take in self.takes))

    async def aclose(self) -> None:
        await self._inner.aclose()


class Replay:
    """Answers from takes: for each method and URL in their order, the last one for ever.

    A call that was not recorded raises ConnectFailed with nothing sent.
    """

    def __init__(self, takes: Iterable[Take]) -> None:
        self._takes: dict[tuple[str, str], list[Take]] = {}
        for take in takes:
            self._takes.setdefault((take.method, take.url), []).append(take)
        self.asked: list[Request] = []

    @classmethod
    def load(cls, path: Path) -> Replay:
        """The takes of a file that `Recorder.save` wrote."""
        return cls(msgspec.json.decode(line, type=Take) for line in path.read_bytes().splitlines() if line)

    async def send(self, request: Request, flight: Flight) -> Exchange:
        self.asked.append(request)
        found = self._takes.get((request.method, redact.url(request.url)))
        if not found:
            raise ConnectFailed(f"no take of {request.method} {redact.url(request.url)}")
        flight.sent = True
        take = found.pop(0) if len(found) > 1 else found[0]
        return KeptExchange(take.status, CIMultiDict(take.headers), b64decode(take.content))

    async def aclose(self) -> None:
        return


class Scripted:
    """Answers with a function of the request: the far side of a test, without a socket."""

    def __init__(self, answer: Callable[[Request], Response | Awaitable[Response]]) -> None:
        self._answer = answer
        self.asked: list[Request] = []

    async def send(self, request: Request, flight: Flight) -> Exchange:
        self.asked.append(request)
        flight.sent = True
        given = self._answer(request)
        response = given if isinstance(given, Response) else await given
        return KeptExchange(response.status, CIMultiDict(response.headers), response.content)

    async def aclose(self) -> None:
        return
