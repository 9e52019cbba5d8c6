"""The API process: routes of all features behind the edge, on one socket."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

from isthmus.app.features import FEATURES
from isthmus.app.platform import Platform
from isthmus.http import App, RequestFacts, Server, create_app
from isthmus.http.addresses import is_loopback
from isthmus.kit.permissions import Principal
from isthmus.scope import Scope


def api(platform: Platform) -> App:
    """The ASGI application."""

    def open_scope(principal: Principal, facts: RequestFacts) -> Scope:
        return Scope(
            principal.tenant_id, principal, platform.engine, platform.clock, facts.request_id, facts.address
        )

    return create_app(
        [routes for feature in FEATURES for routes in feature.routes],
        open_scope=open_scope,
        authenticators=platform.authenticators,
        secret=platform.cursor_secret,
        settings=platform.http_settings,
        checks=platform.checks,
        system=platform.system,
        clock=platform.clock,
    )


async def serve_api(platform: Platform, stop: asyncio.Event, announce: Callable[[Platform, str], None]) -> None:
    """Listen, say where, and serve until `stop` is set. Raises PortInUse, CannotStart."""
    core = platform.settings.core
    app = api(platform)
    server = Server(app, host=core.host, port=core.port, settings=platform.http_settings, clock=platform.clock)
    platform.listen_at(core.public_url or server.url)
    announce(platform, server.url)
    await server.serve(stop)
