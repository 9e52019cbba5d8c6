"""Statements of the worker that holds an action: taking it, keeping it, writing down what it does."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from isthmus.engine.db import Tx
from isthmus.features.fulfilment.model import DONE, Fault, Item, OrderAction, State
from isthmus.features.fulfilment.store.columns import as_action

_CLAIM: Final = """
update order_actions set
  state = 'sending', fence = fence + 1, owner = $3, lease_until = clock_timestamp() + $4::interval,
  deaths = deaths + (state = 'sending')::int, retry_at = null, changed_at = clock_timestamp()
where tenant_id = $1 and id = $2 and (
  (state = 'waiting' and not parked and (retry_at is null or retry_at <= $5))
  or (state = 'sending' and lease_until < clock_timestamp()))
returning *
"""
_BEAT: Final = """
update order_actions set lease_until = clock_timestamp() + $4::interval
where tenant_id = $1 and id = $2 and fence = $3 and state = 'sending' returning id
"""
_MARK: Final = """
update order_actions set sends = sends + 1, sent_at = $4, changed_at = clock_timestamp()
where tenant_id = $1 and id = $2 and fence = $3 and state = 'sending' returning *
"""
_PUT_OFF: Final = """
update order_actions set
  state = 'waiting', owner = null, lease_until = null, retry_at = $4, parked = $5, attempts = $6, sends = $7,
  sent_at = $8, error_code = $9, error_message = $10, changed_at = clock_timestamp()
where tenant_id = $1 and id = $2 and fence = $3 and state = 'sending' returning id
"""
_FINISH: Final = """
update order_actions set
  state = $4::text, owner = null, lease_until = null, retry_at = null, parked = false, forced = false, sends = $5,
  sent_at = $6, error_code = $7, error_message = $8, done = $9, failed = $10,
  status_after = $11, finished_at = case when $4::text = 'unsure' then null else $12::timestamptz end,
  changed_at = clock_timestamp()
where tenant_id = $1 and id = $2 and fence = $3 and state = 'sending' returning *
"""
_DROP_ITEMS: Final = "delete from order_action_items where tenant_id = $1 and action_id = $2"
_ADD_ITEMS: Final = """
insert into order_action_items (tenant_id, action_id, external_id, result, code, reason)
select $1, $2, i.external_id, i.result, i.code, i.reason
from unnest($3::text[], $4::text[], $5::text[], $6::text[]) as i (external_id, result, code, reason)
"""
#: The first free places go round the tenants, so that nobody's thousand actions stand before another one's (RL-04).
_STALLED: Final = """
select tenant_id, id from (
  select tenant_id, id, row_number() over (partition by tenant_id order by changed_at) as turn
  from order_actions
  where state in ('waiting', 'sending') and not parked
    and (lease_until is null or lease_until < clock_timestamp())
    and (retry_at is null or retry_at <= clock_timestamp())
    and changed_at < clock_timestamp() - $1::interval
) as stalled
order by turn limit $2
"""


async def claim(tx: Tx, id_: str, owner: str, lease: timedelta, now: datetime) -> OrderAction | None:
    """Take an action that is due and that nobody holds; None when there is nothing to do."""
    rows = await tx.fetch_sql(_CLAIM, tx.tenant_id, id_, owner, lease, now)
    return as_action(rows[0]) if rows else None


async def beat(tx: Tx, action: OrderAction, lease: timedelta) -> bool:
    """Prolong the lease; False when the action is not ours any more."""
    return bool(await tx.fetch_sql(_BEAT, tx.tenant_id, action.id, action.fence, lease))


async def mark(tx: Tx, action: OrderAction, now: datetime) -> OrderAction | None:
    """Note that a request is about to leave; None when the action is not ours any more."""
    rows = await tx.fetch_sql(_MARK, tx.tenant_id, action.id, action.fence, now)
    return as_action(rows[0]) if rows else None


async def put_off(
    tx: Tx, action: OrderAction, fault: Fault | None, retry_at: datetime | None, *, parked: bool = False
) -> bool:
    """Give the action back, to be taken again at `retry_at`; its attempts, sends and doubt are written as they are."""
    told = (fault.code, fault.message) if fault else (None, None)
    doubt = (action.attempts, action.sends, action.sent_at)
    mine = (tx.tenant_id, action.id, action.fence)
    return bool(await tx.fetch_sql(_PUT_OFF, *mine, retry_at, parked, *doubt, *told))


async def finish(
    tx: Tx, action: OrderAction, state: State, items: Sequence[Item], fault: Fault | None, now: datetime
) -> OrderAction | None:
    """End the action with the outcomes of its lines; None when it is not ours any more."""
    told = (fault.code, fault.message) if fault else (None, None)
    done = sum(one.result == DONE for one in items)
    mine = (tx.tenant_id, action.id, action.fence)
    doubt = (action.sends, action.sent_at)
    counts = (done, len(items) - done, action.status_after, now)
    rows = await tx.fetch_sql(_FINISH, *mine, state, *doubt, *told, *counts)
    if not rows:
        return None
    await tx.execute_sql(_DROP_ITEMS, tx.tenant_id, action.id)
    if items:
        columns = [[getattr(one, name) for one in items] for name in ("external_id", "result", "code", "reason")]
        await tx.execute_sql(_ADD_ITEMS, tx.tenant_id, action.id, *columns)
    return as_action(rows[0])


async def stalled(tx: Tx, quiet: timedelta, limit: int) -> list[tuple[str, str]]:
    """Tenant and id of actions that are due and that nobody holds; across tenants, so for the system alone."""
    return [(row["tenant_id"], row["id"]) for row in await tx.fetch_sql(_STALLED, quiet, limit)]
