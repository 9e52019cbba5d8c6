"""Statements that route deliveries, work them off and wake what was forgotten; routing spans tenants by nature."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import asyncpg

from isthmus.engine.db import Tx

_ROUTABLE = """
select id, provider, account, entity, event from webhook_inbox
where source_id = $1 and tenant_id = $2 and state = 'received' order by id limit $3 for update skip locked
"""
_ROUTE = """
update webhook_inbox i set tenant_id = g.tenant_id, connection_id = g.connection_id, state = g.state,
  reason = g.reason, next_at = case when g.state = 'waiting' then $7::timestamptz end,
  done_at = case when g.state = 'ignored' then $7::timestamptz end
from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[])
  as g (id, tenant_id, connection_id, state, reason)
where i.id = g.id and i.tenant_id = $6 and i.state = 'received'
"""
_MAIL = "select wanted from webhook_mail where tenant_id = $1 and source_id = $2"
_CLOSE = "update webhook_mail set seen = $3 where tenant_id = $1 and source_id = $2 and wanted = $3"
_CLAIM = """
update webhook_inbox i set state = 'handling', attempts = i.attempts + 1,
  lease_until = clock_timestamp() + $3::interval, next_at = clock_timestamp() + $3::interval
from (
  select tenant_id, id from webhook_inbox
  where tenant_id = $1 and coalesce(connection_id, source_id) = $2
    and state in ('waiting', 'handling') and next_at <= $5
  order by id limit $4 for update skip locked
) as due
where i.tenant_id = due.tenant_id and i.id = due.id
returning i.id, i.attempts, i.connection_id, i.entity, i.event, i.simulated, i.received_at
"""
_FINISH = """
update webhook_inbox i set state = g.state, attempts = i.attempts - g.free, next_at = g.next_at, reason = g.reason,
  run_id = coalesce(g.run_id, i.run_id), lease_until = null, done_at = g.done_at
from unnest($2::text[], $3::text[], $4::integer[], $5::timestamptz[], $6::text[], $7::text[], $8::timestamptz[])
  as g (id, state, free, next_at, reason, run_id, done_at)
where i.tenant_id = $1 and i.id = g.id and i.state = 'handling'
"""
_STEP = """
insert into webhook_steps (tenant_id, delivery_id, id, at, what, outcome, message, run_id)
select $1, g.delivery_id, g.id, $7, g.what, g.outcome, g.message, g.run_id
from unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $8::text[])
  as g (delivery_id, id, what, outcome, message, run_id)
"""
_FORGOTTEN_MAIL = """
select m.tenant_id, m.source_id from webhook_mail m where m.wanted > m.seen and m.last_at < $1 limit $2
"""
_DUE = """
select tenant_id, coalesce(connection_id, source_id) as key from webhook_inbox
where state in ('waiting', 'handling') and next_at < $1 group by 1, 2 limit $2
"""


@dataclass(frozen=True, slots=True)
class Routed:
    """Where one delivery goes."""

    id: str
    tenant_id: str
    connection_id: str | None
    state: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class Ended:
    """How an attempt ended; `free` is 1 where it does not count."""

    id: str
    state: str
    free: int
    next_at: datetime | None
    reason: str | None
    run_id: str | None
    done_at: datetime | None


@dataclass(frozen=True, slots=True)
class Step:
    """A line of a delivery's timeline."""

    delivery_id: str
    id: str
    what: str
    outcome: str
    message: str | None
    run_id: str | None


async def routable(tx: Tx, tenant_id: str, source_id: str, limit: int) -> list[asyncpg.Record]:
    """Deliveries that nobody has routed yet, locked; as the system."""
    return await tx.fetch_sql(_ROUTABLE, source_id, tenant_id, limit)


async def route(tx: Tx, tenant_id: str, routed: Sequence[Routed], now: datetime) -> None:
    """Send them where they belong; as the system."""
    names = ("id", "tenant_id", "connection_id", "state", "reason")
    columns = [[getattr(one, name) for one in routed] for name in names]
    await tx.execute_sql(_ROUTE, *columns, tenant_id, now)


async def wanted(tx: Tx, tenant_id: str, source_id: str) -> int:
    """How much has come in at a source."""
    rows = await tx.fetch_sql(_MAIL, tenant_id, source_id)
    return int(rows[0]["wanted"]) if rows else 0


async def close(tx: Tx, tenant_id: str, source_id: str, seen: int) -> bool:
    """Note that everything up to this count was routed; False when more has come in meanwhile."""
    return await tx.execute_sql(_CLOSE, tenant_id, source_id, seen) > 0


async def claim(tx: Tx, tenant_id: str, key: str, lease: timedelta, limit: int, now: datetime) -> list[asyncpg.Record]:
    """Take what is due, in the order in which it came."""
    return sorted(await tx.fetch_sql(_CLAIM, tenant_id, key, lease, limit, now), key=lambda row: str(row["id"]))


async def finish(tx: Tx, tenant_id: str, ended: Sequence[Ended]) -> None:
    """Write down how the attempts ended."""
    names = ("id", "state", "free", "next_at", "reason", "run_id", "done_at")
    await tx.execute_sql(_FINISH, tenant_id, *([getattr(one, name) for one in ended] for name in names))


async def note(tx: Tx, tenant_id: str, steps: Sequence[Step], now: datetime) -> None:
    """Write lines of timelines."""
    names = ("delivery_id", "id", "what", "outcome", "message")
    columns = [[getattr(one, name) for one in steps] for name in names]
    await tx.execute_sql(_STEP, tenant_id, *columns, now, [one.run_id for one in steps])


async def forgotten(tx: Tx, before: datetime, limit: int) -> list[tuple[str, str]]:
    """Sources whose router was never woken, or died: (tenant, source); as the system."""
    rows = await tx.fetch_sql(_FORGOTTEN_MAIL, before, limit)
    return [(row["tenant_id"], row["source_id"]) for row in rows]


async def due(tx: Tx, before: datetime, limit: int) -> list[tuple[str, str]]:
    """Connections with deliveries that are due: (tenant, key); as the system."""
    return [(row["tenant_id"], row["key"]) for row in await tx.fetch_sql(_DUE, before, limit)]
