"""One request on its way through the edge: what is known of it, and the headers that its answer will bear."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from isthmus.http.asgi import Header, Message, Send
from isthmus.http.drawn import is_for_a_person
from isthmus.http.idempotency import Taking
from isthmus.http.limits import Standing
from isthmus.http.routes import DeclaredRoute
from isthmus.kit.errors import Problem
from isthmus.kit.facts import RequestFacts as RequestFacts
from isthmus.kit.permissions import BREAK_GLASS, Principal

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")

_GUARDS: list[Header] = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"vary", b"Authorization, Cookie, Origin"),
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
]
#: Those of which an answer may have its own.
_OWN = frozenset({b"cache-control", b"content-security-policy"})


@dataclass(slots=True)
class Exchange:
    """A request being answered."""

    request_id: str
    address: str
    started: float
    headers: dict[bytes, bytes]
    route: DeclaredRoute | None = None
    principal: Principal | None = None
    standing: Standing | None = None
    cors: list[Header] = field(default_factory=list)
    query: Sequence[tuple[str, str]] = ()
    #: What is wrong with the query's names; told together with what is wrong with the values.
    faults: Sequence[dict[str, Any]] = ()
    #: The request's idempotency key, while its effect has yet to take it.
    taking: Taking | None = None
    #: The path as logs show it, where no route has one.
    shown: str = ""
    #: What the log says of it beside the usual, with nothing to hide in it.
    told: Mapping[str, object] = field(default_factory=dict)
    status: int = 0

    @property
    def facts(self) -> RequestFacts:
        """The facts for a scope."""
        return RequestFacts(self.request_id, self.address, "" if self.route is None else self.route.label)

    def page_of(self, problem: Problem, request: Request) -> Response | None:
        """A failure as a page, where the route draws one and a person sits at a browser."""
        declaration = self.route.declaration if self.route is not None else None
        draw = declaration.failure_page if declaration is not None else None
        if draw is None or not is_for_a_person(self.headers.get(b"accept", b"").decode("latin-1")):
            return None
        return draw(problem, request)

    def sender(self, send: Send) -> Send:
        """`send` with the edge's headers added to the head of the answer."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.status = message["status"]
                message["headers"] = self.completed(list(message.get("headers", ())))
            await send(message)

        return send_with_headers

    def completed(self, headers: list[Header]) -> list[Header]:
        """The headers of the answer, with those that the edge adds."""
        headers = guarded([*headers, (b"x-request-id", self.request_id.encode())])
        if self.standing is not None:
            headers += self.standing.headers()
        headers += self.cors
        if self.principal is not None and self.principal.kind == BREAK_GLASS:
            headers.append((b"x-break-glass", self.principal.subject.encode()))
        declaration = self.route.declaration if self.route is not None else None
        if declaration is not None and declaration.deprecated is not None:
            headers += declaration.deprecated.headers
        return headers


def guarded(headers: list[Header]) -> list[Header]:
    """The headers of an answer, and those that guard every answer (HE-09)."""
    names = dict(headers)
    if _OWN.isdisjoint(names):
        return headers + _GUARDS
    return headers + [one for one in _GUARDS if one[0] not in _OWN or one[0] not in names]


def given_id(headers: dict[bytes, bytes]) -> str | None:
    """The caller's own request id, if it is one."""
    shown = headers.get(b"x-request-id")
    return shown.decode() if shown is not None and _REQUEST_ID.fullmatch(shown) else None
