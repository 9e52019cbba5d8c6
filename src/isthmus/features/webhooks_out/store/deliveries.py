"""Deliveries: written when an event fans out, planned, listed, forgotten."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg

from isthmus.engine.bus import named
from isthmus.engine.db import Tx, joined
from isthmus.kit import ids

_EPOCH, _LATEST = datetime(1970, 1, 2, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)
_AROUND = timedelta(minutes=1)
#: Behind every id.
_LAST = "dlv_~"

_WANTS = """
select tenant_id, id, types, conditions, state, health, ordered, version, failures
from webhook_endpoints where tenant_id = any(array(select unnest($1::text[])))
"""
_FAN_OUT = """
with given as materialized (
  select g.tenant_id, g.id, g.endpoint_id, g.event_id, g.type, g.state, g.due, g.shard, g.place,
    nextval('webhook_numbers') as number
  from unnest(string_to_array($1, chr(31)), string_to_array($2, chr(31)), string_to_array($3, chr(31)),
      string_to_array($4, chr(31)), string_to_array($5, chr(31)), string_to_array($6, chr(31)), $7::boolean[],
      $8::smallint[])
    with ordinality as g (tenant_id, id, endpoint_id, event_id, type, state, due, shard, place)
), kept as (
  insert into webhook_deliveries (tenant_id, id, number, endpoint_id, event_id, type, state, next_at, created_at)
  select tenant_id, id, number, endpoint_id, event_id, type, state, case when due then $9::timestamptz end, $9
  from given
), planned as (
  insert into webhook_due (shard, at, number, tenant_id, endpoint_id, delivery_id, attempts)
  select shard, $9, number, tenant_id, endpoint_id, id, 0 from given where due
  returning number, ctid
)
select g.number, p.ctid from given g left join planned p on p.number = g.number order by g.place
"""
_WAITS = """
update webhook_endpoints set backlog = least(coalesce(backlog, $3), $3) where tenant_id = $1 and id = $2
"""
_STANDS = """
select id, state, health, ordered, head, backlog from webhook_endpoints where tenant_id = $1 and id = $2 for update
"""
_HEAD = """
select exists (
  select from webhook_deliveries
  where tenant_id = $1 and endpoint_id = $2 and number = $3 and state = 'pending' and next_at is not null) as x
"""
_PLAN = """
with next as (
  select id, number, attempts from webhook_deliveries
  where tenant_id = $1 and endpoint_id = $2 and number >= $3 and state = 'pending' and next_at is null
  order by number limit $4
), marked as (
  update webhook_deliveries d set next_at = $5 from next where d.tenant_id = $1 and d.id = next.id
), planned as (
  insert into webhook_due (shard, at, number, tenant_id, endpoint_id, delivery_id, attempts)
  select $6::smallint, $5::timestamptz, number, $1, $2, id, attempts from next
  -- What was taken back in the same moment lies there still, and counts again.
  on conflict do nothing
)
select number from next order by number
"""
_MOVE = "update webhook_endpoints set head = $3, backlog = $4 where tenant_id = $1 and id = $2"
_COLUMNS = """
select d.id, d.number, d.endpoint_id, d.event_id, d.type, d.state, d.attempts, d.next_at, d.last_status, d.last_error,
  d.created_at, d.done_at
from webhook_deliveries d
"""
_PAGE = (
    _COLUMNS
    + """
where d.tenant_id = $1 and d.id < $2 and d.id >= $8
  and ($3::text is null or d.state = $3) and ($4::text is null or d.type = $4)
  and ($5::text is null or d.event_id = $5) and ($9::text is null or d.endpoint_id = $9)
  and ($10::timestamptz is null or d.created_at >= $10) and ($11::timestamptz is null or d.created_at < $11)
order by d.id desc limit $6 offset $7
"""
)
_PAGE_OF_ENDPOINT = (
    _COLUMNS
    + """
where d.tenant_id = $1 and d.endpoint_id = $8 and ($2::bigint is null or d.number < $2)
  and ($3::text is null or d.state = $3) and ($4::text is null or d.type = $4)
  and ($5::text is null or d.event_id = $5)
order by d.number desc limit $6 offset $7
"""
)
_ONE = _COLUMNS + " where d.tenant_id = $1 and d.id = $2"
_AGAIN = """
update webhook_deliveries set state = 'pending', attempts = 0, next_at = null, done_at = null,
  trigger = 'manual'
where tenant_id = $1 and id = $2 and (state <> 'pending' or next_at is null)
returning number, endpoint_id
"""
_SOONER = """
update webhook_deliveries set next_at = $3, trigger = 'manual'
where tenant_id = $1 and id = $2 and state = 'pending' and next_at > $3
returning number, endpoint_id, attempts
"""
_DUE = """
insert into webhook_due (shard, at, number, tenant_id, endpoint_id, delivery_id, attempts)
values ($1::smallint, $2, $3, $4, $5, $6, $7)
on conflict do nothing
"""
# Ids grow with time, so that the primary key finds the old ones.
_FORGET = """
delete from webhook_deliveries d using (
  select id from webhook_deliveries where tenant_id = $1 and id < $2 and state <> 'pending' order by id limit $3) old
where d.tenant_id = $1 and d.id = old.id
"""


@dataclass(slots=True)
class NewDelivery:
    """One message for one endpoint; `due`: planned at once."""

    tenant_id: str
    endpoint_id: str
    event_id: str
    type: str
    state: str
    due: bool
    shard: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryFilters:
    """What to list."""

    endpoint_id: str | None = None
    state: str | None = None
    type: str | None = None
    event_id: str | None = None
    #: When they were made, the end left out.
    since: datetime | None = None
    until: datetime | None = None

    @property
    def by_number(self) -> bool:
        """Whether the index of one endpoint serves best: its places are numbers, all others are ids."""
        return self.endpoint_id is not None and self.since is None and self.until is None

    @property
    def bounds(self) -> tuple[str, str]:
        """The ids between which they lie, which hold their time; a delivery's own time may differ a little."""
        first = "" if self.since is None else ids.floor("dlv", max(self.since - _AROUND, _EPOCH))
        return first, _LAST if self.until is None else ids.floor("dlv", min(self.until, _LATEST) + _AROUND)


async def wants(tx: Tx, tenants: Sequence[str]) -> list[asyncpg.Record]:
    """What the endpoints of some tenants want; as the system."""
    return await tx.fetch_sql(_WANTS, list(tenants))


async def fan_out(
    tx: Tx, new: Sequence[NewDelivery], fresh: Sequence[str], at: datetime
) -> list[tuple[int, tuple[int, int] | None]]:
    """Write deliveries in their order, in one statement: the number of each, and the place of its due row if any."""
    rows = await tx.fetch_sql(
        _FAN_OUT,
        joined([one.tenant_id for one in new]),
        joined(fresh),
        joined([one.endpoint_id for one in new]),
        joined([one.event_id for one in new]),
        joined([one.type for one in new]),
        joined([one.state for one in new]),
        [one.due for one in new],
        [one.shard for one in new],
        at,
    )
    return [(row[0], row[1]) for row in rows]


async def note_waiting(tx: Tx, tenant_id: str, endpoint_id: str, number: int) -> None:
    """Note that from this number on deliveries wait without being planned."""
    await tx.execute_sql(_WAITS, tenant_id, endpoint_id, number)


async def stands(tx: Tx, tenant_id: str, endpoint_id: str) -> asyncpg.Record | None:
    """How an endpoint stands, locked."""
    rows = await tx.fetch_sql(_STANDS, tenant_id, endpoint_id)
    return rows[0] if rows else None


async def head_is_planned(tx: Tx, tenant_id: str, endpoint_id: str, number: int) -> bool:
    """Whether the delivery at the head still waits for its time."""
    return bool((await tx.fetch_sql(_HEAD, tenant_id, endpoint_id, number))[0]["x"])


async def unplan(tx: Tx, tenant_id: str, endpoint_id: str, number: int) -> bool:
    """Let a planned delivery wait without a time; its due row counts for nothing from here on."""
    return bool(
        await tx.execute_sql(
            "update webhook_deliveries set next_at = null"
            " where tenant_id = $1 and endpoint_id = $2 and number = $3 and state = 'pending' and next_at is not null",
            tenant_id,
            endpoint_id,
            number,
        )
    )


async def plan(tx: Tx, tenant_id: str, endpoint_id: str, since: int, limit: int, at: datetime, shard: int) -> list[int]:
    """Plan the next deliveries that wait; their numbers."""
    return [row["number"] for row in await tx.fetch_sql(_PLAN, tenant_id, endpoint_id, since, limit, at, shard)]


async def move(tx: Tx, tenant_id: str, endpoint_id: str, head: int | None, backlog: int | None) -> None:
    """Remember what is planned and what waits."""
    await tx.execute_sql(_MOVE, tenant_id, endpoint_id, head, backlog)


async def behind(tx: Tx, limit: int) -> list[asyncpg.Record]:
    """Active endpoints with deliveries that wait without being planned; as the system."""
    return await tx.fetch_sql(
        "select tenant_id, id from webhook_endpoints where backlog is not null and state = 'active' limit $1", limit
    )


async def page(
    tx: Tx, filters: DeliveryFilters, before: str | int | None, offset: int, limit: int
) -> list[asyncpg.Record]:
    """The newest first; `before` is an id, or a number where `by_number` says so: each has its index."""
    what = (filters.state, filters.type, filters.event_id, limit, offset)
    if filters.by_number:
        return await tx.fetch_sql(_PAGE_OF_ENDPOINT, tx.tenant_id, before, *what, filters.endpoint_id)
    first, end = filters.bounds
    if before is not None:
        end = min(end, str(before))
    return await tx.fetch_sql(_PAGE, tx.tenant_id, end, *what, first, filters.endpoint_id, filters.since, filters.until)


async def delivery(tx: Tx, delivery_id: str) -> asyncpg.Record | None:
    """One delivery."""
    rows = await tx.fetch_sql(_ONE, tx.tenant_id, delivery_id)
    return rows[0] if rows else None


async def event(tx: Tx, event_id: str) -> Mapping[str, Any] | None:
    """The public part of one event of the transaction's tenant."""
    tenant_id = tx.tenant_id or ""
    found = (await named(tx, [(tenant_id, event_id)])).get((tenant_id, event_id))
    return found if found is not None and found["public"] else None


async def attempts(tx: Tx, delivery_id: str) -> list[asyncpg.Record]:
    """Every attempt of a delivery, oldest first; the newest hundred at most."""
    rows = await tx.fetch_sql(
        """
        select id, trigger, at, url, address, signed_at, signature, header_names, status, response_headers, response,
          duration_ms, error
        from webhook_attempts where tenant_id = $1 and delivery_id = $2 order by id desc limit 100
        """,
        tx.tenant_id,
        delivery_id,
    )
    return rows[::-1]


async def put_back(tx: Tx, delivery_id: str) -> asyncpg.Record | None:
    """A finished or unplanned delivery waits anew, with all its attempts before it."""
    rows = await tx.fetch_sql(_AGAIN, tx.tenant_id, delivery_id)
    return rows[0] if rows else None


async def hasten(tx: Tx, delivery_id: str, at: datetime, shard: int) -> asyncpg.Record | None:
    """A delivery that waits for its next attempt is due now; the older due row counts for nothing from here on."""
    rows = await tx.fetch_sql(_SOONER, tx.tenant_id, delivery_id, at)
    if not rows:
        return None
    found = rows[0]
    args = (found["number"], tx.tenant_id, found["endpoint_id"], delivery_id, found["attempts"])
    await tx.execute_sql(_DUE, shard, at, *args)
    return found


async def forget(tx: Tx, tenant_id: str, before: str, limit: int) -> int:
    """Drop some finished deliveries of a tenant; how many."""
    return await tx.execute_sql(_FORGET, tenant_id, before, limit)
