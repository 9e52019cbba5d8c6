"""What happened to integrations: written by the log's listener as the system, read by the tenant."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import asyncpg

from isthmus.engine.db import Tx
from isthmus.features.widgets.model import Activity

_INTEGRATION: Final = """
select integration_id from connections where tenant_id = $1 and id = $2
union all
select integration_id from widget_activities where tenant_id = $1 and connection_id = $2
limit 1
"""
_PUT: Final = """
insert into widget_activities (tenant_id, id, integration_id, connection_id, type, status, at, details)
values ($1, $2, $3, $4, $5, $6, $7, $8)
on conflict (tenant_id, id) do update set status = excluded.status, details = excluded.details
"""
# Both are read in one trip; a connection's own where each person has one.
_PAGE: Final = """
select id, type, status, at, details, count(*) over () as total from widget_activities
where integration_id = $2 and tenant_id = $1 and at >= $3 and ($4::text is null or connection_id = $4)
order by at desc, id desc limit $5
"""
_SWEEP: Final = "delete from widget_activities where at < $1"


async def integration_of(tx: Tx, tenant_id: str, connection_id: str) -> str | None:
    """The integration of a connection, also of one that has just gone."""
    rows = await tx.fetch_sql(_INTEGRATION, tenant_id, connection_id)
    return rows[0]["integration_id"] if rows else None


async def put(tx: Tx, tenant_id: str, integration_id: str, one: Activity) -> None:
    """Write an activity, or how it went on."""
    about = (one.connection_id, one.type, one.status, one.at, dict(one.details))
    await tx.execute_sql(_PUT, tenant_id, one.id, integration_id, *about)


async def page(
    tx: Tx, integration_id: str, since: datetime, connection_id: str | None, limit: int
) -> Sequence[asyncpg.Record]:
    """The newest activities; `total` counts all of them."""
    return await tx.fetch_sql(_PAGE, tx.tenant_id, integration_id, since, connection_id, limit)


async def sweep(tx: Tx, before: datetime) -> None:
    """Forget what is older; as the system."""
    await tx.execute_sql(_SWEEP, before)
