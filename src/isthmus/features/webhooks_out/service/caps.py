"""What one tenant may have of outbound webhooks (security.md RL-05)."""

from typing import Final

from isthmus.feature import Cap
from isthmus.features.webhooks_out.errors import TooManyEndpoints, TooManyEvents, TooManyRecoveries, TooManyTypes
from isthmus.features.webhooks_out.service.daily import Daily
from isthmus.features.webhooks_out.settings import Settings
from isthmus.features.webhooks_out.store import endpoints, recoveries
from isthmus.scope import Scope, Tx


async def _endpoints(_scope: Scope, tx: Tx) -> int:
    return await endpoints.count(tx, held=False)


async def _types(_scope: Scope, tx: Tx) -> int:
    return await endpoints.count_event_types(tx, held=False)


async def _recoveries(_scope: Scope, tx: Tx) -> int:
    return await recoveries.running(tx, held=False)


async def _events(scope: Scope) -> int:
    return await scope.part(Daily).used(scope.tenant_id)


CAPS: Final = (
    Cap(
        name="webhooks_out.max_endpoints",
        counts="Endpoints.",
        unit="endpoints",
        refusal=TooManyEndpoints.code,
        limit=lambda scope: scope.part(Settings).max_endpoints,
        used=_endpoints,
    ),
    Cap(
        name="webhooks_out.event_types",
        counts="Event types of the tenant's own.",
        unit="event types",
        refusal=TooManyTypes.code,
        limit=lambda scope: scope.part(Settings).event_types,
        used=_types,
    ),
    Cap(
        name="webhooks_out.recoveries",
        counts="Recoveries under way.",
        unit="recoveries",
        refusal=TooManyRecoveries.code,
        limit=lambda scope: scope.part(Settings).recoveries,
        used=_recoveries,
    ),
    Cap(
        name="webhooks_out.events_per_day",
        counts="Events of the tenant's own that were published; what processes have leased ahead is counted.",
        unit="events",
        refusal=TooManyEvents.code,
        limit=lambda scope: scope.part(Settings).events_per_day,
        used_apart=_events,
        period="day",
    ),
)
