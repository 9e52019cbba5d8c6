"""`ApiClient`: one far side, its conventions and its limits, called from any number of tasks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from copy import copy
from types import TracebackType
from typing import Self, Unpack

from isthmus.client import telemetry
from isthmus.client.auth.oauth2 import OAuth2
from isthmus.client.auth.port import Auth
from isthmus.client.batch import Batch, Coalescer
from isthmus.client.breaker import Breaker, BreakerRule
from isthmus.client.build import Builder
from isthmus.client.cache.cache import Cache
from isthmus.client.call import Call, forbid
from isthmus.client.deadline import Deadline
from isthmus.client.errors import (
    BreakerOpen,
    ClientError,
    DeadlineExceeded,
    InvalidRequest,
    NetworkError,
    PlatformFailed,
    RateLimited,
    Throttled,
)
from isthmus.client.events import CallEnded, Hook
from isthmus.client.fallback import Fallbacks, Function
from isthmus.client.guard import AddressGuard
from isthmus.client.judge import Judge
from isthmus.client.limiter import Limiter
from isthmus.client.limits import RateLimit
from isthmus.client.message import Response
from isthmus.client.options import CallOptions
from isthmus.client.pages import Paging, Walk
from isthmus.client.pipeline import Gate, Pipeline
from isthmus.client.retry import Retry
from isthmus.client.stream import Streamed
from isthmus.client.transform import Transformer, Transformers
from isthmus.client.transport import shared
from isthmus.client.transport.port import Transport
from isthmus.client.url import parse
from isthmus.kit import chance
from isthmus.kit.clock import SYSTEM, Clock

Items = str | Callable[[Response], list[object]]
Limits = RateLimit | Limiter | Gate | Sequence[Gate | Limiter]
_BREAKER = BreakerRule()
_STREAM_CAP = 1024 * 1024 * 1024
_STALE_MAY_HELP = (NetworkError, PlatformFailed, BreakerOpen, RateLimited, Throttled)


class ApiClient:
    """Calls one API.

    base_url: what relative paths are put behind. headers: sent with every call. auth: a policy or `OAuth2`.
    retry: when to send again (`NEVER` for once). rate_limit: a rule, a limiter, or several gates. breaker: a rule or
    a `Breaker` to share, None for none. deadline: total seconds per call, attempts and waits included. max_body:
    bytes of a reply, packed and unpacked. transport: where requests leave; one pool per event loop is shared by
    default. guard: refuses addresses; give one for every URL a stranger supplied. classify: judges replies by the
    platform's envelope. hosts: further origins that may be called with these credentials, such as
    "https://files.example.com". idempotency_header: how the platform takes idempotency keys, None if it does not.
    hooks: told of waits, attempts and calls. redirects: hops followed for GET. cache: a `Cache`. coalesce: identical
    GETs in flight become one. fallbacks: other base URLs, fallback: a function, both for when the breaker is open.
    transformers: functions over the JSON of requests and responses.

    Use it as an async context manager, or call `aclose`.
    """

    def __init__(  # noqa: PLR0913 - the constructor is the whole configuration, by keyword
        self,
        base_url: str | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        auth: Auth | OAuth2 | None = None,
        retry: Retry | None = None,
        rate_limit: Limits | None = None,
        breaker: Breaker | BreakerRule | None = _BREAKER,
        deadline: float = 30.0,
        max_body: int = 8 * 1024 * 1024,
        transport: Transport | None = None,
        guard: AddressGuard | None = None,
        classify: Judge | None = None,
        hosts: Iterable[str] = (),
        idempotency_header: str | None = "Idempotency-Key",
        hooks: Iterable[Hook] = (),
        redirects: int = 3,
        cache: Cache | None = None,
        coalesce: bool = False,
        fallbacks: Iterable[str] = (),
        fallback: Function | None = None,
        transformers: Transformers | Mapping[str, Transformer | Iterable[Transformer]] | None = None,
        clock: Clock = SYSTEM,
        draw: chance.Draw = chance.draw,
    ) -> None:
        self._builder = Builder(
            base_url,
            headers,
            guarded=auth is not None,
            hosts=hosts,
            idempotency_header=idempotency_header,
            max_body=max_body,
        )
        changes = Transformers.of(transformers)
        self._builder.transformers = changes.request
        self._changes = changes.response
        self._deadline = deadline
        self._may_leave: Callable[[], Awaitable[bool]] | None = None
        self._own: shared.Lent | None = None
        if transport is None:
            transport = self._own = shared.lend(guard)
        self.clock = clock
        self.breaker = Breaker(breaker) if isinstance(breaker, BreakerRule) else breaker
        self.cache = cache
        self.pipeline = Pipeline(
            transport=transport,
            retry=retry or Retry(),
            clock=clock,
            draw=draw,
            auth=auth,
            gates=_gates(rate_limit, clock),
            breaker=self.breaker,
            judge=classify,
            redirects=redirects,
            hooks=(*hooks, *telemetry.active()),
        )
        if isinstance(breaker, BreakerRule) and self.breaker is not None and self.pipeline.hooks:
            self.breaker.listen(self.pipeline.tell)
        bases = tuple(parse(one) for one in fallbacks)
        self._fallbacks = Fallbacks(self._builder.base, bases, fallback) if bases or fallback else None
        self._coalescer = Coalescer() if coalesce else None
        self._keys = cache if cache is not None else Cache()
        plain = self._fallbacks is None and cache is None and not coalesce
        self._run: Callable[[Call], Awaitable[Response]] = self.pipeline.run if plain else self._layered

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Let refreshes under way end and give the shared pool back; a transport of your own stays open."""
        if self.cache is not None:
            await self.cache.aclose()
        if isinstance(self.pipeline.auth, OAuth2):
            await self.pipeline.auth.aclose()
        own, self._own = self._own, None
        if own is not None:
            await own.aclose()

    def vouched(self, may_leave: Callable[[], Awaitable[bool]]) -> Self:
        """The same client, asking that for a call that has waited for a second or more; there is nothing to close.

        Where the answer is no, the call is not sent and ends as `Withdrawn`, or as what failed before.
        """
        view = copy(self)
        view._own, view._may_leave = None, may_leave
        return view

    async def request(self, method: str, url: str, **options: Unpack[CallOptions]) -> Response:
        """Make a call; see `CallOptions`. Returns the reply judged good; raises an error of the tree otherwise."""
        forbid()
        deadline = options.get("deadline") or self._deadline
        call = self._builder.call(method, url, options, self.clock.monotonic(), deadline)
        call.may_leave = self._may_leave
        response: Response | None = None
        error: ClientError | None = None
        timer = Deadline(deadline)
        try:
            with timer:
                response = await self._run(call)
            if self._changes:
                response.transformers = self._changes
            return response
        except TimeoutError as cause:
            if not timer.expired:
                raise
            error = _late(call, deadline)
            if call.stale is not None:
                return self._stale(call)
            raise error from cause
        except ClientError as caught:
            error = caught
            error.attempts = error.attempts or call.attempts
            if call.stale is not None and isinstance(caught, _STALE_MAY_HELP):
                return self._stale(call)
            raise
        finally:
            if self.pipeline.hooks:
                self._ended(call, response, error)

    async def get(self, url: str, **options: Unpack[CallOptions]) -> Response:
        """GET."""
        return await self.request("GET", url, **options)

    async def post(self, url: str, body: object = None, /, **options: Unpack[CallOptions]) -> Response:
        """POST; the second argument is the JSON body."""
        return await self._with_json("POST", url, body, options)

    async def put(self, url: str, body: object = None, /, **options: Unpack[CallOptions]) -> Response:
        """PUT; the second argument is the JSON body."""
        return await self._with_json("PUT", url, body, options)

    async def patch(self, url: str, body: object = None, /, **options: Unpack[CallOptions]) -> Response:
        """PATCH; the second argument is the JSON body."""
        return await self._with_json("PATCH", url, body, options)

    async def delete(self, url: str, **options: Unpack[CallOptions]) -> Response:
        """DELETE."""
        return await self.request("DELETE", url, **options)

    @asynccontextmanager
    async def stream(self, method: str, url: str, **options: Unpack[CallOptions]) -> AsyncIterator[Streamed]:
        """A reply read piece by piece; `deadline` covers the reading too, `max_body` is 1 GiB unless given."""
        forbid()
        deadline = options.get("deadline") or self._deadline
        call = self._streaming(method, url, options, deadline)
        head: Response | None = None
        error: ClientError | None = None
        timer = Deadline(deadline)
        try:
            with timer:
                reply = await self._head(call)
                head = reply.head
                yield reply
                await reply.release()
        except TimeoutError as cause:
            if not timer.expired:
                raise
            error = _late(call, deadline)
            raise error from cause
        except ClientError as caught:
            error = caught
            raise
        finally:
            if call.exchange is not None:
                call.exchange.abort()
            if self.pipeline.hooks:
                self._ended(call, head, error)

    async def open_stream(self, method: str, url: str, **options: Unpack[CallOptions]) -> Streamed:
        """A reply for as long as it lasts: `deadline` covers the head only, and the caller must end with `abort`.

        For feeds without an end; whoever reads one bounds each piece, as `EventSource` does.
        """
        forbid()
        deadline = options.get("deadline") or self._deadline
        call = self._streaming(method, url, options, deadline)
        timer = Deadline(deadline)
        try:
            with timer:
                reply = await self._head(call)
        except TimeoutError as cause:
            if not timer.expired:
                raise
            if call.exchange is not None:
                call.exchange.abort()
            raise self._failed(call, _late(call, deadline)) from cause
        except ClientError as caught:
            raise self._failed(call, caught) from None
        if self.pipeline.hooks:
            self._ended(call, reply.head, None)
        return reply

    def _streaming(self, method: str, url: str, options: CallOptions, deadline: float) -> Call:
        call = self._builder.call(method, url, options, self.clock.monotonic(), deadline)
        call.may_leave = self._may_leave
        call.streaming, call.max_body = True, options.get("max_body", _STREAM_CAP)
        return call

    async def _head(self, call: Call) -> Streamed:
        response = await self._run(call)
        if call.exchange is None:
            raise InvalidRequest("the reply to this call has no body to stream")
        return Streamed(response, call.exchange, call.max_body)

    def walk(self, url: str, paging: Paging, items: Items = "", **options: Unpack[CallOptions]) -> Walk:
        """All pages of `url`: `async for page in api.walk(...).pages()`, or `.records()`.

        items: path of the records in the body, or a function of the response.
        """
        return Walk(caller=self, url=url, paging=paging, items=items, options=options)

    def batch(self, concurrency: int = 8) -> Batch:
        """Gather calls and make them together, at most `concurrency` at a time, with partial results."""
        return Batch(self, concurrency)

    async def invalidate(self, tag: str) -> None:
        """Forget the cached replies that were fetched with `tags=[tag]`."""
        if self.cache is not None:
            await self.cache.invalidate(tag)

    async def _with_json(self, method: str, url: str, body: object, options: CallOptions) -> Response:
        if body is not None:
            options["json"] = body
        return await self.request(method, url, **options)

    async def _layered(self, call: Call) -> Response:
        """The pipeline behind whatever of cache, coalescing and fallbacks this client has."""
        if self.cache is None:
            return await self._coalesced(call)
        return await self.cache.run(call, self._coalesced, self._identity(), self.pipeline.hooks)

    async def _coalesced(self, call: Call) -> Response:
        if self._coalescer is None or call.request.method != "GET" or call.streaming:
            return await self._fallen(call)
        key = self._keys.key(call.request, self._identity())
        return await self._coalescer.run(key, call, self._fallen, call.deadline_at - self.clock.monotonic())

    async def _fallen(self, call: Call) -> Response:
        if self._fallbacks is None:
            return await self.pipeline.run(call)
        return await self._fallbacks.run(call, self.pipeline.run)

    def _identity(self) -> str:
        return self.pipeline.auth.identity if self.pipeline.auth is not None else ""

    def _stale(self, call: Call) -> Response:
        response = call.stale or Response(0, {})
        response.transformers = self._changes
        response.attempts, response.waited = call.attempts, call.waited
        return response

    def _failed(self, call: Call, error: ClientError) -> ClientError:
        """The error of a call whose head never came, once the hooks know of it."""
        if self.pipeline.hooks:
            self._ended(call, None, error)
        return error

    def _ended(self, call: Call, response: Response | None, error: ClientError | None) -> None:
        took = self.clock.monotonic() - call.started
        self.pipeline.tell(CallEnded(call.request, took, call.waited, call.attempts, response, error, call.route))


def _late(call: Call, deadline: float) -> DeadlineExceeded:
    error = DeadlineExceeded(
        f"the call did not end within {deadline:g} s ({call.attempts} attempts, {call.waited:.1f} s of waiting)",
        sent=call.flight.sent,
        retry_safe=call.idempotent or not call.flight.sent,
    )
    error.attempts = call.attempts
    return error


def _gates(limits: Limits | None, clock: Clock) -> tuple[Gate, ...]:
    if limits is None:
        return ()
    if isinstance(limits, RateLimit):
        return (Gate(Limiter(limits, clock=clock)),)
    if isinstance(limits, Gate | Limiter):
        limits = (limits,)
    return tuple(one if isinstance(one, Gate) else Gate(one) for one in limits)
