"""Statements over what is kept of calls: sums by hour, and the newest entries of each connection."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime

import asyncpg
from sqlalchemy import Text, bindparam, delete, or_, select

from isthmus.engine.db import Tx, statement
from isthmus.features.connections.model.recording import KEPT, Counts, Entry, Hour
from isthmus.features.connections.tables import connection_calls as k
from isthmus.features.connections.tables import connection_hours as h
from isthmus.kit.errors import Problem
from isthmus.kit.paging import Ask

#: How a transaction fails when the database is away or says no.
FAILURES = (Problem, asyncpg.PostgresError, asyncpg.InterfaceError, OSError)

#: Before any row of theirs: whoever ends a connection holds it first, and its rows with it.
_HOLD = "select id from connections where tenant_id = $1 and id = any($2::text[]) order by id for key share"
# Rows of connections that have gone meanwhile are left out, so that they do not hold the others back.
_ADD_HOURS = """
    insert into connection_hours
      (tenant_id, connection_id, hour, calls, attempts, failed, throttled, waited_ms, duration_ms)
    select $1, n.* from unnest($2::text[], $3::timestamptz[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[],
        $8::bigint[], $9::bigint[])
      as n (connection_id, hour, calls, attempts, failed, throttled, waited_ms, duration_ms)
    where exists (select from connections c where c.tenant_id = $1 and c.id = n.connection_id)
    order by n.connection_id, n.hour
    on conflict (tenant_id, connection_id, hour) do update set
      calls = connection_hours.calls + excluded.calls,
      attempts = connection_hours.attempts + excluded.attempts,
      failed = connection_hours.failed + excluded.failed,
      throttled = connection_hours.throttled + excluded.throttled,
      waited_ms = connection_hours.waited_ms + excluded.waited_ms,
      duration_ms = connection_hours.duration_ms + excluded.duration_ms
"""
_ADD_CALLS = """
    insert into connection_calls
      (tenant_id, id, connection_id, at, level, method, route, status, code, message, attempts, duration_ms)
    select $1, n.* from unnest($2::text[], $3::text[], $4::timestamptz[], $5::text[], $6::text[], $7::text[], $8::int[],
        $9::text[], $10::text[], $11::int[], $12::bigint[])
      as n (id, connection_id, at, level, method, route, status, code, message, attempts, duration_ms)
    where exists (select from connections c where c.tenant_id = $1 and c.id = n.connection_id)
"""
_CAP = """
    delete from connection_calls d using (
      select id, row_number() over (partition by connection_id order by id desc) as place
      from connection_calls where tenant_id = $1 and connection_id = any($2::text[])
    ) as ranked
    where d.tenant_id = $1 and d.id = ranked.id and ranked.place > $3
"""
_COUNTS = ("calls", "attempts", "failed", "throttled", "waited_ms", "duration_ms")
_FIELDS = (
    "id", "connection_id", "at", "level", "method", "route", "status", "code", "message", "attempts", "duration_ms"
)  # fmt: skip
_HOURS = statement(
    select(h.c.hour, *(h.c[name] for name in _COUNTS))
    .where(
        h.c.tenant_id == bindparam("tenant_id"),
        h.c.connection_id == bindparam("connection_id"),
        h.c.hour >= bindparam("since"),
        h.c.hour < bindparam("until"),
    )
    .order_by(h.c.hour)
)
_CALLS = statement(
    select(*(k.c[name] for name in _FIELDS))
    .where(
        k.c.tenant_id == bindparam("tenant_id"),
        k.c.connection_id == bindparam("connection_id"),
        or_(bindparam("level", type_=Text).is_(None), k.c.level == bindparam("level")),
        or_(bindparam("after", type_=Text).is_(None), k.c.id < bindparam("after")),
    )
    .order_by(k.c.id.desc())
    .limit(bindparam("limit"))
    .offset(bindparam("offset"))
)
_SWEEP = statement(delete(h).where(h.c.hour < bindparam("before")))


async def add_hours(tx: Tx, sums: Mapping[tuple[str, datetime], Counts]) -> None:
    """Add these sums to what is there, by connection and hour."""
    places = sorted(sums)
    await tx.fetch_sql(_HOLD, tx.tenant_id, sorted({one[0] for one in places}))
    columns = [[getattr(sums[place], name) for place in places] for name in _COUNTS]
    await tx.execute_sql(_ADD_HOURS, tx.tenant_id, [one[0] for one in places], [one[1] for one in places], *columns)


async def insert_calls(tx: Tx, entries: Sequence[Entry]) -> None:
    """Write entries down and keep the newest of each connection."""
    if not entries:
        return
    rows = [asdict(entry) for entry in entries]
    await tx.execute_sql(_ADD_CALLS, tx.tenant_id, *([row[name] for row in rows] for name in _FIELDS))
    await tx.execute_sql(_CAP, tx.tenant_id, sorted({entry.connection_id for entry in entries}), KEPT)


async def hours(tx: Tx, connection_id: str, since: datetime, until: datetime) -> list[Hour]:
    """The sums of these hours, the oldest first; hours without a call are not there."""
    names = {"tenant_id": tx.tenant_id, "connection_id": connection_id}
    return [Hour(**dict(row)) for row in await tx.fetch(_HOURS, since=since, until=until, **names)]


async def calls(tx: Tx, connection_id: str, level: str | None, ask: Ask) -> list[Entry]:
    """The newest entries first, one more than was asked for."""
    names = {"tenant_id": tx.tenant_id, "connection_id": connection_id}
    place = {"after": ask.after, "limit": ask.limit + 1, "offset": ask.offset}
    return [Entry(**dict(row)) for row in await tx.fetch(_CALLS, level=level, **names, **place)]


async def sweep(system_tx: Tx, before: datetime) -> int:
    """Remove sums that are too old."""
    return await system_tx.execute(_SWEEP, before=before)
