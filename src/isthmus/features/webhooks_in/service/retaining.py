"""How long what came in is kept: by days that are made ahead, made on demand where one is missing, and dropped whole.

A tenant that keeps less than the others has its own rows taken out of the days that stay, in small steps.
"""

from datetime import date, timedelta
from typing import Final

from isthmus.features import webhooks_out
from isthmus.features.webhooks_in.model.days import Days, Kept, over, span
from isthmus.features.webhooks_in.settings import Settings
from isthmus.features.webhooks_in.store import days as store
from isthmus.features.webhooks_in.store import intake
from isthmus.scope import System

#: Days made beyond today, so that a sweep may be late.
_AHEAD: Final = 4
_STEP: Final = 2_000


async def ready(system: System) -> Days:
    """Days that hold what comes in now, made if they are missing: no delivery is refused for want of one."""
    found = Days.around(system.now)
    async with system.tx() as tx:
        await store.make(tx, found.first, found.last)
    return found


async def sweep(system: System) -> None:
    """Make the days ahead, drop those that nobody keeps, and forget what ledger, refusals and tenants keep no more."""
    settings, now = system.engine.part(Settings), system.now
    more = True
    while more:
        async with system.tx() as tx:
            more = await intake.sweep(tx, refused=now - settings.refused_for, seen=now - settings.ledger_for)
    await _days(system, settings)


async def _days(system: System, settings: Settings) -> None:
    today = system.now.date()
    async with system.tx() as tx:
        await store.make(tx, today, today + timedelta(days=_AHEAD))
        there = await store.days(tx)
        own = await webhooks_out.retentions(tx)
    kept = Kept(settings.log_for, {tenant_id: timedelta(days=days) for tenant_id, days in own.items()})
    for day in there:
        if over(day, kept.shortest, system.now) and not await _dropped(system, day, kept):
            await _thin(system, day, kept)


async def _dropped(system: System, day: date, kept: Kept) -> bool:
    """Drop a day that nobody keeps; what still waits to be worked off keeps its day, whose other rows go one by one."""
    if not over(day, kept.longest, system.now):
        return False
    async with system.tx() as tx:
        if await store.waits(tx, span(day)):
            return False
    # tasks first: they are found by the deliveries that they belong to
    for tenant_id in await _tenants(system, day):
        more = True
        while more:
            async with system.tx() as tx:
                more = await store.forget_tasks(tx, tenant_id, span(day), _STEP)
    async with system.tx() as tx:
        # whoever reads it just now is not disturbed: it goes next time
        await store.remove(tx, day)
    return True


async def _thin(system: System, day: date, kept: Kept) -> None:
    for tenant_id in await _tenants(system, day):
        more = over(day, kept.of(tenant_id), system.now)
        while more:
            async with system.tx() as tx:
                more = await store.forget(tx, tenant_id, span(day), _STEP)


async def _tenants(system: System, day: date) -> list[str]:
    async with system.tx() as tx:
        return await store.tenants(tx, span(day))
