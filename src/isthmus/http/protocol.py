"""The HTTP/1.1 protocol with the limits its parser lacks: head size, head time, one Host, connections (HE-01, HE-02).

uvicorn with httptools bounds neither the bytes of a head nor the time it may take, and takes a missing or doubled Host
(security.md 0.2 no. 1); this subclass does, and cancels a request's work when its caller hangs up (HE-11).
"""

import asyncio
from collections import Counter
from typing import Any, cast

from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from isthmus.http.addresses import Callers
from isthmus.http.asgi import LINK
from isthmus.http.errors import render
from isthmus.http.settings import HttpSettings
from isthmus.kit import ids
from isthmus.kit.clock import Clock
from isthmus.kit.errors import Problem

_DRAIN_SECONDS = 2.0
_DRAIN_BYTES = 4 * 1024 * 1024


class BadRequest(Problem):
    """This is not a well-formed HTTP/1.1 request.

    Look for a client or proxy that sends broken framing, doubled headers or raw control characters.
    """

    code = "BAD_REQUEST"
    status = 400


class HeadTooLarge(Problem):
    """The head of the request is too large or has too many fields.

    Send fewer or shorter header fields, often cookies; `ISTHMUS_HTTP__HEAD_BYTES` is the limit.
    """

    code = "HEADERS_TOO_LARGE"
    status = 431


class Busy(Problem):
    """Too many connections are open; try again shortly.

    Close idle connections or start another API process; `ISTHMUS_HTTP__CONNECTIONS` is the limit.
    """

    code = "SERVICE_UNAVAILABLE"
    status = 503


class Guard:
    """What all connections of one server share."""

    def __init__(self, settings: HttpSettings, clock: Clock) -> None:
        self.settings = settings
        self.clock = clock
        self.open: set[GuardedProtocol] = set()
        self._by_address: Counter[str] = Counter()
        self._callers = Callers(settings.trusted_proxies)

    def enter(self, connection: "GuardedProtocol") -> bool:
        """Count a connection; False when there are too many."""
        address = connection.peer
        # a proxy brings everybody's connections, and a local socket has no address
        shared = not address or self._callers.is_trusted(address)
        crowded = not shared and self._by_address[address] >= self.settings.connections_per_address
        if crowded or len(self.open) >= self.settings.connections:
            return False
        self.open.add(connection)
        self._by_address[address] += 1
        return True

    def leave(self, connection: "GuardedProtocol") -> None:
        """Forget a connection."""
        if connection in self.open:
            self.open.discard(connection)
            self._by_address[connection.peer] -= 1
            if not self._by_address[connection.peer]:
                del self._by_address[connection.peer]

    def sweep(self) -> None:
        """Close connections whose head or unread body takes too long; called every second."""
        now = self.clock.monotonic()
        for connection in list(self.open):
            connection.close_if_late(now)


class GuardedConfig(Config):
    """A server configuration that carries the guard to its protocols."""

    guard: Guard


class Gathering(asyncio.Transport):
    """A transport on which the head and the body of an answer leave in one write.

    The server below writes them apart, and each write is a call of the system: some 20 us of CPU. What is written waits
    for the next write of the same moment, or until the loop has finished it.
    """

    def __init__(self, below: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._below = below
        self._loop = loop
        self._held: bytes = b""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Write now together with what is held, or hold this for a moment."""
        if self._held:
            held, self._held = self._held, b""
            self._below.writelines((held, data))
        elif data:
            self._held = bytes(data)
            self._loop.call_soon(self.flush)

    def flush(self) -> None:
        """Write what is held."""
        if self._held:
            held, self._held = self._held, b""
            self._below.write(held)

    def close(self) -> None:
        self.flush()
        self._below.close()

    def abort(self) -> None:
        self._held = b""
        self._below.abort()

    def is_closing(self) -> bool:
        return self._below.is_closing()

    def get_extra_info(self, name: str, default: object = None) -> object:
        return self._below.get_extra_info(name, default)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._below.set_protocol(protocol)

    def pause_reading(self) -> None:
        self._below.pause_reading()

    def resume_reading(self) -> None:
        self._below.resume_reading()


class GuardedProtocol(HttpToolsProtocol):
    """One connection."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        if not isinstance(config, GuardedConfig):
            raise TypeError("this protocol needs a guard")
        self._guard = config.guard
        self._head_since = 0.0
        self._head_bytes = 0
        self._in_body = False
        self._drain_since = 0.0
        self._drained = 0
        self._refusal: Problem | None = None
        self._work: asyncio.Task[Any] | None = None
        self.peer = ""
        self.lost = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(Gathering(transport, self.loop))
        self.peer = self.client[0] if self.client else ""
        self._head_since = self._guard.clock.monotonic()
        if not self._guard.enter(self):
            self._refuse(Busy(retry_after=1))

    def connection_lost(self, exc: Exception | None) -> None:
        self._guard.leave(self)
        unfinished = getattr(self.cycle, "response_complete", True) is False
        super().connection_lost(exc)
        self.lost = True
        if self._work is not None and unfinished:
            self._work.cancel()

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        if self._drain_since:
            self._drained += len(data)
            if self._drained > _DRAIN_BYTES:
                self.transport.close()
                return
        if not self._in_body and not self._head_since:
            self._head_since = self._guard.clock.monotonic()
        if self._head_since:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._head_since and self._head_bytes > self._guard.settings.head_bytes:
            self._refuse(HeadTooLarge())

    def on_message_begin(self) -> None:
        super().on_message_begin()
        cast("dict[str, Any]", self.scope)[LINK] = self
        self._head_since = self._head_since or self._guard.clock.monotonic()

    def on_header(self, name: bytes, value: bytes) -> None:
        super().on_header(name, value)
        if len(self.headers) > self._guard.settings.head_fields:
            self._refusal = HeadTooLarge()
            raise ValueError("too many header fields")

    def on_headers_complete(self) -> None:
        size = len(self.url) + sum([len(name) + len(value) + 4 for name, value in self.headers])
        if size > self._guard.settings.head_bytes:
            self._refusal = HeadTooLarge()
            raise ValueError("the head is too large")
        if [name for name, _ in self.headers].count(b"host") != 1 or self.url[:1] not in {b"/", b"*"}:
            raise ValueError("not exactly one Host, or not an address of this server")
        self._head_since = 0.0
        self._head_bytes = 0
        self._in_body = True
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._in_body = False
        self._drain_since = 0.0

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._in_body and not self._drain_since:
            # the caller may still be sending what nobody will read: give it a moment to see the answer
            self._drain_since = self._guard.clock.monotonic()
            self._drained = 0

    def serving(self, work: "asyncio.Task[Any] | None") -> None:
        """Tell the connection which task answers its request, so that hanging up cancels it."""
        self._work = work

    def abort(self) -> None:
        """Break the connection off: the answer has begun and cannot be completed."""
        self.transport.abort()

    def close_if_late(self, now: float) -> None:
        """Close when the head, or what is left of an unread body, has taken too long."""
        head_late = self._head_since and now - self._head_since > self._guard.settings.head_seconds
        if head_late or (self._drain_since and now - self._drain_since > _DRAIN_SECONDS):
            self.transport.close()

    def send_400_response(self, _msg: str) -> None:
        self._refuse(self._refusal or BadRequest())

    def _refuse(self, problem: Problem) -> None:
        if self.transport.is_closing():
            return
        clock = self._guard.clock
        request_id = ids.new("req", clock)
        body = render(problem, request_id, clock.now())
        phrase = {400: "Bad Request", 431: "Request Header Fields Too Large", 503: "Service Unavailable"}
        head = [
            f"HTTP/1.1 {problem.status} {phrase[problem.status]}",
            "content-type: application/json",
            f"content-length: {len(body)}",
            f"x-request-id: {request_id}",
            "x-content-type-options: nosniff",
            "cache-control: no-store",
            *(["retry-after: 1"] if problem.retry_after else []),
            "connection: close",
        ]
        self.transport.write("\r\n".join(head).encode() + b"\r\n\r\n" + body)
        self.transport.close()
