"""The client that a connector has in its own process: what it asks for is asked of the platform's, which may say no."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Final, Unpack

from isthmus.client import ApiClient, InvalidRequest, Response, Streamed
from isthmus.client.build import Builder
from isthmus.client.message import Request
from isthmus.client.options import CallOptions
from isthmus.client.transport.port import Exchange, Flight
from isthmus.connect.apart.faults import error_of
from isthmus.connect.apart.frames import Ask, Nap, Told
from isthmus.connect.apart.wire import NOWHERE, response_of
from isthmus.kit.clock import Clock

_PATIENCE: Final = 30.0
_LARGEST: Final = 8 * 1024 * 1024
#: Sends a request up and waits for what became of it; the number is put into the frame by whoever sends.
Up = Callable[[Ask | Nap], Awaitable[Told]]


class Nowhere:
    """The transport of a client that sends nothing by itself."""

    async def send(self, request: Request, flight: Flight) -> Exchange:  # noqa: ARG002 - the port's form
        raise InvalidRequest("a connector's process has no network of its own")

    async def aclose(self) -> None:
        """Nothing is open."""


class FarClock:
    """The connection's clock, as it was told with the latest frame, and our own seconds since."""

    def __init__(self, now: datetime, up: Up, call: int, own: Clock) -> None:
        self._up, self._call, self._own = up, call, own
        self.tell(now)

    def tell(self, now: datetime) -> None:
        """What the connection's clock shows now."""
        self._told, self._at = now, self._own.monotonic()

    def now(self) -> datetime:
        return self._told + timedelta(seconds=self._own.monotonic() - self._at)

    def monotonic(self) -> float:
        return self._own.monotonic()

    async def sleep(self, seconds: float) -> None:
        told = await self._up(Nap(0, self._call, seconds))
        self.tell(told.now)
        if told.fault is not None:
            raise error_of(told.fault)


class PipedClient(ApiClient):
    """Looks like the session's client, and asks for every call instead of making it."""

    def __init__(self, clock: FarClock, up: Up, call: int) -> None:
        super().__init__(NOWHERE, transport=Nowhere(), breaker=None, clock=clock)
        self._way = Builder(NOWHERE, None, guarded=False, hosts=(), idempotency_header=None, max_body=_LARGEST)
        self._far, self._up, self._call = clock, up, call

    async def request(self, method: str, url: str, **options: Unpack[CallOptions]) -> Response:
        """As the session's own; streams of bytes are not sent."""
        deadline = options.get("deadline")
        call = self._way.call(method, url, options, self.clock.monotonic(), deadline or _PATIENCE)
        if call.request.content is not None and not isinstance(call.request.content, bytes):
            raise InvalidRequest("a connector's process sends no streams")
        headers = tuple((str(name), value) for name, value in call.request.headers.items())
        address = str(call.request.url).removeprefix(NOWHERE)
        told = await self._up(
            Ask(
                0,
                self._call,
                method,
                address,
                headers,
                call.request.content,
                call.idempotent,
                deadline,
                call.route,
                call.weight,
                options.get("max_body"),
            )
        )
        self._far.tell(told.now)
        if told.fault is not None:
            raise error_of(told.fault)
        if told.answer is None:
            raise InvalidRequest("the request has no answer")
        return response_of(told.answer)

    @asynccontextmanager
    async def stream(self, method: str, url: str, **options: Unpack[CallOptions]) -> AsyncIterator[Streamed]:
        """Raises InvalidRequest: answers come whole."""
        yield await self.open_stream(method, url, **options)

    async def open_stream(self, method: str, url: str, **options: Unpack[CallOptions]) -> Streamed:  # noqa: ARG002
        """Raises InvalidRequest: answers come whole."""
        raise InvalidRequest("a connector's process reads no streams")


class Waiting:
    """The requests of this process that nobody has answered yet."""

    def __init__(self) -> None:
        self._last = 0
        self._waiting: dict[int, asyncio.Future[Told]] = {}

    def next(self) -> tuple[int, asyncio.Future[Told]]:
        """A new number, and what will be told of it."""
        self._last += 1
        future = asyncio.get_running_loop().create_future()
        self._waiting[self._last] = future
        return self._last, future

    def tell(self, told: Told) -> None:
        """Wake whoever waits for it."""
        future = self._waiting.get(told.number)
        if future is not None and not future.done():
            future.set_result(told)

    def drop(self, number: int) -> None:
        """Nobody waits any more."""
        self._waiting.pop(number, None)
