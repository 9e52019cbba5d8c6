"""HTTP/2 over the engine of httpx2, as an adapter of the same port; needs the extra `http2`."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterable, AsyncIterator, Iterable

import httpcore2
from multidict import CIMultiDict

from isthmus.client.body import Measured
from isthmus.client.errors import (
    AddressRefused,
    ClientError,
    ConnectFailed,
    Disconnected,
    InvalidRequest,
    MalformedBody,
    TlsFailed,
    TooLarge,
)
from isthmus.client.guard import AddressGuard
from isthmus.client.message import Request, check_headers
from isthmus.client.transport import tls
from isthmus.client.transport.port import Flight

_MAX_HEAD = 65_536
_SENDING = ("http11.send_request_headers.started", "http2.send_request_headers.started")


class Http2Transport:
    """One pool that speaks HTTP/2 where the far side does.

    guard, ca, client_cert: as for `AioTransport`. limit: connections. http1: also speak HTTP/1.1.
    """

    def __init__(
        self,
        *,
        guard: AddressGuard | None = None,
        ca: str | None = None,
        client_cert: tuple[str, str] | None = None,
        limit: int = 100,
        http1: bool = True,
    ) -> None:
        self.guard = guard
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=tls.own(ca, client_cert),  # the pool writes the protocols it offers into it
            max_connections=limit,
            keepalive_expiry=30,
            http1=http1,
            http2=True,
            network_backend=_GuardedBackend(guard) if guard is not None else None,
        )
        self._closing: set[asyncio.Task[None]] = set()

    async def send(self, request: Request, flight: Flight) -> Http2Exchange:
        check_headers(request.headers)
        if self.guard is not None:
            self.guard.check_host(request.url.host, request.url.port)

        async def trace(event: str, info: object) -> None:
            del info
            if event in _SENDING:
                flight.sent = True

        try:
            reply = await self._pool.handle_async_request(
                httpcore2.Request(
                    request.method,
                    _url(request),
                    headers=_headers(request),
                    content=request.content,
                    extensions={"trace": trace},
                )
            )
        except ClientError:
            raise
        except (httpcore2.NetworkError, httpcore2.ProtocolError, httpcore2.TimeoutException, OSError) as error:
            raise _translated(error, flight.sent) from error
        return Http2Exchange(reply, self)

    async def aclose(self) -> None:
        """Close the pool."""
        if self._closing:
            await asyncio.wait(self._closing)
        await self._pool.aclose()

    def close_later(self, reply: httpcore2.Response) -> None:
        """Close a reply from a place that cannot wait, such as a cancellation."""
        task = asyncio.get_running_loop().create_task(reply.aclose(), name="isthmus-abort")
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


class Http2Exchange:
    """A reply of httpcore2 whose head has arrived."""

    def __init__(self, reply: httpcore2.Response, transport: Http2Transport) -> None:
        self._reply = reply
        self._transport = transport
        self.status = reply.status
        self.headers: CIMultiDict[str] = CIMultiDict(
            (name.decode("latin-1"), value.decode("latin-1")) for name, value in reply.headers
        )
        if sum(len(name) + len(value) for name, value in reply.headers) > _MAX_HEAD:
            transport.close_later(reply)
            raise TooLarge("the head of the reply is larger than 64 KiB", sent=True)

    async def read(self, limit: int) -> bytes:
        pieces: list[bytes] = []
        total = 0
        async for piece in self.chunks():
            total += len(piece)
            if total > limit:
                self.abort()
                raise TooLarge(f"the body is larger than {limit} bytes", sent=True)
            pieces.append(piece)
        await self._reply.aclose()
        return b"".join(pieces)

    async def chunks(self) -> AsyncIterator[bytes]:
        try:
            async for piece in self._reply.aiter_stream():
                yield piece
        except (httpcore2.NetworkError, httpcore2.ProtocolError, httpcore2.TimeoutException, OSError) as error:
            raise Disconnected(f"the body ended early: {type(error).__name__}", sent=True) from error

    async def release(self) -> None:
        await self._reply.aclose()

    def abort(self) -> None:
        self._transport.close_later(self._reply)


class _GuardedBackend(httpcore2.AsyncNetworkBackend):
    """Resolves each name once per dial, judges every address and dials the judged one (SS-01, SS-05)."""

    def __init__(self, guard: AddressGuard) -> None:
        self._guard = guard
        self._inner = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError:
            raise AddressRefused from None
        addresses = [str(one[4][0]) for one in found]
        self._guard.check_all(addresses, port, host)
        for address in addresses[:-1]:
            with contextlib.suppress(httpcore2.ConnectError):
                return await self._inner.connect_tcp(address, port, timeout, local_address, socket_options)
        return await self._inner.connect_tcp(addresses[-1], port, timeout, local_address, socket_options)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def _url(request: Request) -> httpcore2.URL:
    url = request.url
    target = f"{url.path}?{url.query}" if url.query else url.path
    host = url.host.encode("ascii")
    return httpcore2.URL(scheme=url.scheme.encode(), host=host, port=url.port, target=target.encode("ascii"))


def _headers(request: Request) -> list[tuple[bytes, bytes]]:
    headers = [(b"Host", request.url.authority.encode("ascii"))]
    try:
        headers += [(name.encode("ascii"), value.encode("latin-1")) for name, value in request.headers.items()]
    except UnicodeEncodeError:
        raise InvalidRequest("a header holds letters that cannot be sent") from None
    content = request.content
    if isinstance(content, bytes):
        headers.append((b"Content-Length", str(len(content)).encode()))
    elif isinstance(content, Measured):
        headers.append((b"Content-Length", str(content.length).encode()))
    elif isinstance(content, AsyncIterable):
        headers.append((b"Transfer-Encoding", b"chunked"))
    elif request.method in {"POST", "PUT", "PATCH"}:
        headers.append((b"Content-Length", b"0"))
    return headers


def _translated(error: BaseException, sent: bool) -> ClientError:
    cause = error.__cause__ or error.__context__
    if isinstance(cause, ssl.SSLCertVerificationError):
        return TlsFailed(f"the certificate was not accepted: {cause.verify_message}")
    if isinstance(cause, ssl.SSLError):
        return TlsFailed(f"the secure connection failed: {cause.reason or 'handshake'}")
    if isinstance(error, httpcore2.LocalProtocolError):
        return InvalidRequest("the request was not accepted by the protocol")
    if isinstance(error, httpcore2.RemoteProtocolError) and sent and "disconnected" not in str(error):
        return MalformedBody("not HTTP", reason="http")
    if sent:
        return Disconnected("the connection broke before the reply was whole", sent=True)
    return ConnectFailed("no connection could be made")
