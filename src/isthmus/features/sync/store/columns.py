"""What the statements over runs have in common. Leases count by the database's clock, the one that all share."""

import asyncpg
from sqlalchemy import bindparam, cast, func, literal_column
from sqlalchemy.dialects.postgresql import INTERVAL

from isthmus.features.sync.model import RUN_COLUMNS, Run
from isthmus.features.sync.tables import SYNC_RUNS

_r = SYNC_RUNS.c
RUN = tuple(_r[name] for name in RUN_COLUMNS)
NOW = func.clock_timestamp()
LIVE = _r.state == func.any(literal_column("array['queued', 'running', 'cancelling']"))
#: The run as its present holder may change it.
MINE = (
    _r.tenant_id == bindparam("tenant_id"),
    _r.id == bindparam("id"),
    _r.fence == bindparam("fence"),
    _r.state == func.any(literal_column("array['running', 'cancelling']")),
)
LEASE = NOW + cast(bindparam("lease"), INTERVAL)


def as_run(row: asyncpg.Record | None) -> Run | None:
    """A row of `RUN` as the run it is."""
    return None if row is None else Run(*row)
