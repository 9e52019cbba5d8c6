"""The sync face: the same client with the same names, run by one event loop in a thread of its own."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

from isthmus.client.batch import Batch
from isthmus.client.call import forbid
from isthmus.client.client import ApiClient, Items
from isthmus.client.errors import ClientError
from isthmus.client.message import Response
from isthmus.client.options import CallOptions
from isthmus.client.pages import Page, Paging, Walk
from isthmus.client.stream import Streamed

T = TypeVar("T")
_AHEAD = 8


class _Loop:
    """One loop for all sync clients of the process; it ends with the last of them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def enter(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            self._users += 1
            if self._loop is None:
                self._loop = _new_loop()
                self._thread = threading.Thread(target=self._loop.run_forever, name="isthmus-client", daemon=True)
                self._thread.start()
            return self._loop

    def leave(self) -> None:
        with self._lock:
            self._users -= 1
            if self._users or self._loop is None or self._thread is None:
                return
            # In its own thread: this one may be running a loop too.
            asyncio.run_coroutine_threadsafe(self._loop.shutdown_asyncgens(), self._loop).result()
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()
            self._loop = self._thread = None


def _new_loop() -> asyncio.AbstractEventLoop:
    if sys.platform == "win32":
        return asyncio.new_event_loop()
    import uvloop  # noqa: PLC0415 - not there on Windows

    return uvloop.new_event_loop()


_loop = _Loop()


class SyncApiClient:
    """`ApiClient` for code without an event loop; takes the same arguments. Use it with `with`, or call `close`.

    It may be used from several threads. Limits, breakers and caches are those of the async client.
    """

    def __init__(self, base_url: str | None = None, **options: Any) -> None:  # noqa: ANN401 - those of ApiClient
        self._client = ApiClient(base_url, **options)
        self._loop: asyncio.AbstractEventLoop | None = _loop.enter()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give back the pool and the thread."""
        if self._loop is not None:
            self._wait(self._client.aclose())
            self._loop = None
            _loop.leave()

    def request(self, method: str, url: str, **options: Unpack[CallOptions]) -> Response:
        """Make a call; see `CallOptions`."""
        forbid()
        return self._wait(self._client.request(method, url, **options))

    def get(self, url: str, **options: Unpack[CallOptions]) -> Response:
        """GET."""
        return self.request("GET", url, **options)

    def post(self, url: str, body: object = None, /, **options: Unpack[CallOptions]) -> Response:
        """POST; the second argument is the JSON body."""
        return self._with_json("POST", url, body, options)

    def put(self, url: str, body: object = None, /, **options: Unpack[CallOptions]) -> Response:
        """PUT; the second argument is the JSON body."""
        return self._with_json("PUT", url, body, options)

    def patch(self, url: str, body: object = None, /, **options: Unpack[CallOptions]) -> Response:
        """PATCH; the second argument is the JSON body."""
        return self._with_json("PATCH", url, body, options)

    def delete(self, url: str, **options: Unpack[CallOptions]) -> Response:
        """DELETE."""
        return self.request("DELETE", url, **options)

    def invalidate(self, tag: str) -> None:
        """Forget the cached replies that were fetched with `tags=[tag]`."""
        self._wait(self._client.invalidate(tag))

    def batch(self, concurrency: int = 8) -> SyncBatch:
        """Gather calls and make them together."""
        return SyncBatch(self._client.batch(concurrency), self._wait)

    def walk(self, url: str, paging: Paging, items: Items = "", **options: Unpack[CallOptions]) -> SyncWalk:
        """All pages of `url`."""
        return SyncWalk(self._client.walk(url, paging, items, **options), self._wait)

    @contextmanager
    def stream(self, method: str, url: str, **options: Unpack[CallOptions]) -> Iterator[SyncStreamed]:
        """A reply read piece by piece; the next few pieces are read ahead."""
        forbid()
        pieces: asyncio.Queue[bytes | ClientError | None] = asyncio.Queue(_AHEAD)
        head: Future[Streamed] = Future()

        async def pump() -> None:
            try:
                async with self._client.stream(method, url, **options) as reply:
                    head.set_result(reply)
                    async for piece in reply:
                        await pieces.put(piece)
                    await pieces.put(None)
            except ClientError as error:
                if head.done():
                    await pieces.put(error)
                else:
                    head.set_exception(error)

        running = self._submit(pump())
        try:
            yield SyncStreamed(_result(head), lambda: self._wait(pieces.get()))
        finally:
            running.cancel()
            self._wait(_settled())

    def _with_json(self, method: str, url: str, body: object, options: CallOptions) -> Response:
        if body is not None:
            options["json"] = body
        return self.request(method, url, **options)

    def _submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        if self._loop is None:
            work.close()
            raise RuntimeError("this client is closed")
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        return _result(self._submit(work))


def _result(future: Future[T]) -> T:
    try:
        return future.result()
    except BaseException:
        future.cancel()  # an interrupt in this thread ends the call in the other
        raise


async def _settled() -> None:
    """Let a cancelled task run to its end."""
    for _ in range(3):
        await asyncio.sleep(0)


class SyncStreamed:
    """The sync face of `Streamed`."""

    def __init__(self, reply: Streamed, take: Callable[[], bytes | ClientError | None]) -> None:
        self.status = reply.status
        self.headers = reply.headers
        self.attempts = reply.attempts
        self._take = take

    def __iter__(self) -> Iterator[bytes]:
        while (piece := self._take()) is not None:
            if isinstance(piece, ClientError):
                raise piece
            yield piece

    def read(self) -> bytes:
        """The rest of the body."""
        return b"".join(self)


class SyncBatch:
    """The sync face of `Batch`."""

    def __init__(self, batch: Batch, wait: Callable[[Coroutine[Any, Any, Any]], Any]) -> None:
        self._batch = batch
        self._wait = wait
        self.add = batch.add
        self.get = batch.get
        self.post = batch.post

    def run(self) -> list[Response | ClientError]:
        """Make the calls."""
        forbid()
        results: list[Response | ClientError] = self._wait(self._batch.run())
        return results


class SyncWalk:
    """The sync face of `Walk`."""

    def __init__(self, walk: Walk, wait: Callable[[Coroutine[Any, Any, Any]], Any]) -> None:
        self._walk = walk
        self._wait = wait

    def pages(self) -> Iterator[Page]:
        """The pages in their order."""
        forbid()
        yield from self._each(self._walk.pages())

    def records(self) -> Iterator[object]:
        """The records of all pages."""
        forbid()
        yield from self._each(self._walk.records())

    def _each(self, source: AsyncIterator[T]) -> Iterator[T]:
        while True:
            try:
                yield self._wait(_next(source))
            except StopAsyncIteration:
                return


async def _next(source: AsyncIterator[T]) -> T:
    return await anext(source)
