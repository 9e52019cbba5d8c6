"""Statements that forget what runs noted of records that may not be read any more."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from isthmus.engine.db import Tx

_OF_RUNS: Final = """
delete from {table} n using sync_runs r
where r.tenant_id = $1 and r.connection_id = any($2::text[]) and r.entity = any($3::text[]) and r.created_at <= $4
  and n.tenant_id = r.tenant_id and n.run_id = r.id
"""
_OWN: Final = """
delete from {table}
where tenant_id = $1 and connection_id = any($2::text[]) and entity = any($3::text[]) and created_at <= $4
"""
_ALL: Final = (
    *(_OF_RUNS.format(table=table) for table in ("sync_errors", "sync_changes")),
    *(_OWN.format(table=table) for table in ("sync_suspects", "sync_refreshes")),
)


async def forget_forbidden(
    tx: Tx, tenant_id: str, connection_ids: Sequence[str], entities: Sequence[str], until: datetime
) -> None:
    """Forget records of these entities that could not be read, would have been written, are missing or are wanted."""
    for statement in _ALL:
        await tx.execute_sql(statement, tenant_id, list(connection_ids), list(entities), until)
