"""Recoveries: what an endpoint missed in a time waits anew, step by step."""

from datetime import datetime

import asyncpg

from isthmus.engine.db import Tx
from isthmus.kit.paging import Ask

_RECOVER = """
with found as (
  select id, number, state in ('dead', 'missed') as lost from webhook_deliveries
  where tenant_id = $1 and endpoint_id = $2 and number > $3 and created_at >= $4 and created_at < $5
  order by number limit $6
), again as (
  update webhook_deliveries d set state = 'pending', attempts = 0, next_at = null, done_at = null,
    trigger = 'recovery'
  from found where d.tenant_id = $1 and d.id = found.id and found.lost and d.state in ('dead', 'missed')
)
select count(*) as seen, max(number) as last, min(number) filter (where lost) as first,
  count(*) filter (where lost) as lost
from found
"""
_SHOWN = "select id, endpoint_id, since, until, state, place, found, created_at, done_at from webhook_recoveries"
_ONE = f"{_SHOWN} where tenant_id = $1 and id = $2"
_LOCKED = f"{_ONE} for update"
_MANY = f"""
{_SHOWN} where tenant_id = $1 and ($2::text is null or id < $2) and ($3::text is null or endpoint_id = $3)
order by id desc limit $4 offset $5
"""
_RUNNING = "select count(*) as n from webhook_recoveries where tenant_id = $1 and state = 'running'"
_CANCEL = """
update webhook_recoveries set state = 'cancelled', done_at = $3
where tenant_id = $1 and id = $2 and state = 'running' returning endpoint_id
"""


async def insert(tx: Tx, recovery_id: str, endpoint_id: str, window: tuple[datetime, datetime]) -> None:
    """Note that everything an endpoint missed in this time is wanted."""
    await tx.execute_sql(
        """
        insert into webhook_recoveries (tenant_id, id, endpoint_id, since, until, state, created_at)
        values ($1, $2, $3, $4, $5, 'running', now())
        """,
        tx.tenant_id,
        recovery_id,
        endpoint_id,
        *window,
    )


async def recovery(tx: Tx, recovery_id: str, *, locked: bool = False) -> asyncpg.Record | None:
    """How far a recovery is; locked, so that one worker at a time carries it on and nobody cancels it meanwhile."""
    rows = await tx.fetch_sql(_LOCKED if locked else _ONE, tx.tenant_id, recovery_id)
    return rows[0] if rows else None


async def recoveries(tx: Tx, endpoint_id: str | None, ask: Ask) -> list[asyncpg.Record]:
    """The newest first, of one endpoint or of all; one more than asked for where there are more."""
    return await tx.fetch_sql(_MANY, tx.tenant_id, ask.after, endpoint_id, ask.limit + 1, ask.offset)


async def running(tx: Tx, *, held: bool = True) -> int:
    """How many of the tenant run; `held` by a lock, no other begins until the commit."""
    if held:
        await tx.execute_sql("select pg_advisory_xact_lock(hashtextextended($1, 71))", tx.tenant_id)
    rows = await tx.fetch_sql(_RUNNING, tx.tenant_id)
    return int(rows[0]["n"])


async def cancel(tx: Tx, recovery_id: str, at: datetime) -> str | None:
    """End one that runs; whose it was."""
    rows = await tx.fetch_sql(_CANCEL, tx.tenant_id, recovery_id, at)
    return rows[0]["endpoint_id"] if rows else None


async def recover(tx: Tx, row: asyncpg.Record, limit: int) -> asyncpg.Record:
    """The next deliveries of the window: those that were lost wait anew."""
    window = (row["since"], row["until"])
    rows = await tx.fetch_sql(_RECOVER, tx.tenant_id, row["endpoint_id"], row["place"], *window, limit)
    return rows[0]


async def move(tx: Tx, recovery_id: str, place: int | None, found: int) -> None:
    """Remember the place; None: it is done."""
    await tx.execute_sql(
        """
        update webhook_recoveries set found = found + $4, place = coalesce($3, place),
          state = case when $3::bigint is null then 'done' else state end,
          done_at = case when $3::bigint is null then now() end
        where tenant_id = $1 and id = $2
        """,
        tx.tenant_id,
        recovery_id,
        place,
        found,
    )


async def unfinished(tx: Tx) -> list[asyncpg.Record]:
    """Recoveries that are not done; as the system."""
    return await tx.fetch_sql("select tenant_id, id from webhook_recoveries where state = 'running' limit 100")
