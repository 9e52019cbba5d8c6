"""Event streams (SSE): heartbeats, resumable ids, a cap per principal, and an end with the session or the server.

An endpoint gives a source: a function from the last id the reader has seen to an endless iterator of events
(security.md HE-11, SE-12). What the reader does not take is not asked of the source, so a stalled reader costs one
event of memory until it is dropped.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Header, Request
from starlette.responses import Response

from isthmus.http.answers import encode
from isthmus.http.asgi import KEY, AsgiScope, Receive, Send
from isthmus.http.auth import Doorkeeper, shown_credentials
from isthmus.http.errors import TooManyStreams
from isthmus.http.exchange import Exchange
from isthmus.http.routes import Public
from isthmus.http.settings import HttpSettings
from isthmus.kit.errors import Problem

#: Together with what the doorkeeper and a tenant's guard remember, a stream ends within five seconds (JT-10).
_CHECK_SECONDS = 1.0
_RETRY = b"retry: 2000\n\n"
_HEARTBEAT = b": still here\n\n"
_ID = r"[!-~]{1,256}"


@dataclass(frozen=True, slots=True)
class Sent:
    """One event of a stream. `id` is where a reader resumes; `data` is written as JSON."""

    id: str
    event: str
    data: object

    def encoded(self) -> bytes:
        """The event as it is sent; an id or name with a line break would forge events and is refused."""
        if "\n" in self.id + self.event or "\r" in self.id + self.event:
            raise ValueError("an event's id and name are single lines")
        return b"id: %s\nevent: %s\ndata: %s\n\n" % (self.id.encode(), self.event.encode(), encode(self.data))


#: From the id of the last event seen (None: from now on) to the events that follow, without end.
Source = Callable[[str | None], AsyncIterator[Sent]]


class Streams:
    """The open streams of one process."""

    def __init__(self, settings: HttpSettings) -> None:
        self._per_principal, self._per_tenant = settings.streams_per_principal, settings.streams_per_tenant
        self._open: Counter[str] = Counter()
        self._of_tenants: Counter[str] = Counter()
        self.heartbeat = settings.heartbeat_seconds
        self.patience = settings.stalled_seconds
        self.closing = asyncio.Event()

    def enter(self, who: str, tenant_id: str) -> None:
        """Count a stream, of nobody's tenant where that is empty. Raises TooManyStreams."""
        if self._open[who] >= self._per_principal:
            raise TooManyStreams(
                f"You have {self._per_principal} event streams open, which is the most; close one first.",
                details={"limit": self._per_principal},
                retry_after=5,
            )
        if tenant_id and self._of_tenants[tenant_id] >= self._per_tenant:
            raise TooManyStreams(
                f"Your tenant has {self._per_tenant} event streams open, which is the most; close one first.",
                details={"limit": self._per_tenant},
                retry_after=5,
            )
        self._open[who] += 1
        self._of_tenants[tenant_id] += 1

    def leave(self, who: str, tenant_id: str) -> None:
        """Forget a stream."""
        for open_, key in ((self._open, who), (self._of_tenants, tenant_id)):
            open_[key] -= 1
            if open_[key] <= 0:
                del open_[key]

    def counts(self) -> Mapping[str, int]:
        """How many streams each tenant has open."""
        return {tenant_id: count for tenant_id, count in self._of_tenants.items() if tenant_id}

    def close(self) -> None:
        """End all streams, now and from now on."""
        self.closing.set()


class EventStream(Response):
    """The answer that sends a source's events as long as the reader may see them."""

    media_type = "text/event-stream"

    def __init__(self, source: Source, last_event_id: str | None, streams: Streams, doorkeeper: Doorkeeper) -> None:
        super().__init__(headers={"x-accel-buffering": "no"})
        del self.headers["content-length"]
        self._source = source
        self._last_event_id = last_event_id
        self._streams = streams
        self._doorkeeper = doorkeeper

    async def __call__(self, scope: AsgiScope, _receive: Receive, send: Send) -> None:
        exchange: Exchange = scope[KEY]
        who = exchange.principal.id if exchange.principal else exchange.address
        tenant_id = exchange.principal.tenant_id if exchange.principal else ""
        self._streams.enter(who, tenant_id)
        events = self._source(self._last_event_id)
        first: asyncio.Future[Sent] = asyncio.ensure_future(anext(events))
        try:
            await _begin(first)
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            await self._write(send, _RETRY)
            await self._pump(exchange, send, events, first)
            await send({"type": "http.response.body", "body": b""})
        finally:
            self._streams.leave(who, tenant_id)
            await _let_go(first)
            await _close(events)

    async def _pump(
        self, exchange: Exchange, send: Send, events: AsyncIterator[Sent], upcoming: "asyncio.Future[Sent]"
    ) -> None:
        closing = asyncio.ensure_future(self._streams.closing.wait())
        quiet = 0.0
        pause = min(_CHECK_SECONDS, self._streams.heartbeat)
        try:
            while not closing.done():
                waiting: set[asyncio.Future[Any]] = {upcoming, closing}
                await asyncio.wait(waiting, timeout=pause, return_when=asyncio.FIRST_COMPLETED)
                if not await self._may_go_on(exchange):
                    return
                if upcoming.done():
                    await self._write(send, upcoming.result().encoded())
                    upcoming = asyncio.ensure_future(anext(events))
                    quiet = 0.0
                    continue
                quiet += pause
                if quiet >= self._streams.heartbeat:
                    await self._write(send, _HEARTBEAT)
                    quiet = 0.0
        except StopAsyncIteration:
            return
        finally:
            closing.cancel()
            await _let_go(upcoming)

    async def _write(self, send: Send, chunk: bytes) -> None:
        """Send, and drop a reader that does not take it: the raised TimeoutError breaks the connection off."""
        async with asyncio.timeout(self._streams.patience):
            await send({"type": "http.response.body", "body": chunk, "more_body": True})

    async def _may_go_on(self, exchange: Exchange) -> bool:
        """Whether the reader is still who opened the stream, with the permission for it (SE-12)."""
        route = exchange.route
        if route is None or route.declaration is None or isinstance(route.declaration.permission, Public):
            return True
        try:
            credentials = shown_credentials(exchange.headers)
            now = self._doorkeeper.remembered(credentials) or await self._doorkeeper.verify(credentials)
            same = exchange.principal is not None and now.tenant_id == exchange.principal.tenant_id
            return same and now.may(route.declaration.permission)
        except Problem:
            return False


async def _begin(first: "asyncio.Future[Sent]") -> None:
    """Give the source its first step: what it refuses at once, such as a bad id, is answered as a failure."""
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    if first.done() and not first.cancelled():
        failure = first.exception()
        if failure is not None and not isinstance(failure, StopAsyncIteration):
            raise failure


async def _let_go(upcoming: "asyncio.Future[Sent]") -> None:
    upcoming.cancel()
    await asyncio.wait({upcoming})
    if not upcoming.cancelled():
        upcoming.exception()  # looked at, so that nobody warns about it


async def _close(events: AsyncIterator[Sent]) -> None:
    close = getattr(events, "aclose", None)
    if close is not None:
        await close()


@dataclass(frozen=True, slots=True)
class Live:
    """What an endpoint needs to answer with a stream."""

    last_event_id: str | None
    streams: Streams
    doorkeeper: Doorkeeper

    def stream(self, source: Source) -> EventStream:
        """The answer; resumes after the reader's Last-Event-ID."""
        return EventStream(source, self.last_event_id, self.streams, self.doorkeeper)


async def _live(
    request: Request,
    last_event_id: Annotated[
        str | None, Header(pattern=_ID, description="The id of the last event seen: the stream goes on after it.")
    ] = None,
) -> Live:
    return Live(last_event_id, request.app.streams, request.app.doorkeeper)


LiveDep = Annotated[Live, Depends(_live)]
