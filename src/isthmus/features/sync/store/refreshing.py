"""Statements over single records that somebody wants read anew."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from isthmus.engine.db import Tx


@dataclass(frozen=True, slots=True)
class Wanted:
    """One record to read; `asked` tells whether somebody asked again meanwhile, `seen` is the newest time heard of."""

    external_id: str
    seen: datetime | None
    asked: int
    attempts: int


_ASK: Final = """
insert into sync_refreshes (tenant_id, connection_id, entity, external_id, seen, due_at, created_at)
select $1, $2, $3, w.external_id, w.seen, $6::timestamptz + $7::interval, $6
from unnest($4::text[], $5::timestamptz[]) as w (external_id, seen)
on conflict (tenant_id, connection_id, entity, external_id) do update set
  seen = greatest(sync_refreshes.seen, excluded.seen), asked = sync_refreshes.asked + 1, attempts = 0,
  due_at = coalesce(least(sync_refreshes.due_at, $6), $6)
"""
# Materialized: a plan may run it again for each row otherwise, and more are taken than that.
_CLAIM: Final = """
with due as materialized (
  select external_id from sync_refreshes
  where tenant_id = $1 and connection_id = $2 and entity = $3 and due_at <= $5
    and (lease_until is null or lease_until < clock_timestamp())
  order by due_at limit $6 for update skip locked
)
update sync_refreshes r set lease_until = clock_timestamp() + $4::interval from due
where r.tenant_id = $1 and r.connection_id = $2 and r.entity = $3 and r.external_id = due.external_id
returning r.external_id, r.seen, r.asked, r.attempts
"""
_SETTLE: Final = """
delete from sync_refreshes
where tenant_id = $1 and connection_id = $2 and entity = $3 and external_id = $4 and asked = $5
"""
_LATER: Final = """
update sync_refreshes set lease_until = null,
  due_at = case when asked = $5 then $6 else due_at end, attempts = case when asked = $5 then $7 else 0 end
where tenant_id = $1 and connection_id = $2 and entity = $3 and external_id = $4
"""
_RESUME: Final = """
update sync_refreshes set due_at = clock_timestamp(), attempts = 0
where tenant_id = $1 and connection_id = $2 and due_at is null
"""
_FORGET: Final = "delete from sync_refreshes where tenant_id = $1 and connection_id = $2"
_DUE: Final = """
select distinct tenant_id, connection_id, entity from sync_refreshes
where due_at <= $1 and (lease_until is null or lease_until < clock_timestamp()) limit $2
"""
#: Whoever writes records of one entity of a connection holds this until the end of the transaction.
_LOCK: Final = "select pg_advisory_xact_lock(hashtextextended($1 || chr(10) || $2 || chr(10) || $3, 17))"


async def ask(
    tx: Tx, place: tuple[str, str], wanted: Mapping[str, datetime | None], after: timedelta, now: datetime
) -> None:
    """Note records to read, by their ids with the newest time heard of each; `place` is connection and entity.

    They may wait for so long. One that waits already is not noted twice, and waits no longer. Everybody takes them in
    one order, so that nobody waits for somebody who waits.
    """
    names = sorted(wanted)
    await tx.execute_sql(_ASK, tx.tenant_id, *place, names, [wanted[name] for name in names], now, after)


async def claim_wanted(tx: Tx, place: tuple[str, str], lease: timedelta, now: datetime, limit: int) -> list[Wanted]:
    """Take records that are due and that nobody else reads."""
    rows = await tx.fetch_sql(_CLAIM, tx.tenant_id, *place, lease, now, limit)
    return [Wanted(*row) for row in map(tuple, rows)]


async def settle(tx: Tx, place: tuple[str, str], wanted: Wanted) -> bool:
    """The record was read; False when somebody asked again since it was taken."""
    return await tx.execute_sql(_SETTLE, tx.tenant_id, *place, wanted.external_id, wanted.asked) == 1


async def later(tx: Tx, place: tuple[str, str], wanted: Wanted, due: datetime | None, attempts: int) -> None:
    """Read it again at `due`; None: once the connection has been signed in anew."""
    await tx.execute_sql(_LATER, tx.tenant_id, *place, wanted.external_id, wanted.asked, due, attempts)


async def resume_wanted(tx: Tx, tenant_id: str, connection_id: str) -> None:
    """Make what waited for a sign-in due."""
    await tx.execute_sql(_RESUME, tenant_id, connection_id)


async def forget_wanted(tx: Tx, tenant_id: str, connection_id: str) -> None:
    """Nothing of this connection is wanted any more."""
    await tx.execute_sql(_FORGET, tenant_id, connection_id)


async def due(tx: Tx, now: datetime, limit: int) -> list[tuple[str, str, str]]:
    """Tenant, connection and entity of records that are due; across tenants, so for the system alone."""
    return [(row["tenant_id"], row["connection_id"], row["entity"]) for row in await tx.fetch_sql(_DUE, now, limit)]


async def lock(tx: Tx, connection_id: str, entity: str) -> None:
    """Keep other writers of this entity of the connection away until the transaction ends."""
    await tx.fetch_sql(_LOCK, tx.tenant_id, connection_id, entity)
