"""What one tenant may have of runs (security.md RL-05)."""

from typing import Final

from isthmus.feature import Cap
from isthmus.features.sync import store
from isthmus.features.sync.errors import TooManyRuns
from isthmus.features.sync.settings import Settings
from isthmus.scope import Scope, Tx


async def _runs(_scope: Scope, tx: Tx) -> int:
    return await store.live_count(tx, held=False)


async def _pages(_scope: Scope, tx: Tx) -> int:
    return await store.most_pages(tx)


CAPS: Final = (
    Cap(
        name="sync.live_runs",
        counts="Runs under way.",
        unit="runs",
        refusal=TooManyRuns.code,
        limit=lambda scope: scope.part(Settings).live_runs,
        used=_runs,
    ),
    Cap(
        name="sync.max_pages",
        counts="Pages of a run; of those under way, the one that has read the most.",
        unit="pages",
        refusal="TOO_MANY_PAGES",
        limit=lambda scope: scope.part(Settings).max_pages,
        used=_pages,
        period="run",
    ),
)
