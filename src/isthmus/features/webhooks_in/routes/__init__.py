"""Inbound webhooks over HTTP."""

from isthmus.features.webhooks_in.routes import (
    admin,
    configuring,
    deliveries,
    functions,
    handlers,
    replays,
    simulator,
    sources,
    subscriptions,
)
from isthmus.features.webhooks_in.routes.admin import OPERATE
from isthmus.features.webhooks_in.routes.shapes import MANAGE, READ
from isthmus.http import Routes

ROUTES: tuple[Routes, ...] = (
    admin.routes,
    sources.routes,
    configuring.routes,
    handlers.routes,
    functions.routes,
    subscriptions.routes,
    simulator.routes,
    replays.routes,
    deliveries.routes,
)

__all__ = ["MANAGE", "OPERATE", "READ", "ROUTES"]
