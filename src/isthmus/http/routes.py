"""How a room declares its routes: each with its permission, limit class and answer, or the start stops (HE-14)."""

from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any, Final, Required, TypedDict, TypeVar, Unpack

import msgspec
from fastapi import APIRouter, params
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from isthmus.http.binding import Binder, Given, is_many
from isthmus.http.bodies import CappedBody, check_json_type, parse_json
from isthmus.http.deprecation import Deprecated
from isthmus.http.errors import (
    BadCursor,
    CannotStart,
    HeavyRequestsWait,
    StepUpRequired,
    common,
    problem_responses,
)
from isthmus.http.forms import FormRequest
from isthmus.http.settings import BY_ADDRESS, LIMITS, HeavyClass, LimitClass
from isthmus.kit.errors import Conflict, Problem
from isthmus.kit.permissions import Permission

Endpoint = TypeVar("Endpoint", bound=Callable[..., Awaitable[Response]])
#: A failure as a page, for the request that met it.
FailurePage = Callable[[Problem, Request], Response]


class Public:
    """The permission of routes that nobody signs in for."""

    name = ""
    description = "open to everyone"

    def __repr__(self) -> str:
        return "PUBLIC"


PUBLIC: Final = Public()
Access = Permission | Public


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """What a route says about itself."""

    permission: Access
    limit: LimitClass
    body_cap: int | None = None
    deadline: float | None = None
    stream: bool = False
    open_query: bool = False
    envelope: bool = False
    media_type: str = "application/json"
    passes_on: bool = False
    heavy: HeavyClass | None = None
    step_up: bool = False
    embed: bool = False
    errors: tuple[type[Problem], ...] = ()
    secret_fields: tuple[str, ...] = ()
    answer: type[msgspec.Struct] | None = None
    also: Mapping[int, type[msgspec.Struct]] = field(default_factory=dict)
    raw_body: Mapping[str, Any] = field(default_factory=dict)
    deprecated: Deprecated | None = None
    failure_page: FailurePage | None = None
    if_changed: type[Conflict] | None = None

    @property
    def streamed(self) -> bool:
        """Whether the answer is written while it is made: events, files, other systems' answers."""
        return self.stream or self.media_type not in {"application/json", "text/html"}


class Declared(TypedDict, total=False):
    """The keywords of a declaration."""

    #: Who may call it: a permission, or PUBLIC.
    permission: Required[Access]
    #: What it counts against; the classes by address are for PUBLIC routes only.
    limit: Required[LimitClass]
    #: Documents the answer: a `Wire`, an `Answer`, or None where there is no JSON body.
    response_model: Required[Any]
    summary: Required[str]
    description: str
    #: The status of success, 200 if not given.
    status: int
    #: Other answers of success, by their status, such as 202 for what waits for somebody else.
    also: Mapping[int, type[msgspec.Struct]]
    #: A body that the endpoint reads by itself: the JSON schema of each content type that it may have.
    raw_body: Mapping[str, Any]
    #: It takes `If-Match`, and fails with this where the thing is not as the caller has read it (MA-04).
    if_changed: type[Conflict]
    #: The failures it adds to those that every route has, documented by their classes.
    errors: Sequence[type[Problem]]
    #: Largest body in bytes; `http.body_bytes` if not given.
    body_cap: int
    #: Seconds; `http.request_seconds` if not given.
    deadline: float
    #: An event stream: no deadline.
    stream: bool
    #: Unknown query parameters are let through, as public callbacks and hooks need it.
    open_query: bool
    #: The request is another system's and goes on to it, its Idempotency-Key too.
    passes_on: bool
    #: It takes the lower lane, as this class; lists take it by themselves where `search` is asked for.
    heavy: HeavyClass
    #: Takes a fresh proof from whoever has a session; so does every route that answers with a one-time secret (SE-09).
    step_up: bool
    #: Foreign pages may call it with a publishable key (AK-08).
    embed: bool
    #: The content type of success, where it is not JSON.
    media_type: str
    #: Names of one-time secrets in the answer: shown once, never kept for a repeated Idempotency-Key (ID-05).
    secret_fields: Sequence[str]
    hidden: bool
    #: For routes that people walk by in a browser: how a failure looks to them; others get it as JSON, by `Accept`.
    failure_page: FailurePage
    #: Since when it should not be used, and until when it is there.
    deprecated: Deprecated


#: Shown once like a secret, but they open nothing by themselves: a consent is finished by whoever began it.
_LINKS: Final = frozenset({"authorizationUrl", "state"})
#: Where the edge leaves what puts the family's envelope around an answer that the framework sends by itself.
WRAPPED: Final = "isthmus.wrapped"
#: Where the edge leaves what binds such an answer's effect to the request's Idempotency-Key.
ONCE: Final = "isthmus.once"

Work = Callable[[], Awaitable[Response]]


class _ReadRequest(Request):
    """A request whose body has been read and parsed by the edge's own reader."""

    raw: bytes
    parsed: object

    async def body(self) -> bytes:
        return self.raw

    async def json(self) -> object:
        return self.parsed


class DeclaredRoute(APIRoute):
    """A route of ours; `declaration` is None on one that was added past `Routes`."""

    declaration: Declaration | None = None
    known_query: frozenset[str] = frozenset()
    repeatable_query: frozenset[str] = frozenset()
    binder: Binder | None = None
    takes_json: bool = False

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def read_first(request: Request) -> Response:
            read = await _read(request) if self.takes_json else FormRequest(request.scope, request.receive)
            once: Callable[[Request, Work], Awaitable[Response]] | None = request.scope.get(ONCE)
            answer = await handle(read) if once is None else await once(read, partial(handle, read))
            wrapped: Callable[[Response], Response] | None = request.scope.get(WRAPPED)
            return answer if wrapped is None else wrapped(answer)

        return read_first

    async def respond(self, given: Given, raw: bytes) -> Response:
        """The endpoint's answer, where there is a binder; `raw` is the body of a route that takes JSON."""
        if self.binder is None:
            raise CannotStart(f"The route {self.path} is answered by the framework.")
        if raw:
            check_json_type(given.headers)
            given = replace(given, body=parse_json(raw))
        response: Response = await self.binder.call(given)
        return response

    @cached_property
    def label(self) -> str:
        """Its method and the template of its path."""
        return f"{' '.join(self.methods or ())} {self.path}"

    @property
    def may_be_heavy(self) -> bool:
        """Whether it takes the lower lane, always or where it is searched."""
        return self.declaration is not None and (self.declaration.heavy is not None or "search" in self.known_query)

    def declare(self, declaration: Declaration) -> None:
        """Note what the route says of itself, and what its endpoint and dependencies read."""
        self.declaration = declaration
        self.binder = Binder.of(self.dependant)
        self.takes_json = self.body_field is not None and not isinstance(self.body_field.field_info, params.Form)
        for dependant in all_dependants(self.dependant):
            for parameter in dependant.query_params:
                self.known_query |= {parameter.alias}
                if is_many(parameter.field_info.annotation):
                    self.repeatable_query |= {parameter.alias}


async def _read(request: Request) -> Request:
    raw = await request.receive.read() if isinstance(request.receive, CappedBody) else await request.body()
    read = _ReadRequest(request.scope, request.receive)
    read.raw = raw
    if raw:
        check_json_type(dict(request.scope["headers"]))
        read.parsed = parse_json(raw)
    return read


def _declaration(declared: Declared, envelope: bool) -> Declaration:
    model, stream = declared["response_model"], declared.get("stream", False)
    secret_fields = tuple(declared.get("secret_fields", ()))
    opens = declared["permission"] is not PUBLIC and not _LINKS.issuperset(secret_fields)
    return Declaration(
        permission=declared["permission"],
        limit=declared["limit"],
        body_cap=declared.get("body_cap"),
        deadline=declared.get("deadline"),
        stream=stream,
        open_query=declared.get("open_query", False),
        envelope=envelope and not stream,
        media_type="text/event-stream" if stream else declared.get("media_type", "application/json"),
        passes_on=declared.get("passes_on", False),
        heavy=declared.get("heavy"),
        step_up=declared.get("step_up", opens),
        embed=declared.get("embed", False),
        errors=tuple(declared.get("errors", ())),
        secret_fields=secret_fields,
        deprecated=declared.get("deprecated"),
        answer=model if isinstance(model, type) and issubclass(model, msgspec.Struct) else None,
        also=declared.get("also", {}),
        raw_body=declared.get("raw_body", {}),
        failure_page=declared.get("failure_page"),
        if_changed=declared.get("if_changed"),
    )


def all_dependants(dependant: Dependant) -> Iterator[Dependant]:
    """An endpoint's needs and the needs of its dependencies."""
    yield dependant
    for below in dependant.dependencies:
        yield from all_dependants(below)


class Routes:
    """A room's routes under one prefix; `router` is the FastAPI router behind them."""

    def __init__(self, *, prefix: str, tag: str, envelope: bool = False) -> None:
        self.router = APIRouter(prefix=prefix, tags=[tag], route_class=DeclaredRoute)
        self.tag = tag
        self._envelope = envelope

    def route(self, method: str, path: str, **declared: Unpack[Declared]) -> Callable[[Endpoint], Endpoint]:
        """Declare `method path`; `Declared` explains the keywords. Raises CannotStart for a contradiction."""
        permission, limit = declared["permission"], declared["limit"]
        if limit not in LIMITS:
            raise CannotStart(f"{method} {path}: there is no limit class {limit!r}.")
        if (permission is PUBLIC) != (limit in BY_ADDRESS):
            raise CannotStart(f"{method} {path}: PUBLIC routes take one of {sorted(BY_ADDRESS)}, others do not.")
        declaration = _declaration(declared, self._envelope)
        by_pydantic = declaration.answer is None and not declaration.stream
        always = common(method, self.router.prefix + path, signed_in=permission is not PUBLIC)
        added = (StepUpRequired if declaration.step_up else None, declaration.if_changed)
        kinds = (*always, *(kind for kind in added if kind is not None), *declaration.errors)
        drawn = declaration.failure_page is not None

        def declare(endpoint: Endpoint) -> Endpoint:
            self.router.add_api_route(
                path,
                endpoint,
                methods=[method],
                response_model=declared["response_model"] if by_pydantic else None,
                status_code=declared.get("status", 200),
                summary=declared["summary"],
                description=declared.get("description"),
                responses=problem_responses(kinds, drawn=drawn),
                include_in_schema=not declared.get("hidden", False),
                deprecated="deprecated" in declared or None,
            )
            made = self.router.routes[-1]
            if isinstance(made, DeclaredRoute):
                made.declare(declaration)
                more = [
                    *([HeavyRequestsWait] if made.may_be_heavy else ()),
                    *([BadCursor] if "cursor" in made.known_query else ()),
                ]
                if more:
                    made.responses = problem_responses((*kinds, *more), drawn=drawn)
            return endpoint

        return declare

    def get(self, path: str, **declared: Unpack[Declared]) -> Callable[[Endpoint], Endpoint]:
        """Declare a GET route; the keywords are those of `route`."""
        return self.route("GET", path, **declared)

    def post(self, path: str, **declared: Unpack[Declared]) -> Callable[[Endpoint], Endpoint]:
        """Declare a POST route; the keywords are those of `route`."""
        return self.route("POST", path, **declared)

    def put(self, path: str, **declared: Unpack[Declared]) -> Callable[[Endpoint], Endpoint]:
        """Declare a PUT route; the keywords are those of `route`."""
        return self.route("PUT", path, **declared)

    def patch(self, path: str, **declared: Unpack[Declared]) -> Callable[[Endpoint], Endpoint]:
        """Declare a PATCH route; the keywords are those of `route`."""
        return self.route("PATCH", path, **declared)

    def delete(self, path: str, **declared: Unpack[Declared]) -> Callable[[Endpoint], Endpoint]:
        """Declare a DELETE route; the keywords are those of `route`."""
        return self.route("DELETE", path, **declared)
