"""Runs as `/metrics` shows them, over all tenants."""

from collections.abc import Sequence
from typing import Final

from isthmus.engine.db import Tx
from isthmus.kit.figures import Figure
from isthmus.scope import System

_LIVE: Final = """
select entity, state, count(*) as runs from sync_runs where state in ('queued', 'running', 'cancelling')
group by entity, state order by entity, state
"""
_ABOUT: Final = "isthmus_sync_runs", "Runs that are not over, by what they read and how they stand."


async def measure(_system: System, tx: Tx) -> Sequence[Figure]:
    """How many runs wait and work."""
    rows = await tx.fetch_sql(_LIVE)
    return [Figure(*_ABOUT, row["runs"], {"entity": row["entity"], "state": row["state"]}) for row in rows]
