"""Connections over HTTP: for people and keys, and for browsers on their way to and from a platform."""

from isthmus.features.connections.routes.browser import routes as browser_routes
from isthmus.features.connections.routes.connecting import by_token as by_token_routes
from isthmus.features.connections.routes.connecting import routes as connecting_routes
from isthmus.features.connections.routes.files import routes as file_routes
from isthmus.features.connections.routes.integrations import routes as integration_routes
from isthmus.features.connections.routes.own import routes as own_routes
from isthmus.features.connections.routes.pages import routes as page_routes
from isthmus.features.connections.routes.personal import routes as personal_routes
from isthmus.features.connections.routes.providers import OPERATE
from isthmus.features.connections.routes.providers import routes as provider_routes
from isthmus.features.connections.routes.recording import routes as recording_routes
from isthmus.features.connections.routes.shapes import CONTROL, MANAGE, OWN, READ, SEE
from isthmus.features.connections.routes.tenant import routes as tenant_routes

PERMISSIONS = (READ, MANAGE, SEE, CONTROL, OWN, OPERATE)
ROUTES = (
    own_routes,
    provider_routes,
    recording_routes,
    integration_routes,
    file_routes,
    tenant_routes,
    personal_routes,
    browser_routes,
    connecting_routes,
    by_token_routes,
    page_routes,
)

__all__ = ["PERMISSIONS", "ROUTES"]
