"""`ANY /api/proxy/{connectionId}/{path}`: a tenant's own back end calls the platform through its connection."""

from collections.abc import AsyncIterable, AsyncIterator
from typing import Final

from fastapi import Request
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from isthmus.client import Measured
from isthmus.features import catalog, connections
from isthmus.features.proxy import model, service
from isthmus.features.proxy.errors import (
    FarSideBusy,
    FarSideLate,
    FarSideUnreachable,
    GrantEnded,
    PathForbidden,
    PathUnclear,
    ProxyDisabled,
    ProxyWalled,
    TooManyCalls,
    TooManyConnections,
)
from isthmus.features.proxy.service import Call
from isthmus.http import Routes, ScopeDep, redact
from isthmus.http.asgi import KEY, AsgiScope, Receive, Send
from isthmus.http.bodies import Gone
from isthmus.http.exchange import Exchange
from isthmus.kit.errors import Invalid
from isthmus.kit.permissions import SUPER_ADMIN, TENANT_ADMIN, Permission, permission
from isthmus.scope import Scope

_ADMINS: Final = (SUPER_ADMIN, TENANT_ADMIN)
READ = permission("proxy:fetch", "Call a platform through the proxy with GET and HEAD.", *_ADMINS, by_path=True)
WRITE = permission("proxy:send", "Call a platform through the proxy with every other method.", *_ADMINS, by_path=True)

routes = Routes(prefix="/api/proxy", tag="Proxy")

#: Segments before the platform's own path: "", api, proxy, the connection's id.
_OWN_SEGMENTS: Final = 4
_BODY_CAP: Final = 32 * 1024 * 1024
#: Bodies up to this are read first: some platforms sign them, and a call may be sent again only with its body.
_WHOLE: Final = 1024 * 1024
#: Above the call's own deadline, which is told better.
_DEADLINE: Final = 300.0
_BODILESS: Final = frozenset({"GET", "HEAD"})

_ERRORS: Final = (
    connections.ConnectionNotFound,
    connections.ConnectionPending,
    connections.ConnectionExpired,
    connections.IntegrationDisabled,
    catalog.PlanRequired,
    ProxyDisabled,
    ProxyWalled,
    PathForbidden,
    PathUnclear,
    TooManyCalls,
    TooManyConnections,
    GrantEnded,
    FarSideBusy,
    FarSideUnreachable,
    FarSideLate,
)


class _Passage(Response):
    """The platform's answer, passed on piece by piece as it arrives."""

    def __init__(self, scope: Scope, connection_id: str, call: Call) -> None:
        self.status_code = 200
        self.background = None
        self.raw_headers = []
        self.body = b""
        self._opened = scope
        self._connection_id = connection_id
        self._call = call

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's form
        exchange: Exchange = scope[KEY]
        exchange.told = {
            "connection": self._connection_id,
            "farPath": redact.text(self._call.target.partition("?")[0]),
        }
        async with service.forward(self._opened, self._connection_id, self._call) as reply:
            # as the client read them, so that every byte is what the platform sent
            headers = [(name.encode(), value.encode("utf-8", "surrogateescape")) for name, value in reply.headers]
            if reply.length is not None:
                headers.append((b"content-length", b"%d" % reply.length))
            await send({"type": "http.response.start", "status": reply.status, "headers": headers})
            # None is held back: who listens to a stream hears each piece when it comes.
            left, ended = reply.length, False
            async for piece in reply.pieces:
                left = left - len(piece) if left is not None else None
                ended = left == 0
                await send({"type": "http.response.body", "body": piece, "more_body": not ended})
            if not ended:
                await send({"type": "http.response.body", "body": b""})


async def _passed(request: Request, scope: Scope, right: Permission, connection_id: str) -> Response:
    asked = model.target(request.scope["raw_path"], _OWN_SEGMENTS, request.scope["query_string"])
    target = service.check_path(scope, right, asked, reads=request.method in _BODILESS)
    headers = [(name.decode("latin-1"), _text(value)) for name, value in request.scope["headers"]]
    return _Passage(scope, connection_id, Call(request.method, target, headers, await _body(request)))


def _text(value: bytes) -> str:
    """What the client's UTF-8 makes the same bytes of again."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


async def _body(request: Request) -> bytes | AsyncIterable[bytes] | None:
    given = request.headers.get("content-length")
    length = int(given) if given is not None else None
    if length is None and "transfer-encoding" not in request.headers:
        return None
    if request.method in _BODILESS:
        if length == 0:
            return None
        # Some servers leave it unread and take it for the next request on the line, which may be another's.
        raise Invalid(f"A {request.method} through the proxy has no body.")
    if length is not None and length <= _WHOLE:
        return await request.body()
    return _arriving(request) if length is None else Measured(_arriving(request), length)


async def _arriving(request: Request) -> AsyncIterator[bytes]:
    try:
        async for piece in request.stream():
            if piece:
                yield piece
    except ClientDisconnect:
        raise Gone from None


def _declare(method: str, right: Permission) -> None:
    async def passed(request: Request, scope: ScopeDep, connection_id: str, path: str) -> Response:  # noqa: ARG001
        return await _passed(request, scope, right, connection_id)

    passed.__name__ = f"{method.lower()}_through"
    routes.route(
        method,
        "/{connection_id}/{path:path}",
        permission=right,
        limit="other",
        response_model=None,
        summary=f"{method} at the platform",
        description="The call goes to the connection's own host with its credentials, within the platform's budget. "
        "Answers of the platform come back as they are, with `isthmus-answered-by: platform`; all others are ours. "
        "Off until the integration says `proxyEnabled`, and refused where it has `allowedShardTypes`.",
        body_cap=_BODY_CAP,
        deadline=_DEADLINE,
        open_query=True,
        passes_on=True,
        raw_body={} if method in _BODILESS else {"*/*": {"type": "string", "format": "binary"}},
        media_type="application/octet-stream",
        errors=_ERRORS,
    )(passed)


_declare("GET", READ)
for _method in ("POST", "PUT", "PATCH", "DELETE"):
    _declare(_method, WRITE)
