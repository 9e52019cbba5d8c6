"""Connections over HTTP: for people and keys, and for browsers on their way to and from a platform."""

from isthmus.features.connections.routes.browser import routes as browser_routes
from isthmus.features.connections.routes.integrations import routes as integration_routes
from isthmus.features.connections.routes.own import routes as own_routes
from isthmus.features.connections.routes.personal import routes as personal_routes
from isthmus.features.connections.routes.recording import routes as recording_routes
from isthmus.features.connections.routes.shapes import CONTROL, MANAGE, OWN, READ, SEE
from isthmus.features.connections.routes.tenant import routes as tenant_routes

PERMISSIONS = (READ, MANAGE, SEE, CONTROL, OWN)
ROUTES = (own_routes, recording_routes, integration_routes, tenant_routes, personal_routes, browser_routes)

__all__ = ["PERMISSIONS", "ROUTES"]
