"""Statements that the planner needs: what deliveries are about, what was sent, and where they stand after planning."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import asyncpg

from isthmus.engine.db import Tx

_SUBJECTS = """
select id, source_id, connection_id, provider, event, topic, entity, object, account,
  simulated and not rehearsed as simulated
from webhook_inbox where tenant_id = $1 and id = any($2::text[]) order by id for update
"""
_CONTENTS = "select id, body, headers, query from webhook_inbox where tenant_id = $1 and id = any($2::text[])"
_TOLD = """
select id, source_id, connection_id, provider, event, topic, entity, object, account,
  simulated and not rehearsed as simulated, rehearsed,
       body, headers, query, received_at, occurred_at, replays from webhook_inbox
where tenant_id = $1 and id = any($2::text[])
"""
_REPLAN = """
update webhook_inbox i set state = g.state, reason = g.reason, attempts = 0, replays = i.replays + 1,
  next_at = case when g.state = 'waiting' then $5::timestamptz end,
  done_at = case when g.state <> 'waiting' then $5::timestamptz end
from unnest($2::text[], $3::text[], $4::text[]) as g (id, state, reason)
where i.tenant_id = $1 and i.id = g.id and i.id = any($2::text[])
"""
_UNROUTED = """
with back as (
  update webhook_inbox set state = 'received', reason = null
  where tenant_id = $1 and id = any($2::text[]) and state = 'unrouted'
  returning source_id, id
), least_of as (
  select source_id, min(id) as id from back group by source_id
), mail as (
  update webhook_mail m set since = least(m.since, b.id) from least_of b
  where m.tenant_id = $1 and m.source_id = b.source_id
)
select source_id from least_of order by source_id
"""
_EXPRESSIONS = """
select id, filter, transform from webhook_sources
where tenant_id = $1 and (id = any($2::text[]) or $2::text[] is null and (filter is not null or transform is not null))
"""


async def subjects(tx: Tx, tenant_id: str, ids: Sequence[str]) -> list[dict[str, Any]]:
    """These deliveries as the planner wants to know them, locked."""
    return [dict(row) for row in await tx.fetch_sql(_SUBJECTS, tenant_id, list(ids))]


async def contents(tx: Tx, tenant_id: str, ids: Sequence[str]) -> list[dict[str, Any]]:
    """What was sent with these deliveries."""
    return [dict(row) for row in await tx.fetch_sql(_CONTENTS, tenant_id, list(ids))]


async def told(tx: Tx, tenant_id: str, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """These deliveries, whole, as handlers are told of them."""
    return {row["id"]: dict(row) for row in await tx.fetch_sql(_TOLD, tenant_id, list(ids))}


async def replan(tx: Tx, tenant_id: str, found: Mapping[str, tuple[str, str | None]], now: datetime) -> None:
    """Say where these deliveries stand, by (state, reason), now that they have been planned anew."""
    columns = list(found), [str(one[0]) for one in found.values()], [one[1] for one in found.values()]
    await tx.execute_sql(_REPLAN, tenant_id, *columns, now)


async def unroute(tx: Tx, tenant_id: str, ids: Sequence[str]) -> list[str]:
    """Let what had nowhere to go be routed once more; the sources that it came in at."""
    return [row["source_id"] for row in await tx.fetch_sql(_UNROUTED, tenant_id, list(ids))]


async def expressions(tx: Tx, tenant_id: str, source_ids: Sequence[str] | None) -> list[asyncpg.Record]:
    """The filters and transformations of these sources; None: of all that have any."""
    return await tx.fetch_sql(_EXPRESSIONS, tenant_id, None if source_ids is None else list(source_ids))
