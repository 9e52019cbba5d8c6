"""Settings that weaken the deployment: known since when, told in the log, and ended (security.md SA-04)."""

import logging
from collections.abc import Sequence

from isthmus.engine.db import Tx as SystemTx
from isthmus.features.audit.events import SettingSafe, SettingWeakened
from isthmus.features.audit.model import weaknesses as model
from isthmus.features.audit.model.weaknesses import Standing, Weakness, Weaknesses
from isthmus.features.audit.store import weaknesses as store
from isthmus.kit.clock import Clock
from isthmus.kit.permissions import PLATFORM_TENANT
from isthmus.scope import Scope, System

_LOG = logging.getLogger("isthmus.audit")


async def standings(tx: SystemTx, every: Sequence[Weakness], clock: Clock) -> list[Standing]:
    """What is known of these; one that was never seen begins now."""
    since = await store.seen(tx, PLATFORM_TENANT)
    return [model.standing(one, since.get((one.name, one.value), clock.now())) for one in every]


async def weakened(scope: Scope) -> list[Standing]:
    """The settings that weaken this deployment, as this process was started, over or not."""
    async with scope.platform().tx() as tx:  # house: platform - settings belong to the deployment
        return await standings(tx, scope.part(Weaknesses).every, scope.clock)


async def note_weaknesses(system: System) -> list[Standing]:
    """Tell the log which settings weaken this deployment that did not before, or no more; for the start."""
    every = system.engine.part(Weaknesses).every
    scope = system.scope(PLATFORM_TENANT, "settings")
    async with scope.tx() as tx:
        found = await standings(tx, every, system.clock)
        for one in found:
            if await store.put(tx, one):
                body = {"name": one.name, "value": one.value, "reason": one.reason}
                tx.emit(SettingWeakened(subject=one.name, body={**body, "until": one.until.isoformat()}))
        for name, value in await store.delete_others(tx, [one.name for one in every]):
            tx.emit(SettingSafe(subject=name, before={"value": value}))
    for one in found:
        told = "has run out: the safe value holds" if one.is_over(system.now) else f"until {one.until:%Y-%m-%d %H:%M}Z"
        _LOG.warning("%s weakens security (%s), %s", one.name, one.reason, told)
    return found
