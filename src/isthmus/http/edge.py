"""The one middleware: everything that happens to a request before and after its route, in one pure ASGI callable."""

import asyncio
import logging
import os
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from isthmus.http import redact
from isthmus.http.addresses import Callers, Hosts, is_plain, limit_key
from isthmus.http.answers import Document, enveloped
from isthmus.http.asgi import KEY, LINK, REQUEST_ID, AsgiScope, Header, Receive, Send
from isthmus.http.auth import Doorkeeper
from isthmus.http.bodies import (
    CappedBody,
    Gone,
    check_encoding,
    declared_length,
    parse_query,
    query_faults,
    refuse_credentials,
)
from isthmus.http.cors import Cors
from isthmus.http.errors import (
    HeavyRequestsWait,
    MethodNotAllowed,
    Misdirected,
    TooLarge,
    as_problem,
    problem_answer,
)
from isthmus.http.exchange import Exchange, given_id
from isthmus.http.fronts import Arrival, Front
from isthmus.http.gate import Gate, Refusals
from isthmus.http.holding import RETRY_SECONDS, Holding, NoRoom, weight
from isthmus.http.lanes import Lanes
from isthmus.http.limits import Limiter, Refused
from isthmus.http.logging import access as log_access
from isthmus.http.logging import failed
from isthmus.http.metrics import Traffic
from isthmus.http.routes import WRAPPED, DeclaredRoute
from isthmus.http.running import declaration_of, run, searched, tenant_of
from isthmus.http.settings import HttpSettings
from isthmus.http.table import RouteTable
from isthmus.kit import ids
from isthmus.kit.clock import Clock
from isthmus.kit.errors import Invalid, NotFound, Problem, Unavailable

_log = logging.getLogger("isthmus.http")
_NOTHING = nullcontext()
_ONCE = (b"authorization", b"x-api-key", b"content-length", b"content-type", b"idempotency-key", b"origin", b"cookie")


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the edge is made of."""

    settings: HttpSettings
    table: RouteTable[DeclaredRoute]
    doorkeeper: Doorkeeper
    limiter: Limiter
    clock: Clock
    #: Path prefix -> what answers there in front of all routes.
    fronts: Mapping[str, Front] = field(default_factory=dict)
    traffic: Traffic = field(default_factory=Traffic)
    #: Keeps what was refused to somebody who is known.
    refusals: Refusals | None = None


class Link(Protocol):
    """The connection below a request, where there is one."""

    lost: bool

    def serving(self, work: "asyncio.Task[Any] | None") -> None:
        """Which task answers the request now; hanging up cancels it."""
        ...

    def abort(self) -> None:
        """Break the connection off."""
        ...

    def answer(self, status: int, headers: list[Header], body: bytes) -> bool:
        """Send a whole answer at once; False when it has to go by messages."""
        ...


class Edge:
    """Answers HTTP requests; hands them to the routes of the table."""

    def __init__(self, parts: Parts) -> None:
        self._settings = parts.settings
        self._table = parts.table
        self._gate = Gate(parts.settings, parts.doorkeeper, parts.limiter, parts.clock, parts.refusals)
        self._limiter = parts.limiter
        self._clock = parts.clock
        self._traffic = parts.traffic
        self._holding = Holding(parts.settings.held_bytes)
        self._lanes = Lanes(parts.settings, os.cpu_count() or 1)
        self._fronts = tuple(parts.fronts.items())
        self._hosts = Hosts(parts.settings.hosts)
        self._callers = Callers(parts.settings.trusted_proxies)
        self.cors = Cors(parts.settings.cors_origins)

    def exports(self) -> Mapping[str, int]:
        """How many exports each tenant has under way."""
        return self._lanes.counts("export")

    async def answer(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request, whatever happens."""
        listed = scope["headers"]
        headers = dict(listed)
        request_id = given_id(headers) or ids.new("req", self._clock)
        peer = scope.get("client") or ("", 0)
        exchange = Exchange(request_id, self._callers.address(peer[0], listed), self._clock.monotonic(), headers)
        scope[KEY] = exchange
        token = REQUEST_ID.set(request_id)
        sender = exchange.sender(send)
        link: Link | None = scope.get(LINK)
        if link is not None:
            link.serving(asyncio.current_task())
        try:
            await self._answer(exchange, scope, receive, sender)
        except Gone:
            exchange.status = 499
        except asyncio.CancelledError:
            # the caller hung up, or the server's patience at its end is over; nobody awaits this task
            await self._end_cancelled(exchange, link, sender)
        except Exception as failure:  # noqa: BLE001 - this is the renderer: no failure leaves it unnamed
            await self._fail(exchange, failure, scope, sender)
        finally:
            if link is not None:
                link.serving(None)
            self._note(exchange, scope)
            REQUEST_ID.reset(token)

    async def _answer(self, exchange: Exchange, scope: AsgiScope, receive: Receive, send: Send) -> None:
        headers = exchange.headers
        if headers.get(b"host", b"") not in self._hosts:
            raise Misdirected
        origin = headers.get(b"origin")
        if scope["method"] == "OPTIONS":
            exchange.cors = self.cors.preflight(origin, scope["path"], embedded=self._is_embedded(scope, headers))
            await _empty(send, 204)
            return
        exchange.cors = self.cors.answer(origin, scope["path"])
        if len(headers) != len(scope["headers"]):
            _check_once(scope)
        if self._fronts and await self._passed(exchange, scope, receive, send):
            return
        route, scope["path_params"] = self._route(scope)
        exchange.route = route
        declaration = declaration_of(route)
        pairs = parse_query(scope["query_string"])
        if not declaration.open_query:
            refuse_credentials(pairs)
        await self._gate.admit(exchange, scope["method"], declaration)
        if pairs and not declaration.open_query:
            exchange.faults = query_faults(pairs, route.known_query, route.repeatable_query)
        query: dict[str, list[str]] = {}
        for name, value in pairs:
            query.setdefault(name, []).append(value)
        exchange.query = pairs
        cap = declaration.body_cap if declaration.body_cap is not None else self._settings.body_bytes
        body = self._body(exchange, cap, receive)
        seconds = None if declaration.stream else declaration.deadline or self._settings.request_seconds
        self._leave_envelope(scope, exchange, route)
        tenant_id = exchange.principal.tenant_id if exchange.principal is not None else ""
        size = weight(headers, cap, passing=not route.takes_json)
        async with asyncio.timeout(seconds):
            with self._holding.take(tenant_id, size) if size else _NOTHING:
                response = await self._work(route, scope, body, send, query)
            if response is not None:
                if declaration.envelope:
                    response = enveloped(response, exchange.request_id, self._clock.now())
                await _leave(response, exchange, scope, body, send)

    async def _work(
        self, route: DeclaredRoute, scope: AsgiScope, body: CappedBody, send: Send, query: Mapping[str, list[str]]
    ) -> Response | None:
        """Have the route answer: what is light at once, what is heavy in a turn of its tenant (RL-12)."""
        declaration, lanes = declaration_of(route), self._lanes
        heavy = declaration.heavy or searched(route, query)
        if heavy is not None:
            tenant_id = tenant_of(scope)
            response = await run(route, scope, body, send, query, lanes.turn(heavy, tenant_id))
            if isinstance(response, StreamingResponse):
                await lanes.paced(heavy, tenant_id, response)
            return response
        if declaration.streamed:
            return await run(route, scope, body, send, query)
        lanes.light += 1
        try:
            return await run(route, scope, body, send, query)
        finally:
            lanes.light -= 1
            if lanes.waiting and not lanes.light:
                lanes.go_on()

    def _is_embedded(self, scope: AsgiScope, headers: Mapping[bytes, bytes]) -> bool:
        """Whether foreign pages may call what an OPTIONS request asks about; which of them, the key tells then."""
        method = headers.get(b"access-control-request-method", b"").decode("latin-1")
        found = self._table.find(method, scope["path"])
        return found is not None and declaration_of(found[0]).embed

    def _leave_envelope(self, scope: AsgiScope, exchange: Exchange, route: DeclaredRoute) -> None:
        """For answers that the framework sends by itself, which do not come by here again."""
        if route.binder is None and declaration_of(route).envelope:
            scope[WRAPPED] = lambda answer: enveloped(answer, exchange.request_id, self._clock.now())

    def _route(self, scope: AsgiScope) -> tuple[DeclaredRoute, dict[str, str]]:
        path, method = scope["path"], scope["method"]
        if not is_plain(scope.get("raw_path") or path.encode(), path):
            raise NotFound("There is nothing at this address.")
        found = self._table.find("GET" if method == "HEAD" else method, path)
        if found is not None and not (method == "HEAD" and declaration_of(found[0]).stream):
            return found
        allowed = self._allowed(path)
        if not allowed:
            raise NotFound("There is nothing at this address.")
        raise MethodNotAllowed(details={"allow": sorted(allowed)})

    def _allowed(self, path: str) -> set[str]:
        """The methods at this path; HEAD goes with GET, but where a stream would begin."""
        got = self._table.find("GET", path)
        head = set() if got is None or declaration_of(got[0]).stream else {"HEAD"}
        return self._table.allowed(path) | head

    async def _passed(self, exchange: Exchange, scope: AsgiScope, receive: Receive, send: Send) -> bool:
        """Whether something in front of the routes has answered."""
        for prefix, front in self._fronts:
            if scope["path"].startswith(prefix):
                await self._pass(exchange, front, prefix, scope, receive, send)
                return True
        return False

    async def _pass(
        self, exchange: Exchange, front: Front, prefix: str, scope: AsgiScope, receive: Receive, send: Send
    ) -> None:
        """Hand the whole request to what stands in front of the routes; only what it refuses is counted (WH-08)."""
        exchange.shown = front.shown
        if not is_plain(scope.get("raw_path") or b"", scope["path"]):
            raise NotFound("There is nothing at this address.")
        address = f"front {limit_key(exchange.address)}"
        size = weight(exchange.headers, front.body_cap, passing=False)
        async with asyncio.timeout(self._settings.request_seconds):
            with self._holding.take("", size) if size else _NOTHING:
                reply = await front.answer(await self._arrived(exchange, front, prefix, scope, receive))
        if reply.refused:
            self._limiter.count_failure(address)
            self._limiter.check_failures(address)
        length, kind = b"%d" % len(reply.body), reply.content_type.encode()
        headers = [(b"content-length", length), *([(b"content-type", kind)] if kind else [])]
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": reply.body})

    async def _arrived(
        self, exchange: Exchange, front: Front, prefix: str, scope: AsgiScope, receive: Receive
    ) -> Arrival:
        """The whole request, for what stands in front of the routes."""
        strained = self._limiter.has_failed_often(f"front {limit_key(exchange.address)}")
        body = await self._body(exchange, front.body_cap, receive).read()
        return Arrival(
            method=scope["method"],
            path=scope["path"].removeprefix(prefix),
            query=scope["query_string"],
            headers={name.decode("latin-1"): value.decode("latin-1") for name, value in exchange.headers.items()},
            body=body,
            address=exchange.address,
            request_id=exchange.request_id,
            strained=strained,
        )

    def _body(self, exchange: Exchange, cap: int, receive: Receive) -> CappedBody:
        headers = exchange.headers
        length = declared_length(headers)
        if length is not None or b"transfer-encoding" in headers:
            if exchange.route is None or not declaration_of(exchange.route).passes_on:
                # what is passed on is unpacked by nobody here
                check_encoding(headers)
            if length is not None and length > cap:
                raise TooLarge(details={"limitBytes": cap})
        return CappedBody(receive, cap, self._settings.body_seconds)

    async def _fail(self, exchange: Exchange, failure: Exception, scope: AsgiScope, send: Send) -> None:
        problem = as_problem(failure)
        if isinstance(failure, Refused):
            exchange.standing = failure.standing
            self._traffic.refused(failure.limit)
        if isinstance(failure, HeavyRequestsWait):
            self._traffic.refused("heavy")
        if isinstance(failure, NoRoom):
            self._traffic.refused("room")
            problem = Unavailable(str(failure), retry_after=RETRY_SECONDS)
        elif problem.status >= 500:
            failed(_log, f"{scope['method']} {_shown_path(exchange, scope)}", failure)
        if exchange.status:
            await _break_off(scope, failure)
            return
        page = exchange.page_of(problem, Request(scope))
        await _send_problem(send, problem, exchange, self._clock, page)

    async def _end_cancelled(self, exchange: Exchange, link: "Link | None", send: Send) -> None:
        if link is None:
            raise asyncio.CancelledError
        if link.lost:
            exchange.status = 499
        elif exchange.status:
            link.abort()
        else:
            await _send_problem(send, Unavailable("The server is stopping.", retry_after=1), exchange, self._clock)

    def _note(self, exchange: Exchange, scope: AsgiScope) -> None:
        principal = exchange.principal
        seconds = self._clock.monotonic() - exchange.started
        shown = exchange.route.path if exchange.route is not None else exchange.shown
        self._traffic.note(shown, scope["method"], exchange.status, seconds)
        access: dict[str, object] = {
            "method": scope["method"],
            "path": _shown_path(exchange, scope),
            "status": exchange.status,
            "milliseconds": round(seconds * 1000, 1),
            "address": exchange.address,
            "tenant": principal.tenant_id if principal else "",
            "principal": principal.id if principal else "",
            **exchange.told,
        }
        log_access(access, exchange.request_id, self._clock.now())


def _check_once(scope: AsgiScope) -> None:
    names = [name for name, _ in scope["headers"]]
    for name in _ONCE:
        if names.count(name) > 1:
            raise Invalid(f"The header {name.decode()} may be given only once.")


def _shown_path(exchange: Exchange, scope: AsgiScope) -> str:
    """The route's own path: parameters may be secrets, such as a hook's token (LO-04)."""
    if exchange.shown:
        return exchange.shown
    return exchange.route.path if exchange.route is not None else redact.text(str(scope["path"])[:200])


async def _break_off(scope: AsgiScope, failure: Exception) -> None:
    """The answer has begun: all that is left is to end the connection, so that nobody takes it for whole."""
    link: Link | None = scope.get(LINK)
    if link is None:
        raise failure
    link.abort()


async def _leave(response: Response, exchange: Exchange, scope: AsgiScope, receive: Receive, send: Send) -> None:
    """Send the answer: at once where it is whole and its connection can, else by the framework's messages."""
    link: Link | None = scope.get(LINK)
    if link is not None and isinstance(response, Document):
        headers = exchange.completed(response.raw_headers)
        if link.answer(response.status_code, headers, bytes(response.body)):
            exchange.status = response.status_code
            return
    await response(scope, receive, send)


async def _empty(send: Send, status: int) -> None:
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def _send_problem(
    send: Send, problem: Problem, exchange: Exchange, clock: Clock, page: Response | None = None
) -> None:
    headers, body = problem_answer(problem, exchange.request_id, clock.now())
    if page is not None:
        told = {b"content-type", b"content-length"}
        headers, body = [*(one for one in headers if one[0] not in told), *page.raw_headers], bytes(page.body)
    await send({"type": "http.response.start", "status": problem.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
