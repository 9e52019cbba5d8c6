"""The statements of the delivery path, as the system: leases, what is due, what was done. All are set-based."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

import asyncpg
import msgspec

from isthmus.engine.bus import named
from isthmus.engine.db import Tx, joined, joined_or_null

_PRESENT = """
with me as (
  insert into webhook_workers (owner, until) values ($1, clock_timestamp() + $2)
  on conflict (owner) do update set until = excluded.until
), gone as (
  delete from webhook_workers where until < clock_timestamp() - interval '1 hour'
)
select count(*) + 1 as workers from webhook_workers where owner <> $1 and until > clock_timestamp()
"""
_RENEW = """
update webhook_shards set until = case when shard = any($3::smallint[]) then '-infinity' else clock_timestamp() + $2 end
where owner = $1 and until > clock_timestamp()
returning shard, epoch
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
_FENCE = """
select shard, epoch from webhook_shards
where owner = $1 and until > clock_timestamp() and shard = any($2::smallint[]) order by shard for share
"""
# Due rows are never changed in place, so that their physical places find them without a walk over dead rows; where a
# table was rewritten meanwhile, the row that stays counts for nothing and is taken out when it is met. Texts come
# joined, which is cheaper.
_SETTLE = """
with given as materialized (
  select g.tenant_id, g.id, g.endpoint_id, g.state, g.attempts, g.next_at, g.status, g.error, g.shard, g.number,
    g.attempt_id, g.started, g.url, g.address, g.signed_at, g.signature, g.names, g.answered, g.response, g.took,
    g.until, g.trigger
  from unnest(string_to_array($1, chr(31)), string_to_array($2, chr(31)), string_to_array($3, chr(31)),
    string_to_array($4, chr(31)), $5::int[], $6::timestamptz[], $7::int[], string_to_array($8, chr(31), chr(30)),
    $9::smallint[], $10::bigint[], string_to_array($11, chr(31)), $12::timestamptz[], string_to_array($13, chr(31)),
    string_to_array($14, chr(31), chr(30)), $15::bigint[], string_to_array($16, chr(31)),
    string_to_array($17, chr(31), chr(30))::jsonb[], string_to_array($18, chr(31), chr(30))::jsonb[], $19::bytea[],
    $20::int[], $21::date[], string_to_array($24, chr(31)))
    as g (tenant_id, id, endpoint_id, state, attempts, next_at, status, error, shard, number, attempt_id, started, url,
      address, signed_at, signature, names, answered, response, took, until, trigger)
), taken as (
  delete from webhook_due where ctid = any($22::tid[]) and number = any($10)
), kept as (
  insert into webhook_attempts (tenant_id, delivery_id, id, until, trigger, at, url, address, signed_at, signature,
    header_names, status, response_headers, response, duration_ms, error)
  select tenant_id, id, attempt_id, until, trigger, started, url, address, signed_at, signature, names, status,
    answered, response, took, error from given
  on conflict do nothing
), settled as (
  update webhook_deliveries d set state = g.state, attempts = g.attempts, next_at = g.next_at, last_status = g.status,
    last_error = g.error, done_at = case when g.state <> 'pending' then $23::timestamptz end
  from given g where d.tenant_id = g.tenant_id and d.id = g.id
)
insert into webhook_due (shard, at, number, tenant_id, endpoint_id, delivery_id, attempts)
select shard, next_at, number, tenant_id, endpoint_id, id, attempts from given where next_at is not null
on conflict do nothing
"""
#: What is written for the first time has ids that nobody else has: asking for each of them costs a good deal.
_SETTLE_FRESH = _SETTLE.replace("from given\n  on conflict do nothing", "from given", 1)
_BURY = """
update webhook_deliveries d set state = 'dead', last_error = 'event_forgotten', next_at = null, done_at = $3
from unnest($1::text[], $2::text[]) as g (tenant_id, id)
where d.tenant_id = g.tenant_id and d.id = g.id and d.state = 'pending'
  and not exists (select from events e where e.tenant_id = d.tenant_id and e.id = d.event_id)
"""
_TAKE_OUT = "delete from webhook_due where ctid = any($1::tid[]) and number = any($2::bigint[])"
_FARE = """
update webhook_endpoints p set
  failures = case when g.good > 0 then g.streak else p.failures + g.bad end,
  first_failure_at = case when g.good = 0 then coalesce(p.first_failure_at, $8)
                          when g.streak > 0 then $8 end,
  last_failure_at = case when g.bad > 0 then $8 else p.last_failure_at end,
  last_success_at = case when g.good > 0 then $8 else p.last_success_at end,
  last_error = case when g.bad > 0 then g.error else p.last_error end,
  latency_ms = case when g.good = 0 then p.latency_ms when p.delivered = 0 then g.took
                    else p.latency_ms * 0.8 + g.took * 0.2 end,
  delivered = p.delivered + g.good, failed = p.failed + g.bad
from unnest($1::text[], $2::text[], $3::int[], $4::int[], $5::int[], $6::float8[], $7::text[])
  as g (tenant_id, id, good, bad, streak, took, error)
where p.tenant_id = g.tenant_id and p.id = g.id
returning p.tenant_id, p.id, p.url, p.state, p.health, p.failures, p.first_failure_at, p.last_failure_at, p.ordered,
  p.parked_at
"""
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


_ENCODER = msgspec.json.Encoder()


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


@dataclass(slots=True, kw_only=True)
class Done:
    """What became of one delivery by one attempt; `until` is the day on which the attempt is forgotten."""

    due: Due
    epoch: int
    started: datetime
    url: str
    address: str | None
    signed_at: int
    signature: str
    names: Sequence[str] | None
    status: int | None
    answered: Mapping[str, str] | None
    response: bytes | None
    took_ms: int | None
    error: str | None
    state: str
    attempts: int
    next_at: datetime | None
    until: date
    trigger: str
    #: Given when it is written first, and kept when that has to be done again.
    attempt_id: str = ""

    @property
    def good(self) -> bool:
        """Whether it was delivered."""
        return self.state == "delivered"


async def lease(
    tx: Tx, owner: str, length: timedelta, let_go: Collection[int], shards: int
) -> tuple[dict[int, int], int]:
    """Renew what is held without what is let go, and take up to a fair share: shard -> epoch, and that share."""
    workers = (await tx.fetch_sql(_PRESENT, owner, length))[0]["workers"]
    share = -(-shards // workers)
    held = {row["shard"]: row["epoch"] for row in await tx.fetch_sql(_RENEW, owner, length, list(let_go))}
    for shard in let_go:
        held.pop(shard, None)
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


async def fence(tx: Tx, owner: str, shards: Collection[int]) -> dict[int, int]:
    """Which of these this owner holds, and goes on holding until this transaction ends."""
    return {row["shard"]: row["epoch"] for row in await tx.fetch_sql(_FENCE, owner, sorted(shards))}


async def settle(tx: Tx, done: Sequence[Done], at: datetime, *, again: bool = False) -> list[asyncpg.Record]:
    """Write what was done; how the endpoints fare now. again: some of it may have been written before."""
    dues = [one.due for one in done]
    await tx.execute_sql(
        _SETTLE if again else _SETTLE_FRESH,
        joined([one.tenant_id for one in dues]),
        joined([one.delivery_id for one in dues]),
        joined([one.endpoint_id for one in dues]),
        joined([one.state for one in done]),
        [one.attempts for one in done],
        [one.next_at for one in done],
        [one.status for one in done],
        joined_or_null([one.error for one in done]),
        [one.shard for one in dues],
        [one.number for one in dues],
        joined([one.attempt_id for one in done]),
        [one.started for one in done],
        joined([one.url for one in done]),
        joined_or_null([one.address for one in done]),
        [one.signed_at for one in done],
        joined([one.signature for one in done]),
        joined_or_null([_json(one.names) for one in done]),
        joined_or_null([_json(one.answered) for one in done]),
        [one.response for one in done],
        [one.took_ms for one in done],
        [one.until for one in done],
        [one.place for one in dues],
        at,
        joined([one.trigger for one in done]),
    )
    return await _fare(tx, done, at)


def _json(value: object) -> str | None:
    return None if value is None else _ENCODER.encode(value).decode()


async def take_out(tx: Tx, dues: Sequence[Due]) -> None:
    """Remove due rows."""
    await tx.execute_sql(_TAKE_OUT, [one.place for one in dues], [one.number for one in dues])


async def bury(tx: Tx, dues: Sequence[Due], at: datetime) -> None:
    """End deliveries whose events are no longer in the log: there is nothing left to send."""
    await tx.execute_sql(_BURY, [one.tenant_id for one in dues], [one.delivery_id for one in dues], at)


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


async def _fare(tx: Tx, done: Sequence[Done], at: datetime) -> list[asyncpg.Record]:
    sums: dict[tuple[str, str], list[Any]] = {}
    for one in done:
        row = sums.setdefault((one.due.tenant_id, one.due.endpoint_id), [0, 0, 0, 0.0, None])
        if one.good:
            row[0], row[2], row[3] = row[0] + 1, 0, row[3] + (one.took_ms or 0)
        else:
            row[1], row[2], row[4] = row[1] + 1, row[2] + 1, one.error or str(one.status)
    names = sorted(sums)
    columns = [[sums[name][place] for name in names] for place in range(5)]
    columns[3] = [total / max(1, good) for total, good in zip(columns[3], columns[0], strict=True)]
    return await tx.fetch_sql(_FARE, [name[0] for name in names], [name[1] for name in names], *columns, at)


@dataclass(frozen=True, slots=True)
class Standing:
    """How an endpoint is to stand."""

    health: str
    state: str
    reason: str | None
    parked_at: datetime | None


async def update_health(tx: Tx, endpoint_id: str, before: str, wanted: Standing) -> bool:
    """Change how a tenant's endpoint stands, unless somebody else did."""
    return bool(
        await tx.execute_sql(
            """
            update webhook_endpoints
            set health = $4, state = $5, state_reason = $6, parked_at = $7, version = version + 1
            where tenant_id = $1 and id = $2 and health = $3 and state = 'active'
            """,
            tx.tenant_id,
            endpoint_id,
            before,
            wanted.health,
            wanted.state,
            wanted.reason,
            wanted.parked_at,
        )
    )
