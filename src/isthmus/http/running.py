"""Has a route answer: by its own reader or by the framework, once for an Idempotency-Key, in a turn where heavy."""

from collections.abc import Mapping
from contextlib import AsyncExitStack, nullcontext
from functools import partial

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from isthmus.http.asgi import KEY, AsgiScope, Send
from isthmus.http.binding import Given
from isthmus.http.bodies import CappedBody
from isthmus.http.errors import CannotStart, invalid
from isthmus.http.exchange import Exchange
from isthmus.http.idempotency import Requested, Taking, claim_of, digest_of_form, once
from isthmus.http.lanes import Turn
from isthmus.http.routes import ONCE, Declaration, DeclaredRoute, Work
from isthmus.http.settings import HeavyClass
from isthmus.kit.errors import Invalid, Unavailable
from isthmus.scope import Scope

_NOTHING = nullcontext()


def declaration_of(route: DeclaredRoute) -> Declaration:
    """What the route says of itself. Raises CannotStart."""
    if route.declaration is None:
        raise CannotStart(f"The route {route.path} declares nothing.")
    return route.declaration


def searched(route: DeclaredRoute, query: Mapping[str, list[str]]) -> HeavyClass | None:
    """The class of a list that is searched."""
    return "list" if "search" in query and "search" in route.known_query and any(query["search"]) else None


def tenant_of(scope: AsgiScope) -> str:
    """The tenant that asks, empty where nobody signed in."""
    exchange: Exchange = scope[KEY]
    return exchange.principal.tenant_id if exchange.principal is not None else ""


async def run(
    route: DeclaredRoute,
    scope: AsgiScope,
    body: CappedBody,
    send: Send,
    query: Mapping[str, list[str]],
    turn: Turn | None = None,
) -> Response | None:
    """The endpoint's answer; None where the framework went its own way and has sent it already.

    turn: what is heavy takes it once its body is here.
    """
    exchange: Exchange = scope[KEY]
    keyed = _keyed(route, exchange, scope)
    if route.binder is None:
        if exchange.faults:
            raise invalid(exchange.faults)
        if keyed:
            scope[ONCE] = partial(_once_by_framework, route, exchange)
        async with turn or _NOTHING:
            await _run_by_framework(route, scope, body, send)
        return None
    raw = await body.read() if route.takes_json else b""
    given = Given(Request(scope, body, send), scope["path_params"], query, exchange.headers, exchange.faults)
    work: Work = partial(route.respond, given, raw)
    if keyed:
        work = partial(_once, route, exchange, scope, raw, work)
    if turn is None:
        return await work()
    async with turn:
        return await work()


def _keyed(route: DeclaredRoute, exchange: Exchange, scope: AsgiScope) -> bool:
    """Whether the request's effect is to be bound to an Idempotency-Key."""
    shown = b"idempotency-key" in exchange.headers and exchange.principal is not None
    return shown and scope["method"] == "POST" and not declaration_of(route).passes_on


async def _once(route: DeclaredRoute, exchange: Exchange, scope: AsgiScope, content: bytes, work: Work) -> Response:
    opened: Scope = scope["app"].open_scope(exchange.principal, exchange.facts)
    requested = Requested(scope["method"], scope["path"], exchange.query, content)
    exchange.taking = Taking(claim_of(opened, exchange.headers[b"idempotency-key"], route.path, requested))
    return await once(opened, exchange.taking, work, declaration_of(route).secret_fields)


async def _once_by_framework(route: DeclaredRoute, exchange: Exchange, request: Request, work: Work) -> Response:
    """A form is the same whatever stands between its parts; the framework reads it no second time."""
    if route.takes_json:
        return await _once(route, exchange, request.scope, await request.body(), work)
    try:
        form = await request.form()
    except OSError as failure:
        raise _unstored(failure) from failure
    try:
        return await _once(route, exchange, request.scope, await digest_of_form(form), work)
    finally:
        await form.close()


def _unstored(failure: OSError) -> Exception:
    """What a form is that no disk takes; a line that breaks stays what it is."""
    if isinstance(failure, ConnectionError | TimeoutError):
        return failure
    return Unavailable(f"What was sent could not be stored: {failure.strerror or 'disk error'}.")


async def _run_by_framework(route: DeclaredRoute, scope: AsgiScope, body: CappedBody, send: Send) -> None:
    async with AsyncExitStack() as files:
        scope["fastapi_middleware_astack"] = files
        try:
            await route.app(scope, body, send)
        except HTTPException as refused:
            # the framework hides why it could not read a form
            if body.refusal is not None:
                raise body.refusal from None
            if isinstance(refused.__cause__, OSError):
                raise _unstored(refused.__cause__) from None
            if refused.status_code == 400:
                raise Invalid(f"The form cannot be read: {refused.detail}") from None
            raise
