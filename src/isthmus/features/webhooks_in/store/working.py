"""Statements that route deliveries, work them off and wake what was forgotten; routing spans tenants by nature."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from isthmus.engine.db import Tx

_ROUTABLE = """
select id, source_id, provider, account, entity, event, topic, object,
  simulated and not rehearsed as simulated from webhook_inbox
where source_id = $1 and tenant_id = $2 and state = 'received' and id >= $4 order by id limit $3
for update skip locked
"""
_ROUTE = """
update webhook_inbox i set tenant_id = g.tenant_id, connection_id = g.connection_id, state = g.state,
  reason = g.reason, next_at = case when g.state = 'waiting' then $7::timestamptz end,
  done_at = case when g.state = 'ignored' then $7::timestamptz end
from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[])
  as g (id, tenant_id, connection_id, state, reason)
where i.id = g.id and i.id = any($1::text[]) and i.tenant_id = $6 and i.state = 'received'
"""
_MAIL = "select wanted, since from webhook_mail where tenant_id = $1 and source_id = $2"
_CLOSE = """
update webhook_mail set seen = $3, since = null
where tenant_id = $1 and source_id = $2 and wanted = $3 and since is not distinct from $4
"""
_LOCKED = "select since from webhook_mail where tenant_id = $1 and source_id = $2 for update"
# A statement of its own behind the lock: what was committed by then is seen, and what comes later notes its own id.
_AHEAD = """
update webhook_mail m set since = (
  select min(i.id) from webhook_inbox i
  where i.source_id = $2 and i.tenant_id = $1 and i.state = 'received' and i.id >= m.since)
where m.tenant_id = $1 and m.source_id = $2
"""
_STEP = """
insert into webhook_steps (tenant_id, delivery_id, id, at, what, outcome, message, run_id)
select $1, g.delivery_id, g.id, $7, g.what, g.outcome, g.message, g.run_id
from unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $8::text[])
  as g (delivery_id, id, what, outcome, message, run_id)
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
class Mail:
    """How much has come in at a source, and the least id that is not routed; empty where everything is."""

    wanted: int
    since: str | None


@dataclass(frozen=True, slots=True)
class Step:
    """A line of a delivery's timeline."""

    delivery_id: str
    id: str
    what: str
    outcome: str
    message: str | None
    run_id: str | None


async def routable(tx: Tx, tenant_id: str, source_id: str, since: str, limit: int) -> list[asyncpg.Record]:
    """Deliveries behind an id that nobody has routed yet, locked; as the system."""
    return await tx.fetch_sql(_ROUTABLE, source_id, tenant_id, limit, since)


async def route(tx: Tx, tenant_id: str, routed: Sequence[Routed], now: datetime) -> None:
    """Send them where they belong; as the system."""
    names = ("id", "tenant_id", "connection_id", "state", "reason")
    columns = [[getattr(one, name) for one in routed] for name in names]
    await tx.execute_sql(_ROUTE, *columns, tenant_id, now)


async def mail(tx: Tx, tenant_id: str, source_id: str) -> Mail:
    """How much has come in at a source, and from where on it is not routed."""
    rows = await tx.fetch_sql(_MAIL, tenant_id, source_id)
    return Mail(rows[0]["wanted"], rows[0]["since"]) if rows else Mail(0, None)


async def close(tx: Tx, tenant_id: str, source_id: str, seen: Mail) -> bool:
    """Note that everything up to this was routed; False when more has come in meanwhile."""
    return await tx.execute_sql(_CLOSE, tenant_id, source_id, seen.wanted, seen.since) > 0


async def move_on(tx: Tx, tenant_id: str, source_id: str) -> None:
    """Note from where on it is not routed by now, while more comes in all the time; as the system."""
    await tx.execute_sql(_LOCKED, tenant_id, source_id)
    await tx.execute_sql(_AHEAD, tenant_id, source_id)


async def note(tx: Tx, tenant_id: str, steps: Sequence[Step], now: datetime) -> None:
    """Write lines of timelines."""
    names = ("delivery_id", "id", "what", "outcome", "message")
    columns = [[getattr(one, name) for one in steps] for name in names]
    await tx.execute_sql(_STEP, tenant_id, *columns, now, [one.run_id for one in steps])
