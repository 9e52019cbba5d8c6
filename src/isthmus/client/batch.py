"""Many calls as one: identical ones share an answer, a batch shares a bound, by-id reads share a bulk call."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping
from typing import Generic, Protocol, TypeVar, Unpack

from isthmus.client.call import Call
from isthmus.client.errors import ClientError, DeadlineExceeded, Missing
from isthmus.client.message import Response
from isthmus.client.options import CallOptions

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
Run = Callable[[Call], Awaitable[Response]]


class Caller(Protocol):
    """What a batch calls."""

    async def request(self, method: str, url: str, **options: Unpack[CallOptions]) -> Response: ...


class _Shared:
    __slots__ = ("callers", "task")

    def __init__(self, task: asyncio.Task[Response]) -> None:
        self.task = task
        self.callers = 0


class Coalescer:
    """Identical GETs in flight at the same time become one; it is cancelled when nobody waits for it any more."""

    def __init__(self) -> None:
        self._flying: dict[str, _Shared] = {}

    async def run(self, key: str, call: Call, run: Run, seconds: float) -> Response:
        """Join the call under `key` or make it. Every caller gets a response of its own."""
        shared = self._flying.get(key)
        if shared is None:
            task = asyncio.get_running_loop().create_task(_bounded(call, run, seconds), name="isthmus-coalesced")
            shared = self._flying[key] = _Shared(task)
            task.add_done_callback(lambda done: self._ended(key, done))
        shared.callers += 1
        try:
            response = await asyncio.shield(shared.task)
        finally:
            shared.callers -= 1
            if not shared.callers and not shared.task.done():
                shared.task.cancel()
        return response.copy()

    def _ended(self, key: str, task: asyncio.Task[Response]) -> None:
        found = self._flying.get(key)
        if found is not None and found.task is task:
            del self._flying[key]
        if not task.cancelled():
            task.exception()


async def _bounded(call: Call, run: Run, seconds: float) -> Response:
    try:
        async with asyncio.timeout(seconds) as timer:
            return await run(call)
    except TimeoutError as cause:
        if not timer.expired():
            raise
        raise DeadlineExceeded(sent=call.flight.sent, retry_safe=True) from cause


class Batch:
    """Calls gathered first and made together, at most `concurrency` at a time.

    `await batch.run()` gives, in the order of adding, the response or the error of each; one failure stops nothing.
    """

    def __init__(self, caller: Caller, concurrency: int = 8) -> None:
        if concurrency < 1:
            raise ValueError("a batch needs a concurrency of at least 1")
        self._caller = caller
        self._concurrency = concurrency
        self._calls: list[tuple[str, str, CallOptions]] = []

    def add(self, method: str, url: str, **options: Unpack[CallOptions]) -> int:
        """Add a call; returns its place in the results."""
        self._calls.append((method, url, options))
        return len(self._calls) - 1

    def get(self, url: str, **options: Unpack[CallOptions]) -> int:
        """Add a GET; returns its place in the results."""
        return self.add("GET", url, **options)

    def post(self, url: str, body: object = None, /, **options: Unpack[CallOptions]) -> int:
        """Add a POST; returns its place in the results."""
        if body is not None:
            options["json"] = body
        return self.add("POST", url, **options)

    async def run(self) -> list[Response | ClientError]:
        """Make the calls."""
        calls, self._calls = self._calls, []
        results: dict[int, Response | ClientError] = {}
        waiting = iter(enumerate(calls))

        async def work() -> None:
            for at, (method, url, options) in waiting:
                try:
                    results[at] = await self._caller.request(method, url, **options)
                except ClientError as error:
                    results[at] = error

        async with asyncio.TaskGroup() as group:
            for _ in range(min(self._concurrency, len(calls))):
                group.create_task(work())
        return [results[at] for at in range(len(calls))]


class Loader(Generic[K, V]):
    """Turns many reads by id into few bulk reads.

    fetch: reads up to `max_batch` keys at once and returns what it found. window: seconds to gather; 0 gathers what
    is asked for in the same turn of the event loop. A key asked for twice in a window is read once; nothing is kept.
    """

    def __init__(
        self, fetch: Callable[[list[K]], Awaitable[Mapping[K, V]]], *, max_batch: int = 100, window: float = 0.0
    ) -> None:
        self._fetch = fetch
        self._max = max_batch
        self._window = window
        self._waiting: dict[K, asyncio.Future[V]] = {}
        self._timer: asyncio.Handle | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def load(self, key: K) -> V:
        """The value of one key. Raises Missing if the bulk read did not bring it, and what `fetch` raises."""
        turn = self._waiting.get(key)
        if turn is None:
            loop = asyncio.get_running_loop()
            turn = self._waiting[key] = loop.create_future()
            if len(self._waiting) >= self._max:
                self._flush()
            elif self._timer is None:
                self._timer = (
                    loop.call_later(self._window, self._flush) if self._window else loop.call_soon(self._flush)
                )
        return await asyncio.shield(turn)

    def _flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        waiting, self._waiting = self._waiting, {}
        if waiting:
            task = asyncio.get_running_loop().create_task(self._read(waiting), name="isthmus-loader")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            task.add_done_callback(lambda done: _settle(done, waiting))

    async def _read(self, waiting: dict[K, asyncio.Future[V]]) -> None:
        found = await self._fetch(list(waiting))
        for key, turn in waiting.items():
            if key in found:
                turn.set_result(found[key])
            else:
                turn.set_exception(Missing(f"no {key!r} in the bulk reply", status=200))
                turn.exception()  # whoever asked may have gone


def _settle(task: asyncio.Task[None], waiting: Mapping[K, asyncio.Future[V]]) -> None:
    """A bulk read that failed or was cancelled fails all that wait for it."""
    error = None if task.cancelled() else task.exception()
    for turn in waiting.values():
        if turn.done():
            continue
        if error is None:
            turn.cancel()
        else:
            turn.set_exception(error)
            turn.exception()
