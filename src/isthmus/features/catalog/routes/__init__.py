"""The catalog over HTTP: for merchants, and for the deployment's own people who look after it."""

from isthmus.features.catalog.routes.admin import routes as admin_routes
from isthmus.features.catalog.routes.permissions import MANAGE
from isthmus.features.catalog.routes.proposals import routes as proposal_routes
from isthmus.features.catalog.routes.tenant import READ
from isthmus.features.catalog.routes.tenant import routes as tenant_routes
from isthmus.features.catalog.routes.versions import routes as version_routes
from isthmus.http import Routes

ROUTES: tuple[Routes, ...] = (tenant_routes, admin_routes, version_routes, proposal_routes)

__all__ = ["MANAGE", "READ", "ROUTES"]
