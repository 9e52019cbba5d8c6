"""Statements that make and drop the days of the log, and that forget what one tenant keeps for a shorter time."""

from collections.abc import Sequence
from datetime import UTC, date, datetime

from isthmus.engine.db import Tx

_DAYS = """
select right(c.relname, 8) as day from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname = 'inbound_days' and c.relkind = 'r' and c.relname like 'inbox\\_%' order by 1
"""
# One look at the key for each tenant, however many rows it has.
_TENANTS = """
with recursive found as (
  (select tenant_id from webhook_inbox where id >= $1 and id < $2 order by tenant_id limit 1)
  union all
  select (select i.tenant_id from webhook_inbox i where i.id >= $1 and i.id < $2 and i.tenant_id > f.tenant_id
    order by i.tenant_id limit 1) from found f where f.tenant_id is not null
)
select tenant_id from found where tenant_id is not null
"""
_WAITS = "select exists (select from webhook_inbox where id >= $1 and id < $2 and state = 'waiting') as waits"
_FORGET_TASKS = """
delete from webhook_tasks where tenant_id = $1 and (delivery_id, handler) in (
  select delivery_id, handler from webhook_tasks
  where tenant_id = $1 and delivery_id >= $2 and delivery_id < $3 limit $4)
"""
_FORGET = """
with old as (
  select id from webhook_inbox
  where tenant_id = $1 and id >= $2 and id < $3 and state <> 'waiting' limit $4
), steps as (
  delete from webhook_steps s using old
  where s.tenant_id = $1 and s.delivery_id = old.id and s.delivery_id >= $2 and s.delivery_id < $3
), tasks as (
  delete from webhook_tasks t using old where t.tenant_id = $1 and t.delivery_id = old.id
)
delete from webhook_inbox i using old where i.tenant_id = $1 and i.id = old.id and i.id >= $2 and i.id < $3
"""
_BLANK = """
update webhook_inbox set body = ''::bytea, headers = '{}'::jsonb, query = ''
where tenant_id = $1 and id in (
  select id from webhook_inbox
  where tenant_id = $1 and connection_id = $2 and body <> ''::bytea
    and ($3::text[] is null or object = any($3::text[]) or id = $4)
  limit $5)
"""
# Nothing is left of such a delivery but that it came.
_CLOSE = """
update webhook_inbox set body = ''::bytea, headers = '{}'::jsonb, query = '', object = '',
  account = case when $3 then '' else account end
where tenant_id = $1 and id = any($2::text[])
"""
_CLOSE_SOME = """
update webhook_inbox set body = ''::bytea, headers = '{}'::jsonb, query = '', object = ''
where tenant_id = $1 and id in (
  select id from webhook_inbox
  where tenant_id = $1 and connection_id = any($2::text[]) and entity = any($3::text[]) and received_at <= $4
    and (body <> ''::bytea or object <> '')
  limit $5)
"""


async def make(tx: Tx, first: date, last: date) -> int:
    """Make the days that are not there; how many tables that were; as the system."""
    return int((await tx.fetch_sql("select inbound_days.make($1, $2) as made", first, last))[0]["made"])


async def remove(tx: Tx, day: date) -> bool:
    """Drop a day whole; False while somebody reads it; as the system."""
    return bool((await tx.fetch_sql("select inbound_days.remove($1) as gone", day))[0]["gone"])


async def days(tx: Tx) -> list[date]:
    """The days that are there, oldest first; the first may hold older ones too."""
    return [datetime.strptime(row["day"], "%Y%m%d").replace(tzinfo=UTC).date() for row in await tx.fetch_sql(_DAYS)]


async def tenants(tx: Tx, within: tuple[str, str]) -> list[str]:
    """Whose deliveries lie between two ids; as the system."""
    return [row["tenant_id"] for row in await tx.fetch_sql(_TENANTS, *within)]


async def waits(tx: Tx, within: tuple[str, str]) -> bool:
    """Whether a delivery between two ids is still to be worked off; as the system."""
    return bool((await tx.fetch_sql(_WAITS, *within))[0]["waits"])


async def forget_tasks(tx: Tx, tenant_id: str, within: tuple[str, str], limit: int) -> bool:
    """Forget some of the tasks of a tenant's deliveries between two ids; whether there may be more."""
    return await tx.execute_sql(_FORGET_TASKS, tenant_id, *within, limit) >= limit


async def forget(tx: Tx, tenant_id: str, within: tuple[str, str], limit: int) -> bool:
    """Forget some of a tenant's deliveries between two ids, but what still waits; whether there may be more."""
    return await tx.execute_sql(_FORGET, tenant_id, *within, limit) >= limit


async def blank(
    tx: Tx, tenant_id: str, connection_id: str, about: tuple[Sequence[str] | None, str], limit: int
) -> bool:
    """Erase what was sent with some of a connection's deliveries: all, or those about these objects and one more by id.

    Whether there may be more.
    """
    return await tx.execute_sql(_BLANK, tenant_id, connection_id, *about, limit) >= limit


async def close(tx: Tx, tenant_id: str, ids: Sequence[str], *, account: bool) -> None:
    """Erase what was sent with these deliveries and what they are about; their account too, where it says so."""
    await tx.execute_sql(_CLOSE, tenant_id, list(ids), account)


async def close_some(
    tx: Tx, tenant_id: str, place: tuple[Sequence[str], Sequence[str]], until: datetime, limit: int
) -> bool:
    """The same of some that came until then; `place` are connections and entities. Whether there may be more."""
    connections, entities = place
    found = await tx.execute_sql(_CLOSE_SOME, tenant_id, list(connections), list(entities), until, limit)
    return found >= limit
