"""How long deliveries, what came back, and events are kept: by days that are made ahead and dropped whole."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from isthmus.engine import bus
from isthmus.engine.db import Tx
from isthmus.features.webhooks_out.errors import RetentionChangedMeanwhile, WrongRetention
from isthmus.features.webhooks_out.events import RetentionChanged
from isthmus.features.webhooks_out.settings import Settings
from isthmus.features.webhooks_out.store import deliveries as store
from isthmus.features.webhooks_out.store import dispatch, endpoints
from isthmus.kit import ids
from isthmus.kit.etags import etag
from isthmus.scope import Scope, System

#: Days made beyond the longest retention, so that a sweep may be late.
_AHEAD: Final = 4
_SWEPT: Final = 2_000
_CENTURY: Final = 36_500


@dataclass(frozen=True, slots=True)
class Kept:
    """For how many days deliveries with their attempts are kept, and events with their bodies; None: for ever."""

    days: int
    event_days: int | None

    @property
    def etag(self) -> str:
        """Stands for both numbers."""
        return etag(self.days, self.event_days)


async def kept(scope: Scope) -> Kept:
    """For how long the tenant's deliveries and events are kept."""
    async with scope.tx() as tx:
        days = await endpoints.retention(tx, scope.part(Settings).keep_days)
        return Kept(days, await bus.kept(tx) or _longest(scope))


def _longest(scope: Scope) -> int | None:
    """For how many days the deployment keeps events."""
    return scope.engine.bus.kept.days or None


async def keep(scope: Scope, days: int, event_days: int | None = None) -> Kept:
    """Keep deliveries that are made from now on for so many days, and events; None: those as long as the deployment.

    Raises WrongRetention, RetentionChangedMeanwhile.
    """
    most, longest = scope.part(Settings).keep_most, _longest(scope) or _CENTURY
    if not 1 <= days <= most:
        raise WrongRetention.days("days", most)
    if event_days is not None and not 1 <= event_days <= longest:
        raise WrongRetention.days("eventDays", longest)
    async with scope.tx() as tx:
        await endpoints.hold_retention(tx)
        before, own = await endpoints.retention(tx, scope.part(Settings).keep_days), await bus.kept(tx)
        was: dict[str, int | None] = {"days": before, "eventDays": own}
        now = {"days": days, "eventDays": event_days}
        if now != was:
            scope.check_seen(Kept(before, own or _longest(scope)).etag, RetentionChangedMeanwhile)
        await endpoints.put_retention(tx, days, scope.now)
        await bus.keep(tx, event_days)
        tx.emit(RetentionChanged(subject=scope.tenant_id, body=now, before=was, after=now))
    return Kept(days, event_days or _longest(scope))


async def retentions(tx: Tx) -> Mapping[str, int]:
    """For how many days those tenants keep webhooks that chose a number themselves; as the system."""
    return await endpoints.own_retentions(tx)


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
