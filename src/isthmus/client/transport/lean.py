"""A transport for many small requests: HTTP/1.1 over asyncio and httptools, a fraction of aiohttp's cost.

It keeps the promises of the port, judges every dial, and knows neither proxies nor WebSockets.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from isthmus.client.body import Measured
from isthmus.client.errors import (
    AddressRefused,
    ClientError,
    ConnectFailed,
    InvalidRequest,
    TlsFailed,
)
from isthmus.client.guard import AddressGuard
from isthmus.client.message import Request, check_headers
from isthmus.client.transport import tls
from isthmus.client.transport.port import Flight
from isthmus.client.transport.wire import LeanExchange, Wire
from isthmus.client.url import Url

_KEPT_ALIVE: Final = 30.0
_WITH_BODY: Final = frozenset({"POST", "PUT", "PATCH"})
_FRAMING: Final = frozenset({"content-length", "transfer-encoding", "connection"})

#: Family, kind, protocol, name and socket address, as `getaddrinfo` answers them.
Resolved = tuple[int, int, int, str, tuple[object, ...]]
Resolver = Callable[[str, int], Awaitable[Sequence[Resolved]]]


class LeanTransport:
    """One connection pool.

    guard: judges every address dialled. ca: PEM file of further authorities. client_cert: (certificate, key) files.
    limit: connections kept open while nothing is under way; how many are under way is the caller's matter.
    resolver: answers as `getaddrinfo` does. TLS is always verified. The exchanges know the `address` that was dialled.
    """

    def __init__(
        self,
        *,
        guard: AddressGuard | None = None,
        ca: str | None = None,
        client_cert: tuple[str, str] | None = None,
        limit: int = 256,
        resolver: Resolver | None = None,
    ) -> None:
        self.guard = guard
        self._resolve = resolver or _looked_up
        self._context = tls.verified(ca, client_cert)
        self._limit = limit
        self._idle: dict[str, list[Wire]] = {}
        #: The connections that rest, and since when; the one that rests longest is the first.
        self._resting: dict[Wire, float] = {}
        self._open: set[Wire] = set()
        self._reaper: asyncio.TimerHandle | None = None

    async def send(self, request: Request, flight: Flight) -> LeanExchange:
        head = _head(request)
        url = request.url
        if self.guard is not None:
            self.guard.check_host(url.host, url.port)
        flight.host = url.host
        wire = self._rested(url.origin) or await self._dial(url)
        flight.sent = True
        try:
            return await wire.ask(request, head)
        except BaseException:
            wire.abort()
            raise

    async def aclose(self) -> None:
        """Close the pool."""
        if self._reaper is not None:
            self._reaper.cancel()
            self._reaper = None
        for wire in list(self._open):
            wire.abort()
        await asyncio.sleep(0)

    def _rested(self, origin: str) -> Wire | None:
        """The connection to this origin that rested last, if one is still good."""
        idle = self._idle.get(origin)
        while idle:
            wire = idle.pop()
            self._resting.pop(wire, None)
            if wire.usable:
                return wire
        return None

    def rest(self, wire: Wire) -> None:
        """Keep a connection for the next request; beyond the limit the ones that rested longest go."""
        self._idle.setdefault(wire.origin, []).append(wire)
        self._resting[wire] = wire.loop.time()
        if len(self._resting) > self._limit:
            next(iter(self._resting)).abort()
        if self._reaper is None:
            self._reaper = wire.loop.call_later(_KEPT_ALIVE, self._reap, wire.loop)

    def _reap(self, loop: asyncio.AbstractEventLoop) -> None:
        """Close what rested for too long."""
        self._reaper = None
        over = loop.time() - _KEPT_ALIVE
        for wire in [one for one, since in self._resting.items() if since <= over]:
            wire.abort()
        if self._resting:
            self._reaper = loop.call_later(_KEPT_ALIVE, self._reap, loop)

    def lost(self, wire: Wire) -> None:
        """Forget a connection that is gone."""
        self._open.discard(wire)
        if self._resting.pop(wire, None) is not None:
            idle = self._idle[wire.origin]
            idle.remove(wire)
            if not idle:
                del self._idle[wire.origin]

    async def _dial(self, url: Url) -> Wire:
        """Resolve once, judge every address, connect to one of those that were judged (SS-01, SS-05)."""
        try:
            found = await self._resolve(url.host, url.port)
        except OSError:
            # Unresolvable and refused look the same, so that answers do not map our network (SS-09).
            raise AddressRefused from None
        if self.guard is not None:
            self.guard.check_all((str(one[4][0]) for one in found), url.port, url.host)
        failure: ClientError = ConnectFailed("no connection could be made")
        for family, kind, protocol, _, address in found:
            try:
                return await self._connect(url, socket.socket(family, kind, protocol), address)
            except ssl.SSLCertVerificationError as error:
                raise TlsFailed(f"the certificate was not accepted: {error.verify_message}") from error
            except ssl.SSLError as error:
                raise TlsFailed(f"the secure connection failed: {error.reason or 'handshake'}") from error
            except OSError as error:
                # Refused and unreachable read the same where a guard stands; the cause stays for the operator.
                text = (error.strerror or type(error).__name__) if self.guard is None else AddressRefused.__doc__ or ""
                failure = ConnectFailed(f"no connection: {text}" if self.guard is None else text)
                failure.__cause__ = error
        raise failure

    async def _connect(self, url: Url, sock: socket.socket, address: tuple[object, ...]) -> Wire:
        loop = asyncio.get_running_loop()
        wire = Wire(self, loop, url.origin, str(address[0]))
        try:
            sock.setblocking(False)
            await loop.sock_connect(sock, address)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            secure = url.scheme == "https"
            await loop.create_connection(
                lambda: wire,
                sock=sock,
                ssl=self._context if secure else None,
                server_hostname=url.host if secure else None,
            )
        except BaseException:
            wire.abort()
            sock.close()
            raise
        self._open.add(wire)
        return wire


async def _looked_up(host: str, port: int) -> Sequence[Resolved]:
    return await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)


def _head(request: Request) -> bytes:
    """The request line and the headers. Raises InvalidRequest for what could break out of them (SS-11)."""
    headers, url, content = request.headers, request.url, request.content
    check_headers(headers)
    target = f"{url.path}?{url.query}" if url.query else url.path
    lines = [f"{request.method} {target} HTTP/1.1", f"Host: {url.authority}"]
    for name, value in headers.items():
        low = name.lower()
        if low in _FRAMING:
            continue
        if low == "host":
            lines[1] = f"Host: {value}"
        else:
            lines.append(f"{name}: {value}")
    if isinstance(content, bytes):
        lines.append(f"Content-Length: {len(content)}")
    elif isinstance(content, Measured):
        lines.append(f"Content-Length: {content.length}")
    elif content is not None:
        lines.append("Transfer-Encoding: chunked")
    elif request.method in _WITH_BODY:
        lines.append("Content-Length: 0")
    try:
        return "\r\n".join([*lines, "", ""]).encode("latin-1")
    except UnicodeEncodeError:
        raise InvalidRequest("a header holds characters that cannot be sent") from None
