"""How long finished deliveries and what came back are kept: by days that are made ahead and dropped whole."""

from datetime import timedelta
from typing import Final

from isthmus.features.webhooks_out.errors import WrongRetention
from isthmus.features.webhooks_out.events import RetentionChanged
from isthmus.features.webhooks_out.settings import Settings
from isthmus.features.webhooks_out.store import deliveries as store
from isthmus.features.webhooks_out.store import dispatch, endpoints
from isthmus.kit import ids
from isthmus.scope import Scope, System

#: Days made beyond the longest retention, so that a sweep may be late.
_AHEAD: Final = 4
_SWEPT: Final = 2_000


async def kept_days(scope: Scope) -> int:
    """For how many days the tenant's deliveries are kept."""
    async with scope.tx() as tx:
        return await endpoints.retention(tx, scope.part(Settings).keep_days)


async def keep(scope: Scope, days: int) -> int:
    """Keep deliveries that are made from now on for so many days. Raises WrongRetention."""
    most = scope.part(Settings).keep_most
    if not 1 <= days <= most:
        raise WrongRetention.days(most)
    async with scope.tx() as tx:
        await endpoints.put_retention(tx, days, scope.now)
        tx.emit(RetentionChanged(subject=scope.tenant_id, body={"days": days}))
    return days


async def make_days(system: System) -> int:
    """Make the days ahead and drop those that are over; how many changed."""
    today, settings = system.now.date(), system.engine.part(Settings)
    async with system.tx() as tx:
        longest = max(settings.keep_days, await endpoints.longest_retention(tx))
        return await dispatch.keep_days(tx, today, today + timedelta(days=longest + _AHEAD))


async def sweep(system: System) -> None:
    """Drop days that are over whole, and the deliveries of each tenant that were kept long enough in small steps."""
    await make_days(system)
    default = system.engine.part(Settings).keep_days
    after = ""
    while True:
        async with system.tx() as tx:
            tenants = await endpoints.retentions(tx, after, default)
        for row in tenants:
            before = ids.floor("dlv", system.now - timedelta(days=row["days"]))
            await _forget(system, row["tenant_id"], before)
            after = row["tenant_id"]
        if not tenants:
            return


async def _forget(system: System, tenant_id: str, before: str) -> None:
    while True:
        async with system.tx() as tx:
            if await store.forget(tx, tenant_id, before, _SWEPT) < _SWEPT:
                return
