"""Statements over the functions that services register, and over which of them somebody has.

Whether a process still has one is judged by the database's own clock: those of the processes may differ.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import asyncpg

from isthmus.engine.db import Tx
from isthmus.kit.paging import Ask, Page

_BEFORE = """
select name, pattern, offered_at > now() - $3::interval as offered, retired_at is null as live, missed_at
from webhook_functions where tenant_id = $1 and name = any($2::text[]) order by name for update
"""
_OFFER = """
insert into webhook_functions (tenant_id, id, name, pattern, priority, retries, ordered_by, created_at, offered_at)
select $1, g.id, g.name, g.pattern, g.priority, g.retries::jsonb, g.ordered_by, $8, now()
from unnest($2::text[], $3::text[], $4::text[], $5::integer[], $6::text[], $7::text[])
  as g (id, name, pattern, priority, retries, ordered_by)
on conflict (tenant_id, name) do update
  set pattern = excluded.pattern, priority = excluded.priority, retries = excluded.retries,
    ordered_by = excluded.ordered_by, offered_at = now(), missed_at = null, retired_at = null
returning id, name, pattern, xmax = 0 as fresh
"""
_STILL = """
update webhook_functions f set offered_at = now(), missed_at = null
from (
  select tenant_id, id, missed_at from webhook_functions
  where tenant_id = $1 and name = any($2::text[]) and retired_at is null order by name for update
) o
where f.tenant_id = o.tenant_id and f.id = o.id
returning f.id, f.name, f.pattern, o.missed_at
"""
_MISSED = """
select tenant_id, id, name, missed_at is null as fresh, now() - offered_at as silence from webhook_functions
where retired_at is null and offered_at < now() - $1::interval order by tenant_id, id
"""
_MISS = """
update webhook_functions set missed_at = $3
where tenant_id = $1 and id = $2 and retired_at is null and missed_at is null and offered_at < now() - $4::interval
"""
_MANY = """
select id, name, pattern, priority, retries, ordered_by, created_at, offered_at, missed_at, retired_at,
  offered_at > now() - $2::interval and retired_at is null as offered, (
    select count(*) from (
      select from webhook_tasks t
      where t.tenant_id = f.tenant_id and t.handler = f.name and t.state in ('waiting', 'handling') limit 1000
    ) open) as waiting
from webhook_functions f
where tenant_id = $1 and id > coalesce($3::text, '') and ($6::text is null or id = $6)
order by id limit $4 offset $5
"""
_NAMED = "select id, name, retired_at from webhook_functions where tenant_id = $1 and name = $2"
_RETIRE = """
update webhook_functions set retired_at = $3, missed_at = null
where tenant_id = $1 and id = $2 and retired_at is null returning name
"""
_GONE = "select tenant_id, name from webhook_functions where retired_at > $1 order by tenant_id, name limit $2"
_FORGET = "delete from webhook_functions where retired_at < $1"
_COUNTS = """
select offered_at > now() - $1::interval as offered, count(*) as functions from webhook_functions
where retired_at is null group by 1
"""


async def before(tx: Tx, tenant_id: str, names: Sequence[str], quiet: timedelta) -> list[asyncpg.Record]:
    """What is known of these already, locked."""
    return await tx.fetch_sql(_BEFORE, tenant_id, list(names), quiet)


async def offer(tx: Tx, tenant_id: str, made: Sequence[Mapping[str, Any]], now: datetime) -> list[asyncpg.Record]:
    """Write that a process has these; one that was retired is there again. Their `retries` are JSON.

    Answers them as they stand, and which of them nobody knew.
    """
    names = ("id", "name", "pattern", "priority", "retries", "ordered_by")
    return await tx.fetch_sql(_OFFER, tenant_id, *([one[name] for one in made] for name in names), now)


async def still(tx: Tx, tenant_id: str, names: Sequence[str]) -> list[asyncpg.Record]:
    """Write that a process has these still; what is left of them is not retired."""
    return await tx.fetch_sql(_STILL, tenant_id, list(names))


async def missed(tx: Tx, quiet: timedelta) -> list[asyncpg.Record]:
    """Those that no process has had for so long, of all tenants; `fresh` ones were not told of. As the system."""
    return await tx.fetch_sql(_MISSED, quiet)


async def miss(tx: Tx, tenant_id: str, id_: str, now: datetime, quiet: timedelta) -> bool:
    """Note that it was told that nobody has it; False where somebody has said so, or has it again."""
    return await tx.execute_sql(_MISS, tenant_id, id_, now, quiet) > 0


async def functions(tx: Tx, tenant_id: str, ask: Ask, quiet: timedelta) -> Page[Mapping[str, Any]]:
    """Oldest first, with how much waits for each, a thousand at most."""
    rows = await tx.fetch_sql(_MANY, tenant_id, quiet, ask.after, ask.limit + 1, ask.offset, None)
    items: list[Mapping[str, Any]] = [dict(row) for row in rows[: ask.limit]]
    more = len(rows) > ask.limit
    return Page(items, items[-1]["id"] if more else None, has_more=more)


async def function(tx: Tx, tenant_id: str, id_: str, quiet: timedelta) -> Mapping[str, Any] | None:
    """One of them."""
    rows = await tx.fetch_sql(_MANY, tenant_id, quiet, None, 1, 0, id_)
    return dict(rows[0]) if rows else None


async def named(tx: Tx, tenant_id: str, name: str) -> asyncpg.Record | None:
    """The one of this name, and whether it is retired."""
    rows = await tx.fetch_sql(_NAMED, tenant_id, name)
    return rows[0] if rows else None


async def retire(tx: Tx, tenant_id: str, id_: str, now: datetime) -> str | None:
    """Plan for it no more; its name, None where it is retired already or there is none."""
    rows = await tx.fetch_sql(_RETIRE, tenant_id, id_, now)
    return str(rows[0]["name"]) if rows else None


async def retired(tx: Tx, since: datetime, limit: int) -> list[tuple[str, str]]:
    """Those that were retired since then, as (tenant, name); as the system."""
    return [(row["tenant_id"], row["name"]) for row in await tx.fetch_sql(_GONE, since, limit)]


async def forget(tx: Tx, before_: datetime) -> int:
    """Forget those that were retired before this time; as the system."""
    return await tx.execute_sql(_FORGET, before_)


async def counts(tx: Tx, quiet: timedelta) -> dict[bool, int]:
    """How many somebody has and nobody has, over all tenants; as the system."""
    return {row["offered"]: row["functions"] for row in await tx.fetch_sql(_COUNTS, quiet)}
