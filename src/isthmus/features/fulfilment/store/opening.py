"""Statements that begin actions, and those by which people and connections decide over them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from isthmus.engine.db import Tx
from isthmus.features.fulfilment.model import OrderAction, State
from isthmus.features.fulfilment.store.columns import as_action, of_actions

_OPEN: Final = """
insert into order_actions (
  tenant_id, id, order_id, connection_id, provider, external_id, number, kind, lines, reason, details, state,
  status_before, requested_by, created_at, changed_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 'waiting', $12, $13, $14, clock_timestamp())
on conflict do nothing returning *
"""
_LIVE_OF: Final = of_actions("""
where tenant_id = $1 and order_id = any($2::text[]) and state in ('waiting', 'sending', 'unsure')
""")
_COUNT: Final = "select count(*) from order_actions where tenant_id = $1 and state in ('waiting', 'sending', 'unsure')"
_DECIDE: Final = """
update order_actions set
  state = $4, parked = false, retry_at = null, sent_at = null, sends = 0, finished_at = $5, error_code = $6,
  error_message = $7, changed_at = clock_timestamp()
where tenant_id = $1 and id = $2 and state = any($3::text[]) returning *
"""
_RETRY: Final = """
update order_actions set
  state = 'waiting', forced = sent_at is not null, parked = false, retry_at = null, attempts = 0, deaths = 0,
  lines = $4, done = 0, failed = 0, finished_at = null, error_code = null, error_message = null,
  changed_at = clock_timestamp()
where tenant_id = $1 and id = $2 and state = any($3::text[])
  and not exists (
    select from order_actions o where o.tenant_id = $1 and o.order_id = order_actions.order_id
      and o.id <> order_actions.id and o.state in ('waiting', 'sending', 'unsure'))
returning *
"""
_UNPARK: Final = """
update order_actions set parked = false, retry_at = null, attempts = 0, changed_at = clock_timestamp()
where tenant_id = $1 and connection_id = $2 and state = 'waiting' and (parked or error_code = 'CONNECTION_EXPIRED')
"""
#: One that a worker holds ends by itself: its connection is gone.
_END_OF: Final = """
update order_actions set
  state = 'cancelled', parked = false, retry_at = null, finished_at = $3, error_code = 'CONNECTION_ENDED',
  error_message = 'The connection has ended.', changed_at = clock_timestamp()
where tenant_id = $1 and connection_id = $2 and state in ('waiting', 'unsure') returning *
"""
_PRUNE: Final = """
delete from order_actions a using (
  select tenant_id, id from order_actions
  where finished_at < $1 and state in ('done', 'refused', 'cancelled') order by finished_at limit $2
) old
where a.tenant_id = old.tenant_id and a.id = old.id
"""


@dataclass(frozen=True, slots=True)
class Opening:
    """What a new action is about; in the order of the columns."""

    id: str
    order_id: str
    connection_id: str
    provider: str
    external_id: str
    number: str
    kind: str
    lines: Sequence[str]
    reason: str
    details: Mapping[str, str]
    status_before: str
    requested_by: str


async def open_action(tx: Tx, one: Opening, now: datetime) -> OrderAction | None:
    """Write a waiting action; None when another one of this order came first."""
    place = (one.id, one.order_id, one.connection_id, one.provider, one.external_id, one.number)
    wish = (one.kind, list(one.lines), one.reason, dict(one.details), one.status_before, one.requested_by)
    rows = await tx.fetch_sql(_OPEN, tx.tenant_id, *place, *wish, now)
    return as_action(rows[0]) if rows else None


async def live_of(tx: Tx, order_ids: Sequence[str]) -> dict[str, OrderAction]:
    """What is being done with these orders, by the order's id."""
    rows = await tx.fetch_sql(_LIVE_OF, tx.tenant_id, list(order_ids))
    return {row["order_id"]: as_action(row) for row in rows}


async def live_count(tx: Tx, *, held: bool = True) -> int:
    """How many actions of the tenant are under way; `held` by a lock, no other begins until the commit."""
    if held:
        await tx.execute_sql("select pg_advisory_xact_lock(hashtextextended($1, 61))", tx.tenant_id)
    return int((await tx.fetch_sql(_COUNT, tx.tenant_id))[0][0])


async def decide(
    tx: Tx, id_: str, states: Sequence[State], to: State, now: datetime, *, code: str | None, message: str | None
) -> OrderAction | None:
    """End an action that is in one of these states, as a person says; None when it is not."""
    rows = await tx.fetch_sql(_DECIDE, tx.tenant_id, id_, list(states), to, now, code, message)
    return as_action(rows[0]) if rows else None


async def retry(tx: Tx, id_: str, states: Sequence[State], lines: Sequence[str]) -> OrderAction | None:
    """Let an action wait again; None when it is in another state, or its order has another action meanwhile."""
    rows = await tx.fetch_sql(_RETRY, tx.tenant_id, id_, list(states), list(lines))
    return as_action(rows[0]) if rows else None


async def unpark(tx: Tx, tenant_id: str, connection_id: str) -> None:
    """Let what waited for the connection's sign-in go on."""
    await tx.execute_sql(_UNPARK, tenant_id, connection_id)


async def end_of(tx: Tx, tenant_id: str, connection_id: str, now: datetime) -> list[OrderAction]:
    """End what waits for a connection that is gone."""
    return [as_action(row) for row in await tx.fetch_sql(_END_OF, tenant_id, connection_id, now)]


async def prune(tx: Tx, before: datetime, limit: int) -> int:
    """Forget at most so many actions that ended before this time, with their items; as the system."""
    return await tx.execute_sql(_PRUNE, before, limit)
