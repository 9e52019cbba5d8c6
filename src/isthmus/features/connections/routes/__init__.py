"""Connections over HTTP: for people and keys, and for browsers on their way to and from a platform."""

from isthmus.features.connections.routes.browser import routes as browser_routes
from isthmus.features.connections.routes.own import routes as own_routes
from isthmus.features.connections.routes.recording import routes as recording_routes
from isthmus.features.connections.routes.shapes import MANAGE, READ
from isthmus.features.connections.routes.tenant import routes as tenant_routes

ROUTES = (own_routes, recording_routes, tenant_routes, browser_routes)

__all__ = ["MANAGE", "READ", "ROUTES"]
