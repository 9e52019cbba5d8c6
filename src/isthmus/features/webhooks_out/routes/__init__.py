"""Outbound webhooks over HTTP."""

from isthmus.features.webhooks_out.routes import deliveries, endpoints, events, retention, types

ROUTES = (endpoints.routes, deliveries.routes, types.routes, events.routes, retention.routes)
