"""Inbound webhooks over HTTP."""

from isthmus.features.webhooks_in.routes.deliveries import routes as deliveries
from isthmus.features.webhooks_in.routes.handlers import routes as handlers
from isthmus.features.webhooks_in.routes.shapes import MANAGE, READ
from isthmus.features.webhooks_in.routes.sources import routes as sources

__all__ = ["MANAGE", "READ", "deliveries", "handlers", "sources"]
