"""Puts the edge together: routes in, one ASGI application out, or a clear refusal to start (security.md HE-14)."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Required, TypedDict, Unpack

from fastapi import APIRouter, FastAPI

from isthmus.client import Budget
from isthmus.http.asgi import AsgiScope, Receive, Send
from isthmus.http.auth import Authenticator, Doorkeeper
from isthmus.http.deps import open_scope as scope_dependency
from isthmus.http.described import description_routes
from isthmus.http.direct import Direct
from isthmus.http.edge import Edge, Parts
from isthmus.http.errors import CannotStart
from isthmus.http.exchange import RequestFacts
from isthmus.http.fronts import Front
from isthmus.http.gate import Refusals
from isthmus.http.health import Check, health_routes
from isthmus.http.limits import Limiter
from isthmus.http.live import Streams
from isthmus.http.metrics import Figures, Traffic, metrics_routes
from isthmus.http.paging import Cursors
from isthmus.http.routes import DeclaredRoute, Public, Routes, all_dependants
from isthmus.http.settings import HttpSettings
from isthmus.http.table import RouteTable
from isthmus.kit.clock import SYSTEM, Clock
from isthmus.kit.permissions import Principal
from isthmus.kit.secret import Secret
from isthmus.kit.version import VERSION
from isthmus.scope import Scope, System

OpenScope = Callable[[Principal, RequestFacts], Scope]


class App(FastAPI):
    """The application: the edge around declared routes. `open_scope` makes the scope of a signed-in request."""

    edge: Edge
    #: What answers without coming by the edge.
    direct: Direct
    #: Every route that answers, whichever room it came from.
    inventory: Sequence[DeclaredRoute]
    cursors: Cursors
    streams: Streams
    doorkeeper: Doorkeeper
    open_scope: OpenScope
    system: System | None
    #: What was asked of this application, for `/metrics`.
    traffic: Traffic

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope["app"] = self
            await self.edge.answer(scope, receive, send)
        elif scope["type"] == "lifespan":
            await _lifespan(receive, send)
        else:
            await send({"type": "websocket.close", "code": 1000})


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


class Wiring(TypedDict, total=False):
    """What an application is put together from."""

    #: Makes the scope of a request from its principal and facts.
    open_scope: Required[OpenScope]
    #: Asked in turn who shows these credentials.
    authenticators: Required[Sequence[Authenticator]]
    #: The key that cursors are bound with, equal in all processes.
    secret: Required[Secret]
    settings: HttpSettings
    #: The parts that `/health/ready` asks.
    checks: Mapping[str, Check]
    #: For PUBLIC routes that ask for `SystemDep`.
    system: System | None
    clock: Clock
    #: Shares the limits with other processes; without one each process counts for itself.
    budget: Budget | None
    #: Whether no other process keeps the same limits.
    alone: bool
    #: Path prefix -> what answers there in front of all routes, such as `/hooks/`.
    fronts: Mapping[str, Front]
    #: What the rooms tell for `/metrics`; without it, or where the settings switch it off, there is no such page.
    figures: Figures | None
    #: Where requests are counted; applications of one process may share it.
    traffic: Traffic
    #: Keeps what was refused to somebody who is known.
    refusals: Refusals


def create_app(routes: Sequence[Routes], **wiring: Unpack[Wiring]) -> App:
    """The ASGI application over these routes. Raises CannotStart for an undeclared or doubled route."""
    settings, clock = wiring.get("settings") or HttpSettings(), wiring.get("clock", SYSTEM)
    declared: list[DeclaredRoute] = []
    described = description_routes(lambda: declared, title="Isthmus", version=VERSION)
    traffic, figures = wiring.get("traffic") or Traffic(), wiring.get("figures")
    shown = [metrics_routes(traffic, figures, clock)] if figures is not None and settings.metrics else []
    everything = [*routes, health_routes(wiring.get("checks") or {}), *shown, described]
    app = App(title="Isthmus", version=VERSION, openapi_url=None, docs_url=None, redoc_url=None)
    app.open_scope = wiring["open_scope"]
    app.system = wiring.get("system")
    app.cursors = Cursors(wiring["secret"], clock)
    app.streams = Streams(settings)
    app.doorkeeper = Doorkeeper(wiring["authenticators"], clock)
    table: RouteTable[DeclaredRoute] = RouteTable()
    for room in everything:
        _enter(room.router, table, declared)
    app.inventory = declared
    parts = Parts(
        settings=settings,
        table=table,
        doorkeeper=app.doorkeeper,
        limiter=Limiter(settings, clock, wiring.get("budget"), alone=wiring.get("alone", False)),
        clock=clock,
        fronts=wiring.get("fronts") or {},
        traffic=traffic,
        refusals=wiring.get("refusals"),
    )
    app.edge, app.direct, app.traffic = Edge(parts), Direct(parts), traffic
    return app


def _enter(router: APIRouter, table: RouteTable[DeclaredRoute], declared: list[DeclaredRoute]) -> None:
    for route in router.routes:
        path = getattr(route, "path", "?")
        if not isinstance(route, DeclaredRoute) or route.declaration is None:
            raise CannotStart(f"The route {path} declares no permission, limit class and answer; use Routes for it.")
        asked: set[Any] = {dependant.call for dependant in all_dependants(route.dependant)}
        if isinstance(route.declaration.permission, Public) and scope_dependency in asked:
            raise CannotStart(f"The route {path} is PUBLIC and asks for a scope, which only a principal has.")
        for method in route.methods or ():
            table.add(method, route.path, route)
        declared.append(route)
