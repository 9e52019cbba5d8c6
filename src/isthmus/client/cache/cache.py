"""The cache in front of a pipeline: fresh replies at once, stale ones while revalidating or when the far side fails."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable

from multidict import CIMultiDict

from isthmus.client.cache import rules
from isthmus.client.cache.rules import Entry
from isthmus.client.cache.stores import CacheStore, MemoryCache
from isthmus.client.call import Call
from isthmus.client.errors import ClientError
from isthmus.client.events import CacheDecided, Hook
from isthmus.client.message import Request, Response
from isthmus.kit.clock import SYSTEM, Clock

Run = Callable[[Call], Awaitable[Response]]
_HARMLESS = frozenset(
    {"accept", "accept-encoding", "accept-language", "user-agent", "cache-control", "traceparent", "tracestate"}
)


class Cache:
    """A private cache for the clients of one partition.

    store: where replies live. partition: whose they are, such as a connection id; clients of different partitions
    never see each other's replies even if they share a store. default_ttl: seconds for replies that say nothing.
    stale_if_error: seconds past freshness for which a reply may stand in when the far side fails.
    """

    def __init__(
        self,
        store: CacheStore | None = None,
        *,
        partition: str = "",
        default_ttl: float | None = None,
        stale_if_error: float = 0.0,
        clock: Clock = SYSTEM,
    ) -> None:
        self._store: CacheStore = store if store is not None else MemoryCache()
        self._partition = partition
        self._default_ttl = default_ttl
        self._stale_if_error = stale_if_error
        self._clock = clock
        self._refreshing: dict[str, asyncio.Task[None]] = {}

    async def run(self, call: Call, run: Run, identity: str, hooks: tuple[Hook, ...]) -> Response:
        """Answer the call from the cache or through `run`; marks replies that are not fresh from the far side."""
        request = call.request
        if request.method != "GET" or call.streaming:
            response = await run(call)
            if request.method not in {"GET", "HEAD", "OPTIONS"}:
                await self._store.invalidate(self._of_url(request, identity))
            return response
        asked = rules.directives(request.headers.get("Cache-Control", ""))
        if "no-store" in asked:
            return await run(call)
        key = self.key(request, identity)
        stored = await self._store.get(key)
        if stored is None or not rules.matches(stored, request.headers):
            _tell(hooks, call, "miss")
            return await self._fetched(call, run, key, identity)
        now = self._clock.now().timestamp()
        if now < stored.fresh_until and "no-cache" not in asked:
            _tell(hooks, call, "hit")
            return _answer(stored, request, stale=False)
        if now < stored.revalidate_until and "no-cache" not in asked:
            _tell(hooks, call, "stale")
            self._refresh(call, run, key, identity, stored)
            return _answer(stored, request, stale=True)
        if now < stored.error_until:
            call.stale = _answer(stored, request, stale=True)
        return await self._revalidated(call, run, key, identity, stored, hooks)

    def key(self, request: Request, identity: str) -> str:
        """Where a reply to this request lives: apart by partition, identity, URL and any header that may be secret."""
        parts = [self._partition, identity, str(request.url)]
        for name, value in request.headers.items():
            lowered = name.lower()
            if lowered not in _HARMLESS:
                parts += (lowered, value)
        return hashlib.blake2b("\x00".join(parts).encode(), digest_size=20).hexdigest()

    async def invalidate(self, tag: str) -> None:
        """Forget the replies of this partition that were fetched with the tag."""
        await self._store.invalidate(self._tag(tag))

    async def aclose(self) -> None:
        """Wait for the background revalidations."""
        if self._refreshing:
            await asyncio.wait(set(self._refreshing.values()))

    def _tag(self, tag: str) -> str:
        return f"{self._partition}:tag:{tag}"

    def _of_url(self, request: Request, identity: str) -> str:
        return f"{self._partition}:{identity}:url:{request.url.origin}{request.url.path}"

    async def _fetched(self, call: Call, run: Run, key: str, identity: str) -> Response:
        before = self._clock.monotonic()
        response = await run(call)
        await self._keep(call, response, key, identity, self._clock.monotonic() - before)
        return response

    async def _keep(self, call: Call, response: Response, key: str, identity: str, delay: float) -> None:
        asked = call.request.headers
        if response.fallback or not rules.storable(
            response.status, response.headers, rules.directives(asked.get("Cache-Control", ""))
        ):
            return
        made = rules.entry(
            response,
            asked=asked,
            now=self._clock.now().timestamp(),
            delay=delay,
            default_ttl=self._default_ttl,
            stale_if_error=self._stale_if_error,
            tags=[self._of_url(call.request, identity), *map(self._tag, call.tags)],
        )
        useful = max(made.fresh_until, made.revalidate_until, made.error_until) > self._clock.now().timestamp()
        if useful or rules.validators(made):
            await self._store.put(key, made)

    async def _revalidated(
        self, call: Call, run: Run, key: str, identity: str, stored: Entry, hooks: tuple[Hook, ...]
    ) -> Response:
        original = call.request
        call.request = original.with_headers(rules.validators(stored))
        try:
            response = await run(call)
        finally:
            call.request = original
        if response.status != 304:
            _tell(hooks, call, "miss")
            await self._keep(call, response, key, identity, 0.0)
            return response
        _tell(hooks, call, "revalidated")
        merged = Response(stored.status, rules.refreshed(stored, response.headers), stored.content, original)
        merged.attempts, merged.waited, merged.duration = response.attempts, response.waited, response.duration
        merged.from_cache = True
        await self._keep(call, merged, key, identity, 0.0)
        return merged

    def _refresh(self, call: Call, run: Run, key: str, identity: str, stored: Entry) -> None:
        if key in self._refreshing:
            return
        again = Call(call.request, call.started, call.deadline_at)
        again.idempotent, again.max_body, again.route = True, call.max_body, call.route
        again.weight, again.share, again.tags = call.weight, call.share, call.tags
        task = asyncio.get_running_loop().create_task(
            self._behind(again, run, key, identity, stored), name="isthmus-revalidate"
        )
        self._refreshing[key] = task
        task.add_done_callback(lambda _: self._refreshing.pop(key, None))

    async def _behind(self, call: Call, run: Run, key: str, identity: str, stored: Entry) -> None:
        try:
            async with asyncio.timeout(max(0.001, call.deadline_at - self._clock.monotonic())):
                await self._revalidated(call, run, key, identity, stored, ())
        except (ClientError, TimeoutError):
            return  # the stale reply was good enough; the next call tries again


def _answer(stored: Entry, request: Request, *, stale: bool) -> Response:
    response = Response(stored.status, CIMultiDict(stored.headers), stored.content, request)
    response.from_cache, response.stale, response.attempts = True, stale, 0
    return response


def _tell(hooks: tuple[Hook, ...], call: Call, decision: str) -> None:
    for hook in hooks:
        hook(CacheDecided(call.request, decision, call.route))
