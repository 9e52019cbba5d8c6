"""One HTTP/1.1 connection of the lean transport, and the replies that come over it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator
from typing import Final, Protocol, cast

import httptools
from multidict import CIMultiDict

from isthmus.client.body import Measured
from isthmus.client.errors import ClientError, ConnectFailed, Disconnected, MalformedBody, TooLarge
from isthmus.client.message import Request

_MAX_HEAD: Final = 65_536
_MAX_INTERIM: Final = 10
_HIGH_WATER: Final = 65_536


class Pool(Protocol):
    """Where connections rest between requests."""

    def rest(self, wire: Wire) -> None:
        """Keep it for the next request."""
        ...

    def lost(self, wire: Wire) -> None:
        """Forget it."""
        ...


class Wire(asyncio.Protocol):
    """One connection: one exchange at a time, and nothing unasked for."""

    def __init__(self, pool: Pool, loop: asyncio.AbstractEventLoop, origin: str, address: str) -> None:
        self._pool = pool
        self.loop = loop
        self.origin = origin
        self.address = address
        self._transport: asyncio.Transport | None = None
        self._parser: httptools.HttpResponseParser | None = None
        self._exchange: LeanExchange | None = None
        self._answered: asyncio.Future[LeanExchange] | None = None
        self._drained = asyncio.Event()
        self._drained.set()
        self._head_only = False
        self._dirty = False

    @property
    def usable(self) -> bool:
        """Whether another request may go over it."""
        return not self._dirty and self._transport is not None and not self._transport.is_closing()

    async def ask(self, request: Request, head: bytes) -> LeanExchange:
        """Send one request; its reply's head."""
        transport = self._transport
        if transport is None or transport.is_closing():
            raise ConnectFailed("the connection was closed before anything was sent")
        answered: asyncio.Future[LeanExchange] = self.loop.create_future()
        self._answered = answered
        exchange = self._exchange = LeanExchange(self)
        self._parser = httptools.HttpResponseParser(exchange)
        self._head_only = request.method == "HEAD"
        content = request.content
        if content is None or isinstance(content, bytes):
            transport.write(head + content if content else head)
            return await answered
        transport.write(head)
        writing = asyncio.ensure_future(self._stream(transport, content))
        try:
            return await answered
        finally:
            writing.cancel()

    async def _stream(self, transport: asyncio.Transport, content: AsyncIterable[bytes]) -> None:
        in_chunks = not isinstance(content, Measured)
        try:
            async for piece in content:
                if piece:
                    transport.writelines((b"%x\r\n" % len(piece), piece, b"\r\n") if in_chunks else (piece,))
                    await self._drained.wait()
            if in_chunks:
                transport.write(b"0\r\n\r\n")
        except Exception as error:  # noqa: BLE001 - the caller's own generator failed, and the caller is told
            self.fail(error)

    @property
    def status(self) -> int:
        """What the parser read last."""
        return self._parser.get_status_code() if self._parser is not None else 0

    def head_is_there(self) -> None:
        """The reply can be looked at."""
        exchange, answered = self._exchange, self._answered
        if self._parser is not None and not self._parser.should_keep_alive():
            self._dirty = True
        if exchange is not None and self._head_only:
            exchange.complete, self._dirty = True, True
        if answered is not None and exchange is not None and not answered.done():
            answered.set_result(exchange)

    def spoil(self) -> None:
        """More came than was asked for: this connection takes no other request."""
        self._dirty = True

    def fail(self, error: BaseException) -> None:
        """End the exchange with this failure, and the connection with it."""
        exchange, answered = self._exchange, self._answered
        if answered is not None and not answered.done():
            answered.set_exception(error)
        elif exchange is not None and not exchange.complete:
            exchange.broke(error)
        self.abort()

    def done(self, *, whole: bool) -> None:
        """The caller has what it wanted of the reply."""
        self._exchange = self._answered = None
        if whole and self.usable:
            self.hold(on=False)
            self._pool.rest(self)
        else:
            self.abort()

    def abort(self) -> None:
        """Close now; what is left to be written is dropped."""
        self._dirty = True
        if self._transport is not None:
            self._transport.abort()
        self._pool.lost(self)

    def hold(self, on: bool) -> None:
        """Stop or go on reading."""
        if self._transport is not None and not self._transport.is_closing():
            (self._transport.pause_reading if on else self._transport.resume_reading)()

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        exchange, parser = self._exchange, self._parser
        if exchange is None or parser is None or exchange.complete:
            self._dirty = True  # what nobody asked for never answers the next request
            if exchange is None:
                self.abort()
            return
        try:
            if exchange.takes(len(data)):
                parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            said = error.__context__ if isinstance(error.__context__, ClientError) else None
            self.fail(said or MalformedBody(f"not HTTP: {str(error)[:120]}", reason="http"))

    def eof_received(self) -> None:
        self._dirty = True

    def connection_lost(self, exc: Exception | None) -> None:
        self._dirty = True
        exchange = self._exchange
        if exchange is not None and exchange.ends_with_connection and exc is None:
            exchange.on_message_complete()
        elif exchange is not None and not exchange.complete:
            self.fail(Disconnected("the connection broke before the reply was whole", sent=True))
        self._pool.lost(self)

    def pause_writing(self) -> None:
        self._drained.clear()

    def resume_writing(self) -> None:
        self._drained.set()


class LeanExchange:
    """A reply whose head has arrived; the parser fills it."""

    __slots__ = (
        *("_fields", "_failure", "_framed", "_head", "_headers", "_interim", "_pieces", "_size", "_waiting", "_wire"),
        *("address", "complete", "status"),
    )

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self.address = wire.address
        self.status = 0
        self.complete = False
        self._fields: list[tuple[bytes, bytes]] = []
        self._headers: CIMultiDict[str] | None = None
        self._head = 0
        self._framed = False
        self._interim = 0
        self._pieces: deque[bytes] = deque()
        self._size = 0
        self._waiting: asyncio.Future[None] | None = None
        self._failure: BaseException | None = None

    @property
    def arrived(self) -> bool:
        """Whether a part of the body is here that nobody has read."""
        return bool(self._pieces)

    @property
    def headers(self) -> CIMultiDict[str]:
        """The reply's headers, made when somebody looks."""
        if self._headers is None:
            fields = ((name.decode("latin-1"), value.decode("latin-1")) for name, value in self._fields)
            self._headers = CIMultiDict(fields)
        return self._headers

    @property
    def ends_with_connection(self) -> bool:
        """Whether the body has no other end than the connection's."""
        return self.status >= 200 and not self._framed and not self.complete

    async def read(self, limit: int) -> bytes:
        pieces, total = [], 0
        async for piece in self.chunks():
            pieces.append(piece)
            total += len(piece)
            if total > limit:
                self.abort()
                raise TooLarge(f"the body is larger than {limit} bytes", sent=True)
        await self.release()
        return b"".join(pieces)

    async def chunks(self) -> AsyncIterator[bytes]:
        while True:
            while self._pieces:
                piece = self._pieces.popleft()
                self._size -= len(piece)
                yield piece
            if self._failure is not None:
                raise self._failure
            if self.complete:
                return
            self._wire.hold(on=False)
            self._waiting = self._wire.loop.create_future()
            await self._waiting

    async def release(self) -> None:
        self._wire.done(whole=self.complete)

    def abort(self) -> None:
        self._wire.done(whole=self.complete)

    def broke(self, error: BaseException) -> None:
        """The rest will not come."""
        self._failure = error
        self._wake()

    def takes(self, size: int) -> bool:
        """Count bytes of the head; false once it is too large."""
        if not self.status:
            self._head += size
            if self._head > _MAX_HEAD + _HIGH_WATER * 4:
                self._wire.fail(TooLarge("the head of the reply is larger than 64 KiB", sent=True))
                return False
        return True

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None and not waiting.done():
            waiting.set_result(None)

    # What the parser calls.

    def on_message_begin(self) -> None:
        if self.complete:
            self._wire.spoil()

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.complete:
            self._fields.append((name, value))

    def on_headers_complete(self) -> None:
        wire = self._wire
        if self.complete:
            return
        status = wire.status
        if sum(len(name) + len(value) for name, value in self._fields) > _MAX_HEAD:
            raise TooLarge("the head of the reply is larger than 64 KiB", sent=True)
        if status < 200:
            self._interim += 1
            if self._interim > _MAX_INTERIM or status == 101:
                raise Disconnected("more than ten interim replies", sent=True)
            return
        self.status = status
        self._framed = any(name.lower() in (b"content-length", b"transfer-encoding") for name, _ in self._fields)
        wire.head_is_there()

    def on_body(self, data: bytes) -> None:
        if self.complete:
            return
        self._pieces.append(data)
        self._size += len(data)
        if self._size > _HIGH_WATER:
            self._wire.hold(on=True)
        self._wake()

    def on_message_complete(self) -> None:
        if not self.status:
            self._fields.clear()
            self._head = 0
            return
        self.complete = True
        self._wake()
