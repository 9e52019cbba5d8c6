"""Settings that weaken security hold for a while: which do, and the safe values in place of those that are over."""

from collections.abc import Sequence
from datetime import datetime

from isthmus.engine.db import Database
from isthmus.features import audit
from isthmus.kit.clock import Clock
from isthmus.settings import Settings


def weaknesses(settings: Settings) -> audit.Weaknesses:
    """The settings that weaken, whether they have run out or not."""
    found = settings.weakened()
    return audit.Weaknesses([audit.Weakness(one.variable, one.value, one.reason, one.until) for one in found])


async def held(
    settings: Settings, every: audit.Weaknesses, database: Database, clock: Clock
) -> tuple[Settings, Sequence[audit.Standing]]:
    """The settings that hold now, and what is known of those that weaken."""
    if not every.every:
        return settings, ()
    async with database.system() as tx:
        known = await audit.standings(tx, every.every, clock)
    return settings.tightened(over(known, clock.now())), known


def over(known: Sequence[audit.Standing], now: datetime) -> set[str]:
    """The names of those that have run out."""
    return {one.name for one in known if one.is_over(now)}
