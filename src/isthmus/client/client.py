"""`ApiClient`: one far side, its conventions and its limits, called from any number of tasks."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import Self, Unpack

from multidict import CIMultiDict

import isthmus
from isthmus.client import json as _json
from isthmus.client.auth.oauth2 import OAuth2
from isthmus.client.auth.port import Auth
from isthmus.client.body import ACCEPT_ENCODING, multipart
from isthmus.client.breaker import Breaker, BreakerRule
from isthmus.client.call import Call, CallOptions, calls_forbidden
from isthmus.client.deadline import Deadline
from isthmus.client.errors import ClientError, DeadlineExceeded, InvalidRequest
from isthmus.client.events import CallEnded, Hook
from isthmus.client.guard import AddressGuard
from isthmus.client.judge import Judge
from isthmus.client.limiter import Limiter
from isthmus.client.limits import RateLimit
from isthmus.client.message import Body, Request, Response, check_headers
from isthmus.client.pipeline import Gate, Pipeline
from isthmus.client.retry import IDEMPOTENT, Retry
from isthmus.client.transport import shared
from isthmus.client.transport.port import Transport
from isthmus.client.url import add_query, encode, join, parse
from isthmus.kit import chance
from isthmus.kit.clock import SYSTEM, Clock

Limits = RateLimit | Limiter | Gate | Sequence[Gate | Limiter]
_USER_AGENT = f"isthmus/{isthmus.__version__}" if hasattr(isthmus, "__version__") else "isthmus"


class ApiClient:
    """Calls one API.

    base_url: what relative paths are put behind. headers: sent with every call. auth: a policy or `OAuth2`.
    retry: when to send again (`NEVER` for once). rate_limit: a rule, a limiter, or several gates. breaker: a rule or
    a `Breaker` to share, None for none. deadline: total seconds per call, attempts and waits included. max_body:
    bytes of a reply, packed and unpacked. transport: where requests leave; one pool per event loop is shared by
    default. guard: refuses addresses; give one for every URL a stranger supplied. classify: judges replies by the
    platform's envelope. hosts: further origins that may be called with these credentials, such as
    "https://files.example.com". idempotency_header: how the platform takes idempotency keys, None if it does not.
    hooks: told of waits, attempts and calls. redirects: hops followed for GET.

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
        breaker: Breaker | BreakerRule | None = BreakerRule(),  # noqa: B008 - frozen
        deadline: float = 30.0,
        max_body: int = 8 * 1024 * 1024,
        transport: Transport | None = None,
        guard: AddressGuard | None = None,
        classify: Judge | None = None,
        hosts: Iterable[str] = (),
        idempotency_header: str | None = "Idempotency-Key",
        hooks: Iterable[Hook] = (),
        redirects: int = 3,
        clock: Clock = SYSTEM,
        draw: chance.Draw = chance.draw,
    ) -> None:
        self.base_url = parse(base_url) if base_url else None
        self._headers = CIMultiDict({"Accept": "*/*", "Accept-Encoding": ACCEPT_ENCODING, "User-Agent": _USER_AGENT})
        if headers:
            check_headers(headers)
            self._headers.update(headers)
        self._origins = frozenset(parse(host).origin for host in hosts)
        self._deadline = deadline
        self._max_body = max_body
        self._idempotency_header = idempotency_header
        self._own: shared.Lent | None = None
        if transport is None:
            transport = self._own = shared.lend(guard)
        self.clock = clock
        self.breaker = Breaker(breaker) if isinstance(breaker, BreakerRule) else breaker
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
            hooks=tuple(hooks),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Let a token refresh under way end and give the shared pool back; a transport of your own stays open."""
        if isinstance(self.pipeline.auth, OAuth2):
            await self.pipeline.auth.aclose()
        own, self._own = self._own, None
        if own is not None:
            await own.aclose()

    async def request(self, method: str, url: str, **options: Unpack[CallOptions]) -> Response:
        """Make a call; see `CallOptions`. Returns the reply judged good; raises an error of the tree otherwise."""
        forbidden = calls_forbidden.get()
        if forbidden is not None:
            raise RuntimeError(f"no outbound calls here: {forbidden}")
        deadline = options.get("deadline") or self._deadline
        call = self._call(method, url, deadline, options)
        return await self._within(deadline, call)

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

    async def _with_json(self, method: str, url: str, body: object, options: CallOptions) -> Response:
        if body is not None:
            options["json"] = body
        return await self.request(method, url, **options)

    async def _within(self, deadline: float, call: Call) -> Response:
        response: Response | None = None
        error: ClientError | None = None
        try:
            with Deadline(deadline):
                response = await self.pipeline.run(call)
            return response
        except TimeoutError as cause:
            error = _late(call, deadline)
            raise error from cause
        except ClientError as caught:
            error = caught
            raise
        finally:
            if self.pipeline.hooks:
                self._ended(call, response, error)

    def _ended(self, call: Call, response: Response | None, error: ClientError | None) -> None:
        took = self.clock.monotonic() - call.started
        self.pipeline.tell(CallEnded(call.request, took, call.waited, call.attempts, response, error, call.route))

    def _call(self, method: str, target: str, deadline: float, options: CallOptions) -> Call:
        url = join(self.base_url, target)
        base = self.base_url
        if (
            base is not None
            and url.origin != base.origin
            and self.pipeline.auth is not None
            and url.origin not in self._origins
        ):
            raise InvalidRequest(f"{url.origin} is not a host of this client; list it in `hosts`")
        query = options.get("query")
        if query:
            url = add_query(url, query)
        headers = self._headers.copy()
        content, content_type = _content(options)
        if content_type is not None:
            headers["Content-Type"] = content_type
        own = options.get("headers")
        if own:
            check_headers(own)
            headers.update(own)
        started = self.clock.monotonic()
        call = Call(Request(method, url, headers, content), started, started + deadline)
        call.idempotent = method in IDEMPOTENT
        self._say(call, options, headers)
        return call

    def _say(self, call: Call, options: CallOptions, headers: CIMultiDict[str]) -> None:
        call.max_body = options.get("max_body", self._max_body)
        call.weight = options.get("weight", 1)
        call.route = options.get("route")
        call.share = options.get("share", "")
        call.replayable = call.request.content is None or isinstance(call.request.content, bytes)
        key = options.get("idempotency_key")
        if key is not None and self._idempotency_header is not None:
            check_headers({self._idempotency_header: key})
            headers[self._idempotency_header] = key
            call.idempotent = True
        said = options.get("idempotent")
        if said is not None:
            call.idempotent = said


def _content(options: CallOptions) -> tuple[Body, str | None]:
    """The body and its type. Raises InvalidRequest when there is more than one body."""
    given = [name for name in ("json", "form", "multipart", "content") if options.get(name) is not None]
    if not given:
        return None, None
    if len(given) > 1:
        raise InvalidRequest("a call has one body: " + " or ".join(given))
    json, form, fields = options.get("json"), options.get("form"), options.get("multipart")
    if json is not None:
        return _json.dumps(json), "application/json"
    if form is not None:
        return encode(form).encode(), "application/x-www-form-urlencoded"
    if fields is not None:
        boundary = secrets.token_hex(16)
        return multipart(fields, boundary), f"multipart/form-data; boundary={boundary}"
    content = options.get("content")
    if isinstance(content, str):
        return content.encode(), "text/plain; charset=utf-8"
    return content, "application/octet-stream"


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
