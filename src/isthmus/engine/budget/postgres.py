"""The client's shared quota on PostgreSQL: permits are leased in blocks from one row, exact over all processes.

The row is unlogged: a crash of the database forgets what was granted, a restart does not.
"""

from typing import Final

from sqlalchemy import Column, DateTime, Text
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import JSONB

from isthmus.client.budget import BudgetRule, Grant
from isthmus.engine.budget import model
from isthmus.engine.db import Database, Tx, platform_table
from isthmus.kit.clock import SYSTEM, Clock

WINDOWS = platform_table(
    "budget_windows",
    Column("key", Text, primary_key=True),
    Column("state", JSONB, nullable=False),
    Column("used_at", DateTime(timezone=True), nullable=False, server_default=sql("now()")),
)

#: Locks the row, and reads the time after the lock is held: one clock for all processes.
_HOLD: Final = """
insert into budget_windows (key, state) values ($1, '[]')
on conflict (key) do update set used_at = now()
returning state, extract(epoch from clock_timestamp())::float8 as now
"""
_STORE: Final = "update budget_windows set state = $2 where key = $1"
_SWEEP: Final = "delete from budget_windows where used_at < now() - interval '1 day'"


class PostgresBudget:
    """Implements the client's `Budget`. Raises DatabaseUnavailable when the database is away: no permit is guessed."""

    def __init__(self, database: Database, *, clock: Clock = SYSTEM) -> None:
        self._database = database
        self._clock = clock

    async def lease(self, key: str, wanted: int, rule: BudgetRule) -> Grant:
        """Take up to `wanted` permits of `key`."""
        started = self._clock.monotonic()
        async with self._database.system() as tx:
            row = (await tx.fetch_sql(_HOLD, key))[0]
            step = model.lease(row["state"], row["now"], wanted, rule)
            await tx.execute_sql(_STORE, key, step.state)
        return model.received(step.grant, self._clock.monotonic() - started)


async def sweep(tx: Tx) -> int:
    """Forget quotas nobody has used for a day; as the system."""
    return await tx.execute_sql(_SWEEP)
