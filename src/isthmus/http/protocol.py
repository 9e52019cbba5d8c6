"""The HTTP/1.1 protocol with the limits its parser lacks: head size, head time, one Host, connections (HE-01, HE-02).

uvicorn with httptools bounds neither the bytes of a head nor the time it may take, and takes a missing or doubled Host
(security.md 0.2 no. 1); this subclass does, and cancels a request's work when its caller hangs up (HE-11).
"""

import asyncio
import socket
import struct
from collections import Counter
from typing import Any

import httptools
from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from isthmus.http import heads, refusals
from isthmus.http.addresses import Callers
from isthmus.http.cycle import Cycle
from isthmus.http.direct import Direct, Passage
from isthmus.http.gathering import Gathering
from isthmus.http.refusals import BadRequest, Busy, HeadTooLarge
from isthmus.http.settings import HttpSettings
from isthmus.kit.clock import Clock
from isthmus.kit.errors import Problem, Unavailable

_DRAIN_SECONDS = 2.0
_BODY_SECONDS = 1.0
_DRAIN_BYTES = 4 * 1024 * 1024
#: SO_LINGER, on and for no time: closing throws away what was not sent yet.
_NO_LINGERING = struct.pack("ii", 1, 0)


class Guard:
    """What all connections of one server share."""

    def __init__(self, settings: HttpSettings, clock: Clock, direct: Direct | None = None) -> None:
        self.settings = settings
        self.clock = clock
        self.direct = direct
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

    def give_up(self) -> None:
        """Tell those that still wait that the server is stopping."""
        for connection in list(self.open):
            connection.expire(Unavailable("The server is stopping.", retry_after=1))


class GuardedConfig(Config):
    """A server configuration that carries the guard to its protocols."""

    guard: Guard


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
        self._asking = heads.Asking(config.guard.settings.head_bytes, config.guard.settings.head_fields)
        self._head_since = 0.0
        self._head_bytes = 0
        self._in_body = False
        self._drain_since = 0.0
        self._drained = 0
        self._refusal: Problem | None = None
        self._work: asyncio.Task[Any] | None = None
        self._passage: Passage | None = None
        self._idle_since = 0.0
        #: Whether the parser is between two requests and nothing is under way.
        self._rests = True
        self.peer = ""
        self.lost = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        self._gathering = Gathering(transport, self.loop)
        super().connection_made(self._gathering)
        self.peer = self.client[0] if self.client else ""
        self._head_since = self._guard.clock.monotonic()
        if not self._guard.enter(self):
            self._refuse(Busy(retry_after=1))

    def connection_lost(self, exc: Exception | None) -> None:
        self._guard.leave(self)
        unfinished = getattr(self.cycle, "response_complete", True) is False
        if isinstance(self.cycle, Passage) and self._guard.direct is not None:
            self._guard.direct.leave(self.cycle)
        super().connection_lost(exc)
        self.lost = True
        if self._work is not None and unfinished:
            self._work.cancel()

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        if self._rests:
            self._rests = False
            if self._took(data):
                return
        if self._drain_since:
            self._drained += len(data)
            if self._drained > _DRAIN_BYTES:
                self.transport.close()
                return
        self._idle_since = 0.0
        if not self._in_body and not self._head_since:
            self._head_since = self._guard.clock.monotonic()
        if self._head_since:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._head_since and self._head_bytes > self._guard.settings.head_bytes:
            self._refuse(HeadTooLarge())

    def _took(self, data: bytes) -> bool:
        """Whether these bytes are one whole request that needs no parser: one on the short way, or a plain GET."""
        direct = self._guard.direct
        if self.flow.write_paused:
            return False
        if data.startswith(b"GET "):
            asked = self._asking.read(data)
            if asked is None:
                return False
            self._idle_since = self._head_since = 0.0
            self._begin(asked)
            self.cycle.more_body = False
            self.cycle.message_event.set()
            return True
        if direct is None:
            return False
        passage = direct.read(self, self.peer, data)
        if passage is None:
            return False
        self._idle_since = self._head_since = 0.0
        self.cycle = passage
        if direct.serve(passage):
            return True
        passage.response_complete = True
        return False

    def on_message_begin(self) -> None:
        self.url = b""
        self.headers = []
        self.expect_100_continue = False
        self._head_since = self._head_since or self._guard.clock.monotonic()

    def on_header(self, name: bytes, value: bytes) -> None:
        # as the server below does it; eight more calls for each request are felt
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))
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
        codings = [value.lower() for name, value in self.headers if name == b"transfer-encoding"]
        if codings and codings != [b"chunked"]:
            raise ValueError("a transfer coding that nobody here undoes")
        self._head_since = 0.0
        self._head_bytes = 0
        self._in_body = True
        self._passage = self._met()
        if self._passage is None:
            self._go_the_long_way()
        else:
            self.cycle = self._passage

    def _met(self) -> Passage | None:
        """This request on the short way, if it may take that."""
        direct = self._guard.direct
        if direct is None or self.parser.get_method() != b"POST":
            return None
        # the first request has no cycle before it
        if not getattr(self.cycle, "response_complete", True) or self.flow.write_paused:
            return None
        passage = direct.meet(self, self.peer, self.url, self.headers)
        if passage is not None:
            passage.keep_alive = self.parser.get_http_version() != "1.0" and self.parser.should_keep_alive()
        return passage

    def _go_the_long_way(self) -> None:
        """Hand the request, whose head is known, to the application."""
        version, parsed = self.parser.get_http_version(), httptools.parse_url(self.url)
        keep_alive = version != "1.0" and self.parser.should_keep_alive()
        method, query = self.parser.get_method().decode("ascii"), parsed.query or b""
        headers, expecting = self.headers, self.expect_100_continue
        self._begin(heads.Asked(method, parsed.path, query, headers, version, keep_alive, expecting))

    def _begin(self, asked: heads.Asked) -> None:
        """Have the application answer, behind what is still to be answered on this connection."""
        # the first request has no cycle before it
        at_once = getattr(self.cycle, "response_complete", True)
        self.cycle = Cycle(self, self._gathering, asked)
        if at_once:
            self._start_asgi_task(self.cycle, self.app)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((self.cycle, self.app))

    def _turn(self, passage: Passage) -> None:
        """Take the long way after all, with what has come of the body."""
        passage.response_complete = True
        self._go_the_long_way()
        self.cycle.keep_alive = passage.keep_alive
        for piece in passage.pieces:
            super().on_body(piece)

    def on_body(self, body: bytes) -> None:
        if self._passage is None:
            super().on_body(body)
        else:
            self._passage.pieces.append(body)

    def on_message_complete(self) -> None:
        self._in_body = False
        self._drain_since = 0.0
        passage, self._passage = self._passage, None
        if passage is not None:
            if self._guard.direct is not None and self._guard.direct.serve(passage):
                return
            self._turn(passage)
        super().on_message_complete()

    def answered(self, head: bytes, body: bytes, *, keep: bool) -> None:
        """Send the whole answer to a request on the short way."""
        if self.transport.is_closing():
            return
        lines = [head]
        for name, value in self.server_state.default_headers:
            lines += (name, b": ", value, b"\r\n")
        lines += (b"\r\n" if keep else b"connection: close\r\n\r\n", body)
        self._gathering.write_whole(b"".join(lines))
        if not keep:
            self.transport.close()
        if self.pipeline:
            self.on_response_complete()
        else:
            self.server_state.total_requests += 1
            self._idle_since = self._guard.clock.monotonic()
            self._rests = keep and not self._in_body and not self._head_since

    def expire(self, problem: Problem | TimeoutError) -> None:
        """Answer a request on the short way without its outcome."""
        if isinstance(self.cycle, Passage) and self._guard.direct is not None:
            self._passage = None
            self.cycle.keep_alive = False
            self._guard.direct.settle(self.cycle, problem)

    def shutdown(self) -> None:
        if self._passage is not None:
            # a body that is still coming is the edge's business from here on
            passage, self._passage = self._passage, None
            self._turn(passage)
        super().shutdown()

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
        else:
            # in place of a timer for each answer: the sweep closes what has been idle for too long
            self._idle_since = self._guard.clock.monotonic()
            under_way = self._in_body or self._head_since or self.parser.should_upgrade()
            self._rests = self.cycle.keep_alive and not under_way
        if self._in_body and not self._drain_since:
            # the caller may still be sending what nobody will read: give it a moment to see the answer
            self._drain_since = self._guard.clock.monotonic()
            self._drained = 0

    def serving(self, work: "asyncio.Task[Any] | None") -> None:
        """Tell the connection which task answers its request, so that hanging up cancels it."""
        self._work = work

    def abort(self) -> None:
        """Break the connection off: the answer has begun and cannot be completed.

        What the caller has not taken is thrown away, in the kernel too, and the caller learns of it at once.
        """
        below = self.transport.get_extra_info("socket")
        if below is not None:
            below.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGERING)
        self.transport.abort()

    def close_if_late(self, now: float) -> None:
        """Close when the head, or what is left of an unread body, has taken too long."""
        head_late = self._head_since and now - self._head_since > self._guard.settings.head_seconds
        idle_late = self._idle_since and now - self._idle_since > self._guard.settings.keep_alive_seconds
        if head_late or idle_late or (self._drain_since and now - self._drain_since > _DRAIN_SECONDS):
            self.transport.close()
        elif isinstance(self.cycle, Passage) and not self.cycle.response_complete:
            self._hurry(self.cycle, now - self.cycle.started)

    def _hurry(self, passage: Passage, seconds: float) -> None:
        if self._passage is passage and seconds > _BODY_SECONDS:
            # a slow body is the edge's business
            self._passage = None
            self._turn(passage)
        elif seconds > self._guard.settings.request_seconds:
            self.expire(TimeoutError())

    def send_400_response(self, _msg: str) -> None:
        self._refuse(self._refusal or BadRequest())

    def _refuse(self, problem: Problem) -> None:
        if self.transport.is_closing():
            return
        self.transport.write(refusals.written(problem, self._guard.clock))
        self.transport.close()
