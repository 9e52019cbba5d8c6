"""Outbound webhooks over HTTP."""

from isthmus.features.webhooks_out.routes import deliveries, endpoints, events, recoveries, retention, types

ROUTES = (endpoints.routes, deliveries.routes, recoveries.routes, types.routes, events.routes, retention.routes)
