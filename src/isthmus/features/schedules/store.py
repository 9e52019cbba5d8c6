"""Every statement over schedules."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from isthmus.engine.db import Tx
from isthmus.features.schedules.model import Rule, Schedule, State, read, written

_OF: Final = """
select id, connection_id, entity, mode, rule, state, reason, next_at, last_at, last_run_id, version from schedules
where tenant_id = $1 and ($2::text is null or connection_id = $2) and entity <> '*' order by connection_id, entity, mode
"""
_ONE: Final = """
select id, connection_id, entity, mode, rule, state, reason, next_at, last_at, last_run_id, version from schedules
where tenant_id = $1 and id = $2 for update
"""
_PUT: Final = """
insert into schedules (tenant_id, id, connection_id, entity, mode, rule, state, next_at, version)
values ($1, $2, $3, $4, $5, $6, 'active', $7, 1)
on conflict (tenant_id, connection_id, entity, mode) do update set rule = excluded.rule, next_at = excluded.next_at,
  version = schedules.version + 1
"""
_COUNT: Final = "select count(*) as many from schedules where tenant_id = $1 and entity <> '*'"
#: The first free places go round the tenants, so that nobody's many schedules stand before another one's (RL-04).
_DUE: Final = """
select tenant_id, id from (
  select tenant_id, id, row_number() over (partition by tenant_id order by next_at) as turn from schedules
  where state = 'active' and next_at <= $1
) as found order by turn limit $2
"""
_WANTED: Final = """
select tenant_id, id from schedules where wanted_at < $1 order by wanted_at limit $2
"""
_TAKE: Final = """
update schedules set wanted_at = $3, next_at = $4, last_at = $3
where tenant_id = $1 and id = $2 and state = 'active' and next_at <= $3 returning id
"""
_PUT_OFF: Final = """
update schedules set next_at = $4 where tenant_id = $1 and id = $2 and state = 'active' and next_at <= $3
"""
_STARTED: Final = """
update schedules set wanted_at = null, last_run_id = coalesce($3, last_run_id)
where tenant_id = $1 and id = $2 and wanted_at is not null returning id
"""
_PARK: Final = """
update schedules set state = 'parked', reason = $3, wanted_at = null
where tenant_id = $1 and connection_id = $2 and state = 'active' returning id
"""
_UNPARK: Final = """
update schedules set state = 'active', reason = null, next_at = $3
where tenant_id = $1 and connection_id = $2 and state = 'parked' returning id
"""
_SET_STATE: Final = """
update schedules set state = $4, reason = null, next_at = $5, version = version + 1
where tenant_id = $1 and connection_id = $2 and ($3::text is null or entity = $3) and state <> $4 returning id
"""
_EXPECT: Final = """
insert into schedules (tenant_id, id, connection_id, entity, mode, rule, state, wanted_at, version)
select $1, $2, $3, '*', 'incremental', $4, 'active', $5, 1
where not exists (select 1 from schedules where tenant_id = $1 and connection_id = $3)
"""


def _schedule(row: Mapping[str, Any]) -> Schedule:
    values = dict(row)
    return Schedule(**values | {"rule": read(values["rule"]), "state": State(values["state"])})


async def schedules(tx: Tx, connection_id: str | None = None) -> Sequence[Schedule]:
    """The tenant's schedules, or those of one connection."""
    return [_schedule(row) for row in await tx.fetch_sql(_OF, tx.tenant_id, connection_id)]


async def schedule(tx: Tx, id_: str) -> Schedule | None:
    """One schedule, held for the rest of the transaction."""
    rows = await tx.fetch_sql(_ONE, tx.tenant_id, id_)
    return _schedule(rows[0]) if rows else None


async def hold(tx: Tx, connection_id: str) -> None:
    """Whoever replaces a connection's schedules comes by here one after the other: of two, the last one's are left."""
    place = f"{tx.tenant_id}/{connection_id}"
    await tx.execute_sql("select pg_advisory_xact_lock(hashtextextended($1, 29))", place)


async def count(tx: Tx, *, held: bool = True) -> int:
    """How many the tenant has; `held` by a lock, that stays true until the commit."""
    if held:
        await tx.execute_sql("select pg_advisory_xact_lock(hashtextextended($1, 101))", tx.tenant_id)
    rows = await tx.fetch_sql(_COUNT, tx.tenant_id)
    return int(rows[0]["many"])


async def put(tx: Tx, id_: str, key: tuple[str, str, str], rule: Rule, next_at: datetime) -> None:
    """Set the schedule of a connection, entity and mode."""
    await tx.execute_sql(_PUT, tx.tenant_id, id_, *key, written(rule), next_at)


async def drop(tx: Tx, connection_id: str, keep: Sequence[tuple[str, str]]) -> None:
    """Remove a connection's schedules but for these entities and modes."""
    await tx.execute_sql(
        "delete from schedules where tenant_id = $1 and connection_id = $2"
        " and (entity, mode) not in (select k.entity, k.mode from unnest($3::text[], $4::text[]) as k (entity, mode))",
        *(tx.tenant_id, connection_id, [entity for entity, _ in keep], [mode for _, mode in keep]),
    )


async def due(tx: Tx, now: datetime, limit: int) -> list[tuple[str, str]]:
    """Tenant and id of what is to be started now; across tenants, so for the system alone."""
    return [(row["tenant_id"], row["id"]) for row in await tx.fetch_sql(_DUE, now, limit)]


async def wanted(tx: Tx, quiet: timedelta, now: datetime, limit: int) -> list[tuple[str, str]]:
    """Tenant and id of starts that were taken and not made; for the system alone."""
    return [(row["tenant_id"], row["id"]) for row in await tx.fetch_sql(_WANTED, now - quiet, limit)]


async def take(tx: Tx, id_: str, now: datetime, next_at: datetime) -> bool:
    """Move a schedule on to its next time and note that a start is wanted; False when somebody else did."""
    return bool(await tx.fetch_sql(_TAKE, tx.tenant_id, id_, now, next_at))


async def put_off(tx: Tx, id_: str, now: datetime, next_at: datetime) -> None:
    """Let a schedule that is due wait until then, unless somebody else took it."""
    await tx.execute_sql(_PUT_OFF, tx.tenant_id, id_, now, next_at)


async def is_wanted(tx: Tx, id_: str) -> bool:
    """Whether a start was taken and not made."""
    rows = await tx.fetch_sql(
        "select wanted_at from schedules where tenant_id = $1 and id = $2 and wanted_at is not null", tx.tenant_id, id_
    )
    return bool(rows)


async def started(tx: Tx, id_: str, run_id: str | None) -> bool:
    """The start was made, or is not needed; False where none was wanted any more."""
    return bool(await tx.fetch_sql(_STARTED, tx.tenant_id, id_, run_id))


async def park(tx: Tx, connection_id: str, reason: str) -> int:
    """Let a connection's schedules wait; how many did not before."""
    return len(await tx.fetch_sql(_PARK, tx.tenant_id, connection_id, reason))


async def unpark(tx: Tx, tenant_id: str, connection_id: str, now: datetime) -> int:
    """Let parked schedules of a connection go on at once; how many there were."""
    return len(await tx.fetch_sql(_UNPARK, tenant_id, connection_id, now))


async def set_state(tx: Tx, place: tuple[str, str | None], state: State, next_at: datetime | None) -> int:
    """Pause or resume a connection's schedules, or one entity's; how many changed."""
    return len(await tx.fetch_sql(_SET_STATE, tx.tenant_id, *place, state, next_at))


async def forget(tx: Tx, tenant_id: str, connection_id: str) -> None:
    """A connection has ended."""
    await tx.execute_sql("delete from schedules where tenant_id = $1 and connection_id = $2", tenant_id, connection_id)


async def expect(tx: Tx, tenant_id: str, id_: str, connection_id: str, now: datetime) -> None:
    """Note that a new connection is to get its usual schedules, unless it has some: an entity of the name `*`."""
    await tx.execute_sql(_EXPECT, tenant_id, id_, connection_id, written(Rule()), now)


async def drop_one(tx: Tx, id_: str) -> bool:
    """Remove one schedule; False where it is gone already."""
    return await tx.execute_sql("delete from schedules where tenant_id = $1 and id = $2", tx.tenant_id, id_) == 1
