"""How what was done is written, as the system: behind the fence of the shards' leases, and set by set."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import asyncpg
import msgspec

from isthmus.engine.db import Tx, joined, joined_or_null
from isthmus.features.webhooks_out.store.dispatch import Due

_FENCE = """
select shard, epoch from webhook_shards
where owner = $1 and until > clock_timestamp() and shard = any(array(select unnest($2::smallint[])))
order by shard for share
"""
# Parameters that stand in a subquery are not looked at when a plan is made: so one plan serves every batch.
_FARE = """
with fence as materialized (
  select count(*) = cardinality($10::smallint[]) as holds from (
    select shard, epoch from webhook_shards
    where owner = $9 and until > clock_timestamp() and shard = any(array(select unnest($10::smallint[])))
    order by shard for share) held
  join unnest($10::smallint[], $11::bigint[]) as g (shard, epoch) on g.shard = held.shard and g.epoch = held.epoch
), fared as (
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
  from unnest((select $1::text[]), (select $2::text[]), $3::int[], $4::int[], $5::int[], $6::float8[], $7::text[])
    as g (tenant_id, id, good, bad, streak, took, error)
  where p.tenant_id = g.tenant_id and p.id = g.id and (select holds from fence)
  returning p.tenant_id, p.id, p.url, p.state, p.health, p.failures, p.first_failure_at, p.last_failure_at, p.ordered,
    p.parked_at
)
select fence.holds, fared.* from fence left join fared on true
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
# The same for what ended alike, which most does: what all of them share is sent once, and nothing is planned.
_SETTLE_ALIKE = """
with given as materialized (
  select g.tenant_id, g.id, g.attempt_id, g.started, g.url, g.address, g.signed_at, g.signature, g.took
  from unnest(string_to_array($1, chr(31)), string_to_array($2, chr(31)), string_to_array($3, chr(31)),
    $4::timestamptz[], string_to_array($5, chr(31)), string_to_array($6, chr(31), chr(30)), $7::bigint[],
    string_to_array($8, chr(31)), $9::int[])
    as g (tenant_id, id, attempt_id, started, url, address, signed_at, signature, took)
), taken as (
  delete from webhook_due where ctid = any($10::tid[]) and number = any($11::bigint[])
), kept as (
  insert into webhook_attempts (tenant_id, delivery_id, id, until, trigger, at, url, address, signed_at, signature,
    header_names, status, response_headers, response, duration_ms, error)
  select tenant_id, id, attempt_id, $20::date, $21, started, url, address, signed_at, signature, $17::jsonb, $15::int,
    $18::jsonb, $19::bytea, took, $16 from given
  on conflict do nothing
)
update webhook_deliveries d set state = $12, attempts = $13::int, next_at = null, last_status = $15::int,
  last_error = $16, done_at = $14::timestamptz
from given g where d.tenant_id = g.tenant_id and d.id = g.id
"""
#: What is written for the first time has ids that nobody else has: asking for each of them costs a good deal.
_FRESH = {one: one.replace("from given\n  on conflict do nothing", "from given", 1) for one in (_SETTLE, _SETTLE_ALIKE)}
#: Of one outcome there must be so large a part of the batch that it has a statement of its own.
_STATEMENTS = 4
_ENCODER = msgspec.json.Encoder()


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

    def outcome(self) -> tuple[object, ...]:
        """Equal for those that came to the same, and of which the same is kept beside their own request."""
        names = None if self.names is None else tuple(self.names)
        answered = None if self.answered is None else tuple(self.answered.items())
        told = self.status, self.error, answered, self.response
        return self.state, self.attempts, self.until, self.trigger, names, *told

    @property
    def good(self) -> bool:
        """Whether it was delivered."""
        return self.state == "delivered"


async def fence(tx: Tx, owner: str, shards: Collection[int]) -> dict[int, int]:
    """Which of these this owner holds, and goes on holding until this transaction ends."""
    return {row["shard"]: row["epoch"] for row in await tx.fetch_sql(_FENCE, owner, sorted(shards))}


async def fare(tx: Tx, owner: str, done: Sequence[Done], at: datetime) -> list[asyncpg.Record] | None:
    """How the endpoints fare with what was done; none, and nothing written, where not all is the owner's any more.

    The owner goes on holding the shards until the transaction ends.
    """
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
    whose = [name[0] for name in names], [name[1] for name in names]
    shards = sorted({(one.due.shard, one.epoch) for one in done})
    fence = owner, [shard for shard, _ in shards], [epoch for _, epoch in shards]
    rows = await tx.fetch_sql(_FARE, *whose, *columns, at, *fence)
    return [row for row in rows if row["id"] is not None] if rows[0]["holds"] else None


async def settle(tx: Tx, done: Sequence[Done], at: datetime, *, again: bool = False) -> None:
    """Write what was done. again: some of it may have been written before."""
    alike: dict[tuple[object, ...], list[Done]] = {}
    rest: list[Done] = []
    for one in done:
        (alike.setdefault(one.outcome(), []) if one.next_at is None else rest).append(one)
    for same in alike.values():
        if len(same) * _STATEMENTS < len(done):
            rest += same
        else:
            await _settle_alike(tx, same, at, again=again)
    if rest:
        await _settle(tx, rest, at, again=again)


async def _settle_alike(tx: Tx, done: Sequence[Done], at: datetime, *, again: bool) -> None:
    dues, first = [one.due for one in done], done[0]
    await tx.execute_sql(
        _SETTLE_ALIKE if again else _FRESH[_SETTLE_ALIKE],
        joined([one.tenant_id for one in dues]),
        joined([one.delivery_id for one in dues]),
        joined([one.attempt_id for one in done]),
        [one.started for one in done],
        joined([one.url for one in done]),
        joined_or_null([one.address for one in done]),
        [one.signed_at for one in done],
        joined([one.signature for one in done]),
        [one.took_ms for one in done],
        [one.place for one in dues],
        [one.number for one in dues],
        first.state,
        first.attempts,
        None if first.state == "pending" else at,
        first.status,
        first.error,
        first.names,
        first.answered,
        first.response,
        first.until,
        first.trigger,
    )


async def _settle(tx: Tx, done: Sequence[Done], at: datetime, *, again: bool) -> None:
    dues = [one.due for one in done]
    await tx.execute_sql(
        _SETTLE if again else _FRESH[_SETTLE],
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


def _json(value: object) -> str | None:
    return None if value is None else _ENCODER.encode(value).decode()


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
