"""The API process: routes of all features behind the edge, on one socket."""

import asyncio
import socket
from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from isthmus.app.caps import EXPORTS, STREAMS
from isthmus.app.features import FEATURES
from isthmus.app.figures import figures
from isthmus.app.lapsing import lapse
from isthmus.app.platform import Platform
from isthmus.client import Budget
from isthmus.engine.budget import PostgresBudget
from isthmus.engine.presence import Presence
from isthmus.http import App, Front, RequestFacts, Server, create_app
from isthmus.http.errors import CannotStart
from isthmus.http.server import bind
from isthmus.kit.permissions import PLATFORM_TENANT, Principal, system
from isthmus.scope import Scope

_LAST_PORT = 65_535


def api(
    platform: Platform, *, budget: Budget | None = None, alone: bool = False, fronts: Mapping[str, Front] | None = None
) -> App:
    """The ASGI application.

    budget: what limits are kept in, beside this process; alone: no other process keeps the same ones.
    """
    elsewhere = platform.http_settings.metrics_address

    def open_scope(principal: Principal, facts: RequestFacts) -> Scope:
        return Scope(principal.tenant_id, principal, platform.engine, platform.clock, *facts)

    return create_app(
        [routes for feature in FEATURES for routes in feature.routes],
        open_scope=open_scope,
        authenticators=platform.authenticators,
        secret=platform.cursor_secret,
        settings=platform.http_settings,
        checks=platform.checks,
        system=platform.system,
        clock=platform.clock,
        budget=budget,
        alone=alone,
        figures=None if elsewhere else partial(figures, platform),
        traffic=platform.traffic,
        refusals=platform.refusals,
        fronts=_fronts(platform) if fronts is None else fronts,
    )


def _fronts(platform: Platform) -> dict[str, Front]:
    return {prefix: made(platform.system) for feature in FEATURES for prefix, made in feature.fronts.items()}


async def serve_api(platform: Platform, bound: socket.socket, stop: asyncio.Event, *, hear: bool = False) -> None:
    """Serve on a bound socket until `stop` is set. Raises CannotStart.

    hear: one of several processes, which listens for the events of the others and shares the limits with them; a
    process that also works hears events already.
    """
    fronts = _fronts(platform)
    budget = PostgresBudget(platform.engine.database, clock=platform.clock)
    app = api(platform, budget=budget, alone=not hear, fronts=fronts)
    presence = platform.engine.part(Presence)
    presence.tell(STREAMS, app.streams.counts)
    presence.tell(EXPORTS, app.edge.exports)
    server = Server(app, sock=bound, settings=platform.http_settings, clock=platform.clock)
    for front in fronts.values():
        if front.prepare is not None:
            await front.prepare()
    async with asyncio.TaskGroup() as group:
        for prefix, front in fronts.items():
            if front.follow is not None:
                group.create_task(front.follow(stop), name=f"front {prefix}")
        group.create_task(presence.run(stop), name="presence")
        group.create_task(platform.used.run(stop), name="last use of keys")
        group.create_task(platform.refusals.run(stop), name="refusals")
        group.create_task(lapse(platform, stop), name="weak settings")
        if hear:
            group.create_task(platform.engine.bus.run(stop, {}), name="bus")
        await server.serve(stop)


async def serve_metrics(platform: Platform, stop: asyncio.Event) -> None:
    """Serve figures and health at their own address, of this process alone, until `stop` is set.

    Raises CannotStart, PortInUse.
    """
    given = platform.http_settings.metrics_address
    host, _, port = given.rpartition(":")
    if not host or not port.isdecimal() or int(port) > _LAST_PORT:
        raise CannotStart(f"http.metrics_address: {given!r} is not a host and a port, such as 127.0.0.1:9464.")
    settings = replace(platform.http_settings, development_key=False)
    page = create_app(
        [],
        open_scope=lambda _, __: platform.scope(PLATFORM_TENANT, system(PLATFORM_TENANT, "metrics")),
        authenticators=[],
        secret=platform.cursor_secret,
        settings=settings,
        checks=platform.checks,
        clock=platform.clock,
        figures=partial(figures, platform),
        traffic=platform.traffic,
    )
    await Server(page, sock=bind(host, int(port)), settings=settings, clock=platform.clock).serve(stop)


def address_of(bound: socket.socket) -> str:
    """The address of a bound socket, for people and browsers."""
    host, port = bound.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
