"""Deliveries as `/metrics` shows them, over all tenants."""

from collections.abc import Sequence
from typing import Final

from isthmus.engine.db import Tx
from isthmus.kit.figures import Figure
from isthmus.scope import System

_DUE: Final = """
select count(*) as planned, coalesce(extract(epoch from now() - min(at)), 0)::float8 as oldest from webhook_due
"""
_DONE: Final = """
select state, health, count(*) as endpoints, sum(delivered)::float8 as delivered, sum(failed)::float8 as failed
from webhook_endpoints group by state, health order by state, health
"""
_PLANNED: Final = "isthmus_webhook_deliveries_planned", "Deliveries with a time to be sent at, retries included."
_OLDEST: Final = "isthmus_webhook_deliveries_oldest_seconds", "For how long the oldest of them has been due."
_ENDPOINTS: Final = "isthmus_webhook_endpoints", "Endpoints by state and health."
_ATTEMPTS: Final = "isthmus_webhook_deliveries", "What the endpoints that are there have been sent, by outcome."


async def measure(_system: System, tx: Tx) -> Sequence[Figure]:
    """What is to be sent and what was."""
    due, ends = (await tx.fetch_sql(_DUE))[0], await tx.fetch_sql(_DONE)
    return [
        Figure(*_PLANNED, due["planned"]),
        Figure(*_OLDEST, max(0.0, due["oldest"])),
        *(Figure(*_ENDPOINTS, end["endpoints"], {"state": end["state"], "health": end["health"]}) for end in ends),
        Figure(*_ATTEMPTS, sum(end["delivered"] for end in ends), {"outcome": "delivered"}),
        Figure(*_ATTEMPTS, sum(end["failed"] for end in ends), {"outcome": "failed"}),
    ]
