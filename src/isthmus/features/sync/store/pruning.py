"""Statements that forget old runs."""

from datetime import datetime
from typing import Final

from isthmus.engine.db import Tx

#: The newest run of each connection and entity stays, however old it is: it is what its status shows.
_PRUNE: Final = """
delete from sync_runs r using (
  select o.tenant_id, o.id from sync_runs o
  where o.changed_at < $1 and o.state not in ('queued', 'running', 'cancelling')
    and exists (
      select from sync_runs n
      where n.tenant_id = o.tenant_id and n.connection_id = o.connection_id and n.entity = o.entity and n.id > o.id)
  order by o.changed_at limit $2
) old
where r.tenant_id = old.tenant_id and r.id = old.id
"""


async def prune(tx: Tx, before: datetime, limit: int) -> int:
    """Forget at most so many runs that ended before this time, with their errors; as the system."""
    return await tx.execute_sql(_PRUNE, before, limit)
