"""Statements over tasks: what each handler has to do with each delivery, and how it went."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import asyncpg

from isthmus.engine.db import Tx
from isthmus.features.webhooks_in.model.handling import Task

_ADD = """
insert into webhook_tasks (tenant_id, delivery_id, handler, key, priority, lane, gated, state, next_at, reason)
select g.tenant_id, g.delivery_id, g.handler, g.key, g.priority, g.lane, g.gated, 'waiting', $9, g.reason
from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::integer[], $6::text[], $7::boolean[], $8::text[])
  as g (tenant_id, delivery_id, handler, key, priority, lane, gated, reason)
on conflict (tenant_id, delivery_id, handler) do update
  set key = excluded.key, priority = excluded.priority, lane = excluded.lane, gated = excluded.gated,
      state = 'waiting', next_at = excluded.next_at, attempts = 0, reason = excluded.reason, done_at = null
  where webhook_tasks.state <> 'handling'
"""
# Of a lane as many are taken as stand at its front without a gap: what is handled, waits for its time or cannot be had
# holds all behind it back. What is replayed stands in a lane beside its own: behind all that is open there, while in
# neither lane anything is begun beside what is under way in the other. A gated one waits for the first attempts of the
# others. With them comes the first that was due and could not be had. By its place a row is found without a walk down
# the key; one that was written anew since the statement began is left to the next look.
_CLAIM = """
with near as materialized (
  select w.ctid as place, w.delivery_id, w.lane from webhook_tasks w
  where w.tenant_id = $1 and w.key = $2 and w.delivery_id >= $7
    and w.state = $6 and w.state in ('waiting', 'handling') and w.next_at <= $3
    and not exists (select from webhook_halts where tenant_id = $1)
    and (w.lane is null or not exists (
      select from webhook_tasks e
      where e.tenant_id = $1 and e.key = w.key and e.lane = w.lane and e.delivery_id < w.delivery_id
        and e.state in ('waiting', 'handling') and (e.state = 'handling' or e.next_at > $3))
      and not exists (
      select from webhook_tasks b
      where b.tenant_id = $1 and b.key = w.key and b.state in ('waiting', 'handling')
        and b.lane = case when w.lane like '~%' then substr(w.lane, 2) else '~' || w.lane end
        and (b.state = 'handling' or w.lane like '~%' and w.state = 'waiting')))
    and (not w.gated or not exists (
      select from webhook_tasks s
      where s.tenant_id = $1 and s.delivery_id = w.delivery_id and s.priority < w.priority
        and s.reason is null and (s.state = 'waiting' and s.attempts = 0 or s.state = 'handling' and s.attempts = 1)))
  order by w.delivery_id limit $5 for update skip locked
), due as materialized (
  select n.place, n.delivery_id from near n
  where n.lane is null or not exists (
    select from webhook_tasks e
    where e.tenant_id = $1 and e.key = $2 and e.lane = n.lane and e.delivery_id < n.delivery_id
      and e.state in ('waiting', 'handling') and e.delivery_id not in (select delivery_id from near))
), taken as (
  update webhook_tasks t set state = 'handling', attempts = t.attempts + 1, next_at = $4 from due
  where t.tenant_id = $1 and t.ctid = due.place
  returning t.delivery_id, t.handler, t.key, t.attempts, t.lane, t.reason
)
select delivery_id, handler, key, attempts, lane, reason, (
  select min(p.delivery_id) from webhook_tasks p
  where p.tenant_id = $1 and p.key = $2 and p.delivery_id >= $7 and p.delivery_id < (select max(delivery_id) from due)
    and p.state = 'waiting' and p.state in ('waiting', 'handling') and p.next_at <= $3
    and p.delivery_id not in (select delivery_id from due)) as passed
from taken
"""
# From a mark on: the times are hidden from the planner, because by their index it would walk over what every tenant has
# ended.
_CLAIM_ON = _CLAIM.replace("w.next_at <= $3", "w.next_at + interval '0' <= $3").replace(
    "p.next_at <= $3", "p.next_at + interval '0' <= $3"
)
_PRESSED = """
select exists (
  select from webhook_tasks
  where tenant_id = $1 and key = $2 and lane = any($3::text[]) and next_at <= $4
    and state = 'waiting' and state in ('waiting', 'handling')
) as pressed
"""
# The deliveries are locked first, so that of two that end tasks of one the later sees what the other has settled. The
# number of the attempt is the fence: a worker that was believed dead ends nothing.
_FINISH = """
with held as materialized (
  select id from webhook_inbox where tenant_id = $1 and id = any($12::text[]) order by id for update
)
update webhook_tasks t set state = g.state, attempts = t.attempts - g.free, next_at = g.next_at, reason = g.reason,
  run_id = coalesce(g.run_id, t.run_id), result = coalesce(g.result, t.result), done_at = g.done_at
from unnest($2::text[], $3::text[], $4::integer[], $5::text[], $6::integer[], $7::timestamptz[], $8::text[],
            $9::text[], $10::jsonb[], $11::timestamptz[])
  as g (delivery_id, handler, attempt, state, free, next_at, reason, run_id, result, done_at)
where (select count(*) from held) >= 0 and t.tenant_id = $1 and t.delivery_id = g.delivery_id
  and t.handler = g.handler and t.state = 'handling' and t.attempts = g.attempt
returning t.delivery_id, t.handler
"""
_SETTLE = """
update webhook_inbox i set state = s.state, attempts = s.attempts, next_at = s.next_at, reason = s.reason,
  run_id = coalesce(s.run_id, i.run_id), done_at = case when s.state <> 'waiting' then $3::timestamptz end
from (
  select delivery_id, max(attempts) as attempts, max(run_id) as run_id,
    min(next_at) filter (where state in ('waiting', 'handling')) as next_at,
    (array_agg(reason order by (state = 'dead') desc, (state = 'waiting') desc, handler)
      filter (where reason is not null))[1] as reason,
    case when bool_or(state in ('waiting', 'handling')) then 'waiting' when bool_or(state = 'dead') then 'dead'
      when bool_or(state = 'done') then 'done' else 'ignored' end as state
  from webhook_tasks where tenant_id = $1 and delivery_id = any($2::text[]) group by delivery_id
) as s
where i.tenant_id = $1 and i.id = s.delivery_id and i.id = any($2::text[])
"""
# Where they stand now, and the keys of the workers whose turn may have come with that.
_SETTLE_AND_OPEN = """
with settled as (<settle>)
select distinct key from webhook_tasks
where tenant_id = $1 and delivery_id = any($2::text[]) and gated and state = 'waiting' and next_at <= $3
""".replace("<settle>", _SETTLE)
# Those that were planned last up to a delivery, by the primary key.
_UNTRIED = """
select count(*) as n from (
  select state, attempts, reason from webhook_tasks where tenant_id = $1 and delivery_id <= $2
  order by delivery_id desc limit $3
) newest
where state = 'waiting' and attempts = 0 and reason is null or state = 'handling' and attempts = 1
"""
_OF = """
select handler, state, attempts, next_at, reason, run_id, result, done_at, priority from webhook_tasks
where tenant_id = $1 and delivery_id = $2 order by priority, handler
"""
_AGAIN = """
update webhook_tasks set state = 'waiting', attempts = 0, next_at = $3, reason = null, done_at = null
where tenant_id = $1 and delivery_id = $2 and state in ('dead', 'waiting') and ($4::text is null or handler = $4)
returning key
"""
# Sources whose router was never woken, or died, and workers with something to do: one look for both. What waits for a
# function that nobody has is no worker's; it has a wake-up in the queue, or gets one when somebody has the function.
_DUE = """
select true as routes, tenant_id, source_id as key, false as retired from (
  select tenant_id, source_id from webhook_mail
  where (wanted > seen or since is not null) and last_at < $1 limit $3
) forgotten
union all
select false, tenant_id, key, retired from (
  select t.tenant_id, t.key, f.retired_at is not null as retired
  from webhook_tasks t left join webhook_functions f on f.tenant_id = t.tenant_id and f.name = t.handler
  where t.state in ('waiting', 'handling') and t.next_at <= $2
    and t.tenant_id not in (select tenant_id from webhook_halts) and (f.missed_at is null or f.retired_at is not null)
  group by 1, 2, 3 limit $3
) due
"""
_LEFT = """
select delivery_id from webhook_tasks
where tenant_id = $1 and handler = $2 and state in ('waiting', 'handling') and reason is null
  and (state = 'waiting' and attempts = 0 or state = 'handling' and next_at <= $3)
order by delivery_id limit $4
"""
_LEAVE = """
with held as materialized (
  select id from webhook_inbox where tenant_id = $1 and id = any($2::text[]) order by id for update
)
update webhook_tasks set reason = $4
where (select count(*) from held) >= 0 and tenant_id = $1 and delivery_id = any($2::text[]) and handler = $3
  and reason is null and (state = 'waiting' and attempts = 0 or state = 'handling' and next_at <= $5)
"""
_KEYS_OF = """
select distinct key from webhook_tasks where tenant_id = $1 and handler = $2 and state in ('waiting', 'handling')
"""
_HALT = "insert into webhook_halts (tenant_id, since) values ($1, $2) on conflict do nothing"
_LET_GO = "delete from webhook_halts where tenant_id = $1"


@dataclass(frozen=True, slots=True)
class Ended:
    """How an attempt ended; `free` is 1 where it does not count."""

    delivery_id: str
    handler: str
    attempt: int
    state: str
    free: int
    next_at: datetime | None
    reason: str | None
    run_id: str | None
    result: Mapping[str, Any] | None
    done_at: datetime | None


async def add(tx: Tx, owned: Sequence[tuple[str, Task]], now: datetime) -> None:
    """Write tasks of tenants down; one that is there already begins anew, unless it is being handled."""
    names = ("delivery_id", "handler", "key", "priority", "lane", "gated", "reason")
    columns = ([getattr(one, name) for _, one in owned] for name in names)
    await tx.execute_sql(_ADD, [tenant_id for tenant_id, _ in owned], *columns, now)


async def claim(
    tx: Tx, owner: tuple[str, str], span: tuple[datetime, timedelta], *, limit: int, dropped: bool, since: str = ""
) -> list[asyncpg.Record]:
    """Take what is due for a (tenant, key) from this delivery on, in the order in which it came.

    dropped: those that another worker has held for too long. `span` is now and for how long they are held. `passed`
    of each is the first before the last of them that is due as well and could not be had.
    """
    now, lease = span
    state = "handling" if dropped else "waiting"
    rows = await tx.fetch_sql(_CLAIM_ON if since else _CLAIM, *owner, now, now + lease, limit, state, since)
    return sorted(rows, key=lambda row: str(row["delivery_id"]))


async def pressed(tx: Tx, owner: tuple[str, str], lanes: Sequence[str], now: datetime) -> bool:
    """Whether anything in these lanes of a (tenant, key) could begin."""
    return bool((await tx.fetch_sql(_PRESSED, *owner, list(lanes), now))[0]["pressed"])


async def finish(
    tx: Tx, tenant_id: str, ended: Sequence[Ended], now: datetime
) -> tuple[set[tuple[str, str]], list[str]]:
    """Write down how attempts ended, and where their deliveries stand now.

    Answers what was still theirs to end, and the keys of the workers whose turn may have come with that.
    """
    ids = sorted({one.delivery_id for one in ended})
    columns = [[getattr(one, name) for one in ended] for name in Ended.__slots__]
    rows = await tx.fetch_sql(_FINISH, tenant_id, *columns, ids)
    opened = await tx.fetch_sql(_SETTLE_AND_OPEN, tenant_id, ids, now)
    return {(row["delivery_id"], row["handler"]) for row in rows}, [row["key"] for row in opened]


async def untried(tx: Tx, tenant_id: str, delivery_id: str, among: int) -> int:
    """How many of the last so many tasks, up to those of this delivery, wait for the end of their first attempt."""
    return int((await tx.fetch_sql(_UNTRIED, tenant_id, delivery_id, among))[0]["n"])


async def of(tx: Tx, tenant_id: str, delivery_id: str) -> list[asyncpg.Record]:
    """The tasks of one delivery, in the order in which they begin."""
    return await tx.fetch_sql(_OF, tenant_id, delivery_id)


async def again(tx: Tx, tenant_id: str, delivery_id: str, now: datetime, handler: str | None) -> list[str]:
    """Begin what failed anew, of all handlers or of one; the keys of their workers."""
    rows = await tx.fetch_sql(_AGAIN, tenant_id, delivery_id, now, handler)
    await tx.execute_sql(_SETTLE, tenant_id, [delivery_id], now)
    return [row["key"] for row in rows]


async def halt(tx: Tx, tenant_id: str, now: datetime) -> None:
    """Let a tenant's tasks wait; as the system."""
    await tx.execute_sql(_HALT, tenant_id, now)


async def let_go(tx: Tx, tenant_id: str) -> None:
    """Let a tenant's tasks go on; as the system."""
    await tx.execute_sql(_LET_GO, tenant_id)


async def due(
    tx: Tx, quiet_since: datetime, now: datetime, limit: int
) -> tuple[list[tuple[str, str]], list[tuple[str, str, bool]]]:
    """Sources that were forgotten, as (tenant, source); workers with something to do, as (tenant, key, for nobody).

    The last says that it is a function's that was retired. Those of halted tenants are left out; as the system.
    """
    rows = await tx.fetch_sql(_DUE, quiet_since, now, limit)
    forgotten = [(row["tenant_id"], row["key"]) for row in rows if row["routes"]]
    return forgotten, [(row["tenant_id"], row["key"], row["retired"]) for row in rows if not row["routes"]]


async def leave(tx: Tx, tenant_id: str, handler: str, reason: str, span: tuple[datetime, int]) -> tuple[int, list[str]]:
    """Say of some tasks that nobody takes up why that is, so that they hold no other handler back.

    span: now, and how many at most. Answers how many there were, and the keys of the workers whose turn may have come.
    """
    now, limit = span
    ids = [row["delivery_id"] for row in await tx.fetch_sql(_LEFT, tenant_id, handler, now, limit)]
    if not ids:
        return 0, []
    await tx.execute_sql(_LEAVE, tenant_id, ids, handler, reason, now)
    return len(ids), [row["key"] for row in await tx.fetch_sql(_SETTLE_AND_OPEN, tenant_id, ids, now)]


async def keys_of(tx: Tx, tenant_id: str, handler: str) -> list[str]:
    """The keys of the workers that have something of a handler's to do."""
    return [row["key"] for row in await tx.fetch_sql(_KEYS_OF, tenant_id, handler)]
