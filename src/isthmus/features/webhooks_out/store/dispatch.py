"""The statements of the delivery path, as the system: leases, and what is due. All are set-based."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from isthmus.engine.bus import named
from isthmus.engine.db import Tx

_RENEW = """
with me as (
  insert into webhook_workers (owner, until) values ($1, clock_timestamp() + $2)
  on conflict (owner) do update set until = excluded.until
), gone as (
  delete from webhook_workers where until < clock_timestamp() - interval '1 hour'
), renewed as (
  update webhook_shards
  set until = case when shard = any($3::smallint[]) then '-infinity' else clock_timestamp() + $2 end
  where owner = $1 and until > clock_timestamp()
  returning shard, epoch
)
select w.workers, r.shard, r.epoch
from (
  select count(*) + 1 as workers from webhook_workers where owner <> $1 and until > clock_timestamp()) w
left join renewed r on true
"""
_CLAIM = """
with free as (
  select shard from webhook_shards where until <= clock_timestamp() order by shard for update skip locked limit $3
)
update webhook_shards s set owner = $1, epoch = epoch + 1, until = clock_timestamp() + $2 from free
where s.shard = free.shard returning s.shard, s.epoch
"""
_RELEASE = """
with gone as (delete from webhook_workers where owner = $1)
update webhook_shards set until = '-infinity' where owner = $1
"""
_DUE = """
select d.shard, d.at, d.number, d.tenant_id, d.endpoint_id, d.delivery_id, d.attempts, d.ctid
from unnest($1::smallint[]) as mine (shard)
cross join lateral (
  select w.shard, w.at, w.number, w.tenant_id, w.endpoint_id, w.delivery_id, w.attempts, w.ctid from webhook_due w
  where w.shard = mine.shard and w.at >= $2 and w.at <= $3 and w.number <> all($4::bigint[])
    and w.endpoint_id <> all($6::text[])
  order by w.at, w.number limit $5
) d
order by d.at, d.number limit $5
"""
_NEXT = """
select min(d.at) as at from unnest($1::smallint[]) as mine (shard)
cross join lateral (select w.at from webhook_due w where w.shard = mine.shard and w.at > $2 order by w.at limit 1) d
"""
_LOAD = """
select d.tenant_id, d.event_id, d.number, d.state, d.next_at, d.attempts, d.trigger, p.state as endpoint_state,
  p.health, p.ordered, p.head, p.version, p.failures
from unnest($1::text[], $2::text[]) as g (tenant_id, id)
join webhook_deliveries d on d.tenant_id = g.tenant_id and d.id = g.id
join webhook_endpoints p on p.tenant_id = d.tenant_id and p.id = d.endpoint_id
"""
_BURY = """
update webhook_deliveries d set state = 'dead', last_error = 'event_forgotten', next_at = null, done_at = $3
from unnest($1::text[], $2::text[]) as g (tenant_id, id)
where d.tenant_id = g.tenant_id and d.id = g.id and d.state = 'pending'
  and not exists (select from events e where e.tenant_id = d.tenant_id and e.id = d.event_id)
"""
_FORBID = """
update webhook_deliveries d set state = 'dead', last_error = 'records_forbidden', next_at = null, done_at = $3
from unnest($1::text[], $2::text[]) as g (tenant_id, id)
where d.tenant_id = g.tenant_id and d.id = g.id and d.state = 'pending'
"""
_TAKE_OUT = "delete from webhook_due where ctid = any($1::tid[]) and number = any($2::bigint[])"
_POSTPONE = """
with given as (
  select g.shard, g.number, g.tenant_id, g.endpoint_id, g.id, g.attempts, g.at
  from unnest($1::smallint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::int[], $7::timestamptz[])
    as g (shard, number, tenant_id, endpoint_id, id, attempts, at)
), later as (
  update webhook_deliveries d set next_at = g.at from given g
  where d.tenant_id = g.tenant_id and d.id = g.id and d.state = 'pending' returning d.number
)
insert into webhook_due (shard, at, number, tenant_id, endpoint_id, delivery_id, attempts)
select g.shard, g.at, g.number, g.tenant_id, g.endpoint_id, g.id, g.attempts from given g
where g.at is not null and g.number in (select number from later)
on conflict do nothing
"""


class Due(NamedTuple):
    """A row of the due table, and where it lies."""

    shard: int
    at: datetime
    number: int
    tenant_id: str
    endpoint_id: str
    delivery_id: str
    attempts: int
    place: tuple[int, int]


async def lease(
    tx: Tx, owner: str, length: timedelta, let_go: Collection[int], shards: int
) -> tuple[dict[int, int], int]:
    """Renew what is held without what is let go, and take up to a fair share: shard -> epoch, and that share."""
    renewed = await tx.fetch_sql(_RENEW, owner, length, list(let_go))
    share = -(-shards // renewed[0]["workers"])
    held = {row["shard"]: row["epoch"] for row in renewed if row["shard"] is not None and row["shard"] not in let_go}
    if len(held) < share:
        rows = await tx.fetch_sql(_CLAIM, owner, length, share - len(held))
        held.update({row["shard"]: row["epoch"] for row in rows})
    return held, share


async def release(tx: Tx, owner: str) -> None:
    """Let go of everything, so that another worker need not wait."""
    await tx.execute_sql(_RELEASE, owner)


@dataclass(frozen=True, slots=True)
class Window:
    """What to look for: since when and until when, without these deliveries and these endpoints, and how many."""

    low: datetime
    now: datetime
    held: Collection[int]
    full: Collection[str]
    limit: int


async def due(tx: Tx, shards: Collection[int], window: Window) -> list[Due]:
    """What is due in these shards, oldest first."""
    rows = await tx.fetch_sql(
        _DUE, list(shards), window.low, window.now, list(window.held), window.limit, list(window.full)
    )
    return [Due(*row) for row in rows]


async def next_due(tx: Tx, shards: Collection[int], now: datetime) -> datetime | None:
    """When the next delivery becomes due."""
    at: datetime | None = (await tx.fetch_sql(_NEXT, list(shards), now))[0]["at"]
    return at


async def load(tx: Tx, rows: Sequence[Due]) -> Mapping[int, Mapping[str, Any]]:
    """What stands behind due rows, by number: delivery, event and how the endpoint stands; none without its event."""
    found = await tx.fetch_sql(_LOAD, [one.tenant_id for one in rows], [one.delivery_id for one in rows])
    events = await named(tx, {(row["tenant_id"], row["event_id"]) for row in found})
    told = ((row, events.get((row["tenant_id"], row["event_id"]))) for row in found)
    return {row["number"]: {**row, **event} for row, event in told if event is not None}


async def take_out(tx: Tx, dues: Sequence[Due]) -> None:
    """Remove due rows."""
    await tx.execute_sql(_TAKE_OUT, [one.place for one in dues], [one.number for one in dues])


async def bury(tx: Tx, dues: Sequence[Due], at: datetime) -> None:
    """End deliveries whose events are no longer in the log: there is nothing left to send."""
    await tx.execute_sql(_BURY, [one.tenant_id for one in dues], [one.delivery_id for one in dues], at)


async def forbid(tx: Tx, dues: Sequence[Due], at: datetime) -> None:
    """End deliveries about records that their tenant may not read any more."""
    await tx.execute_sql(_FORBID, [one.tenant_id for one in dues], [one.delivery_id for one in dues], at)


async def keep_days(tx: Tx, first: date, last: date) -> int:
    """Make the days of the attempts up to the last one, and drop those before the first; how many changed."""
    return int((await tx.fetch_sql("select webhook_days.keep($1, $2) as changed", first, last))[0]["changed"])


async def postpone(tx: Tx, dues: Sequence[tuple[Due, datetime | None]]) -> None:
    """Plan due rows for another time; None: not at all."""
    await take_out(tx, [one for one, _ in dues])
    await tx.execute_sql(
        _POSTPONE,
        [one.shard for one, _ in dues],
        [one.number for one, _ in dues],
        [one.tenant_id for one, _ in dues],
        [one.endpoint_id for one, _ in dues],
        [one.delivery_id for one, _ in dues],
        [one.attempts for one, _ in dues],
        [at for _, at in dues],
    )
