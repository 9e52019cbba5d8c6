"""The default transport: aiohttp's HTTP/1.1 engine, stripped of everything that decides (redirects, retries)."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterable, AsyncIterator, Callable, Coroutine
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_parser import RawResponseMessage
from aiohttp.streams import StreamReader
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from isthmus.client.body import Measured
from isthmus.client.errors import (
    AddressRefused,
    BadReply,
    ClientError,
    ConnectFailed,
    Disconnected,
    InvalidRequest,
    MalformedBody,
    NetworkError,
    TlsFailed,
    TooLarge,
)
from isthmus.client.guard import AddressGuard
from isthmus.client.message import Request
from isthmus.client.transport import tls
from isthmus.client.transport.port import Flight

if TYPE_CHECKING:
    from aiohttp.connector import Connection

_MAX_HEAD = 65_536
_MAX_INTERIM = 10
_SWITCHED = 101
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
_NO_TIMEOUT = aiohttp.ClientTimeout(total=None, connect=None, sock_connect=None, sock_read=None)
_flight: ContextVar[Flight | None] = ContextVar("flight", default=None)


class AioTransport:
    """One connection pool.

    guard: judges every address dialled. ca: PEM file of further authorities. client_cert: (certificate, key) files.
    proxy: URL of an HTTP proxy; names are then resolved there and the guard judges the URL's host only. limit,
    limit_per_host: connections. TLS is always verified; the environment's proxy variables are never read.
    """

    def __init__(
        self,
        *,
        guard: AddressGuard | None = None,
        ca: str | None = None,
        client_cert: tuple[str, str] | None = None,
        proxy: str | None = None,
        limit: int = 256,
        limit_per_host: int = 0,
        resolver: AbstractResolver | None = None,
    ) -> None:
        self.guard = guard
        self._context = tls.verified(ca, client_cert)
        self._proxy = URL(proxy) if proxy else None
        self._limits = (limit, limit_per_host)
        self._resolver = resolver
        self._session: aiohttp.ClientSession | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def _open(self) -> aiohttp.ClientSession:
        guard = self.guard
        resolver = self._resolver
        if guard is not None and self._proxy is None:
            resolver = _GuardedResolver(resolver or aiohttp.ThreadedResolver(), guard)
        connector = aiohttp.TCPConnector(
            ssl=self._context,
            limit=self._limits[0],
            limit_per_host=self._limits[1],
            resolver=resolver,
            use_dns_cache=guard is None,
            # A guarded dial is one dial to one judged address.
            happy_eyeballs_delay=None if guard is not None else 0.25,
            socket_factory=partial(_guarded_socket, guard) if guard is not None and self._proxy is None else None,
            keepalive_timeout=30,
        )
        protocol: type[ResponseHandler] = _Protocol
        connector._factory = partial(protocol, loop=asyncio.get_running_loop())
        session = aiohttp.ClientSession(
            connector=connector,
            timeout=_NO_TIMEOUT,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            request_class=_MarkedRequest,
            trust_env=False,
            requote_redirect_url=False,
        )
        # Sending twice is the pipeline's decision: it knows what is idempotent and lets the caller see it.
        session._retry_connection = False
        self._session, self._loop = session, asyncio.get_running_loop()
        return session

    async def send(self, request: Request, flight: Flight) -> AioExchange:
        session = self._session
        if session is None or self._loop is not asyncio.get_running_loop():
            session = self._open()
        if self.guard is not None:
            self.guard.check_host(request.url.host, request.url.port)
        flight.host = request.url.host
        content = request.content
        body = content if content is None or isinstance(content, bytes) else _Watched(content)
        token = _flight.set(flight)
        try:
            reply = await session.request(
                request.method,
                URL(str(request.url), encoded=True),
                headers=_framed(request),
                data=body,
                skip_auto_headers=_untyped(request),
                allow_redirects=False,
                proxy=self._proxy,
            )
        except (aiohttp.ClientError, aiohttp.EofStream, OSError, ValueError) as error:
            if isinstance(body, _Watched) and body.failure is not None:
                raise body.failure from None
            failed = _translated(error, flight.sent)
            if self.guard is not None and isinstance(failed, ConnectFailed):
                # Refused, unresolvable and unreachable read the same (SS-09); the cause stays for the operator.
                failed = ConnectFailed(AddressRefused.__doc__ or "")
            raise failed from _shown(error)
        finally:
            _flight.reset(token)
        if reply.status == _SWITCHED:
            reply.close()
            raise MalformedBody("the far side speaks another protocol, which was not asked for", reason="http")
        return AioExchange(reply)

    async def open_websocket(
        self, request: Request, heartbeat: float, max_message: int
    ) -> aiohttp.ClientWebSocketResponse:
        """A WebSocket through the same pool, guard and TLS settings."""
        session = self._session
        if session is None or self._loop is not asyncio.get_running_loop():
            session = self._open()
        if self.guard is not None:
            self.guard.check_host(request.url.host, request.url.port)
        flight = Flight()
        flight.host = request.url.host
        token = _flight.set(flight)
        try:
            return await session.ws_connect(
                URL(str(request.url), encoded=True),
                headers=request.headers,
                heartbeat=heartbeat,
                max_msg_size=max_message,
                proxy=self._proxy,
            )
        except aiohttp.WSServerHandshakeError as error:
            raise ConnectFailed(f"no WebSocket: the far side answered {error.status}", sent=True) from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise _translated(error, sent=False) from _shown(error)
        finally:
            _flight.reset(token)

    async def aclose(self) -> None:
        """Close the pool."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()


class _Watched:
    """A streamed body that remembers how its source failed: aiohttp tells of a broken connection only."""

    __slots__ = ("_pieces", "failure")

    def __init__(self, pieces: AsyncIterable[bytes]) -> None:
        self._pieces = pieces
        self.failure: Exception | None = None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for piece in self._pieces:
                yield piece
        except Exception as failure:
            self.failure = failure
            raise


def _framed(request: Request) -> CIMultiDict[str]:
    """The headers, with the length of a stream that has one; aiohttp sends all others in chunks."""
    if not isinstance(request.content, Measured):
        return request.headers
    return request.with_headers({"Content-Length": str(request.content.length)}).headers


def _untyped(request: Request) -> tuple[str, ...] | None:
    """aiohttp would call a body that is not there an octet stream; asked only then, because asking is dear."""
    if request.method in _WITH_BODY and request.content is None and "Content-Type" not in request.headers:
        return ("Content-Type",)
    return None


class AioExchange:
    """A reply of aiohttp whose head has arrived."""

    __slots__ = ("_reply", "headers", "status")

    def __init__(self, reply: aiohttp.ClientResponse) -> None:
        self._reply = reply
        self.status = reply.status
        self.headers: CIMultiDictProxy[str] = reply.headers
        if len(reply.raw_headers) > 32 and sum(len(k) + len(v) for k, v in reply.raw_headers) > _MAX_HEAD:
            reply.close()
            raise TooLarge("the head of the reply is larger than 64 KiB", sent=True)

    async def read(self, limit: int) -> bytes:
        content = self._reply.content
        try:
            data = await content.readany()
            if content.at_eof() and len(data) <= limit:
                return data
            return await self._gather(content, data, limit)
        except (aiohttp.ClientError, OSError) as error:
            raise _translated(error, sent=True) from _shown(error)

    async def _gather(self, content: StreamReader, data: bytes, limit: int) -> bytes:
        pieces, total = [data], len(data)
        while total <= limit:
            data = await content.readany()
            if not data:
                return b"".join(pieces)
            pieces.append(data)
            total += len(data)
        self._reply.close()
        raise TooLarge(f"the body is larger than {limit} bytes", sent=True)

    async def chunks(self) -> AsyncIterator[bytes]:
        content = self._reply.content
        while True:
            try:
                data = await content.readany()
            except (aiohttp.ClientError, OSError) as error:
                raise _translated(error, sent=True) from _shown(error)
            if not data:
                return
            yield data

    async def release(self) -> None:
        """aiohttp gives the connection back by itself once the body has been read."""
        if not self._reply.content.at_eof():
            self._reply.close()

    def abort(self) -> None:
        self._reply.close()


class _MarkedRequest(aiohttp.ClientRequest):
    """Tells the flight the moment a connection is there and bytes are about to leave."""

    def send(self, conn: Connection) -> Coroutine[Any, Any, aiohttp.ClientResponse]:
        flight = _flight.get()
        if flight is not None:
            flight.sent = True
        return super().send(conn)


class _Protocol(ResponseHandler):
    """Reads at most ten interim replies in a row."""

    _interim = 0

    def feed_data(self, data: tuple[RawResponseMessage, StreamReader], size: int = 0) -> None:
        if self._interim > _MAX_INTERIM:
            return  # what came in the same piece, the reply itself perhaps, is too late
        if data[0].code >= 200:
            self._interim = 0
        elif data[0].code != 101:
            self._interim += 1
            if self._interim > _MAX_INTERIM:
                self.set_exception(aiohttp.ClientPayloadError("more than ten interim replies"))
                self.close()
                return
        super().feed_data(data, size)


class _GuardedResolver(AbstractResolver):
    """Resolves once per dial and lets no name through that has any bad address (SS-01, SS-05)."""

    def __init__(self, inner: AbstractResolver, guard: AddressGuard) -> None:
        self._inner = inner
        self._guard = guard

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        try:
            found = await self._inner.resolve(host, port, family)
        except OSError:
            # Unresolvable and refused look the same, so that answers do not map our network (SS-09).
            raise AddressRefused from None
        self._guard.check_all((one["host"] for one in found), port, host)
        return found

    async def close(self) -> None:
        await self._inner.close()


def _guarded_socket(
    guard: AddressGuard, info: tuple[int | socket.AddressFamily, int | socket.SocketKind, int, str, tuple[object, ...]]
) -> socket.socket:
    family, kind, protocol, _, address = info
    # The last word before the dial; literals never meet a resolver (SS-02).
    flight = _flight.get()
    guard.check(str(address[0]), int(str(address[1])), flight.host if flight else "")
    return socket.socket(family, kind, protocol)


_TRANSLATIONS: tuple[tuple[type[BaseException], Callable[[str, bool], ClientError]], ...] = (
    (
        aiohttp.ClientConnectorCertificateError,
        lambda text, _: TlsFailed(f"the certificate was not accepted: {text}"),
    ),
    (aiohttp.ClientSSLError, lambda text, _: TlsFailed(f"the secure connection failed: {text}")),
    (aiohttp.ClientConnectorError, lambda text, _: ConnectFailed(f"no connection: {text}")),
    (aiohttp.ClientHttpProxyError, lambda text, _: ConnectFailed(f"the proxy refused: {text}")),
    (aiohttp.InvalidURL, lambda text, _: InvalidRequest(f"the URL was not accepted: {text}")),
    (aiohttp.ClientPayloadError, lambda text, _: Disconnected(f"the body ended early: {text}", sent=True)),
    (aiohttp.ClientResponseError, lambda text, _: MalformedBody(f"not HTTP: {text}", reason="http")),
    (aiohttp.ClientConnectionError, lambda _, sent: _broken(sent)),
    (aiohttp.EofStream, lambda _, sent: _broken(sent)),
    (OSError, lambda _, sent: _broken(sent)),
    (ValueError, lambda text, _: InvalidRequest(f"the request was not accepted: {text}")),
)


def _broken(sent: bool) -> NetworkError:
    if sent:
        return Disconnected("the connection broke before the reply was whole", sent=True)
    return ConnectFailed("no connection could be made")


def _translated(error: BaseException, sent: bool) -> ClientError:
    for kind, make in _TRANSLATIONS:
        if isinstance(error, kind):
            return make(_cause(error), sent)
    return BadReply(type(error).__name__, sent=sent)


def _cause(error: BaseException) -> str:
    """What went wrong without the URL, which may hold secrets in its query."""
    inner = getattr(error, "os_error", None) or getattr(error, "certificate_error", None)
    if isinstance(inner, ssl.SSLCertVerificationError):
        return inner.verify_message
    if isinstance(inner, ssl.SSLError):
        return inner.reason or "handshake"
    if isinstance(inner, OSError):
        return inner.strerror or type(inner).__name__
    if isinstance(error, aiohttp.ClientResponseError):
        return error.message[:120]
    plain = isinstance(error, ValueError) and not isinstance(error, aiohttp.ClientError)
    return str(error)[:120] if plain else type(error).__name__


def _shown(error: BaseException) -> BaseException | None:
    """The error as a cause in tracebacks, unless its text holds the whole URL with whatever is in the query."""
    return None if isinstance(error, aiohttp.ClientResponseError | aiohttp.InvalidURL) else error
