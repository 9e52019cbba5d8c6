"""Statements that read runs, their errors, and what changed."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import asyncpg
from sqlalchemy import DateTime, Text, and_, bindparam, cast, func, or_, select
from sqlalchemy.dialects.postgresql import distinct_on

from isthmus.engine.db import Tx, statement
from isthmus.features.sync.model import Run
from isthmus.features.sync.store.columns import NOW, RUN, as_run
from isthmus.features.sync.tables import SYNC_CURSORS, SYNC_ERRORS, SYNC_RUNS
from isthmus.kit.paging import Ask, Page

_r, _e, _c = SYNC_RUNS.c, SYNC_ERRORS.c, SYNC_CURSORS.c
_TIME = DateTime(timezone=True)

_ONE = statement(select(*RUN).where(_r.tenant_id == bindparam("tenant_id"), _r.id == bindparam("id")))


def _optional(name: str, column: Any) -> Any:  # noqa: ANN401 - any column
    given = cast(bindparam(name), Text)
    return or_(given.is_(None), column == given)


_MANY = statement(
    select(*RUN)
    .where(
        _r.tenant_id == bindparam("tenant_id"),
        _optional("connection_id", _r.connection_id),
        _optional("state", _r.state),
        _optional("entity", _r.entity),
        cast(bindparam("since"), _TIME).is_(None) | (_r.created_at >= bindparam("since")),
        cast(bindparam("until"), _TIME).is_(None) | (_r.created_at < bindparam("until")),
        or_(cast(bindparam("after"), Text).is_(None), _r.id < cast(bindparam("after"), Text)),
    )
    .order_by(_r.id.desc())
    .limit(bindparam("limit"))
    .offset(bindparam("offset"))
)
_ERRORS = statement(
    select(_e.id, _e.external_id, _e.reason, _e.payload, _e.created_at)
    .where(
        _e.tenant_id == bindparam("tenant_id"),
        _e.run_id == bindparam("run_id"),
        _e.id > func.coalesce(cast(bindparam("after"), Text), ""),
    )
    .order_by(_e.id)
    .limit(bindparam("limit"))
    .offset(bindparam("offset"))
)
_CHANGED = statement(
    select(*RUN)
    .where(_r.tenant_id == bindparam("tenant_id"), _r.changed_at > bindparam("since"))
    .order_by(_r.changed_at)
    .limit(bindparam("limit"))
)
_LATEST = statement(
    select(*RUN)
    .ext(distinct_on(_r.connection_id, _r.entity))
    .where(_r.tenant_id == bindparam("tenant_id"), _optional("connection_id", _r.connection_id))
    .order_by(_r.connection_id, _r.entity, _r.id.desc())
)
_PROOFS = statement(
    select(*RUN)
    .ext(distinct_on(_r.connection_id, _r.entity))
    .where(
        _r.tenant_id == bindparam("tenant_id"),
        _optional("connection_id", _r.connection_id),
        _r.judged_before.is_not(None),
        ~_r.dry_run,
        _r.state == "succeeded",
    )
    .order_by(_r.connection_id, _r.entity, _r.id.desc())
)
_WATERMARKS = statement(
    select(_c.connection_id, _c.entity, _c.watermark, _r.finished_at)
    .outerjoin(SYNC_RUNS, and_(_r.tenant_id == _c.tenant_id, _r.id == _c.run_id))
    .where(_c.tenant_id == bindparam("tenant_id"), _optional("connection_id", _c.connection_id))
)
_CLOCK = statement(select(NOW))


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Which runs a caller wants; None means any. Times are those of asking, `until` excluded."""

    connection_id: str | None = None
    state: str | None = None
    entity: str | None = None
    since: datetime | None = None
    until: datetime | None = None


async def run(tx: Tx, id_: str) -> Run | None:
    """One run."""
    return as_run(await tx.fetchrow(_ONE, tenant_id=tx.tenant_id, id=id_))


async def runs(tx: Tx, wanted: RunFilter, ask: Ask) -> Page[Run]:
    """Newest first."""
    place = {"after": ask.after, "limit": ask.limit + 1, "offset": ask.offset}
    rows = await tx.fetch(_MANY, tenant_id=tx.tenant_id, **asdict(wanted), **place)
    items = [Run(*row) for row in rows[: ask.limit]]
    return Page(items, items[-1].id if len(rows) > ask.limit else None, has_more=len(rows) > ask.limit)


async def errors(tx: Tx, run_id: str, ask: Ask) -> Page[asyncpg.Record]:
    """The item errors of a run in the order they were met."""
    place = {"after": ask.after, "limit": ask.limit + 1, "offset": ask.offset}
    rows = await tx.fetch(_ERRORS, tenant_id=tx.tenant_id, run_id=run_id, **place)
    items = rows[: ask.limit]
    return Page(items, items[-1]["id"] if len(rows) > ask.limit else None, has_more=len(rows) > ask.limit)


async def changed(tx: Tx, since: datetime, limit: int) -> list[Run]:
    """Runs that changed after `since`, oldest change first."""
    rows = await tx.fetch(_CHANGED, tenant_id=tx.tenant_id, since=since, limit=limit)
    return [Run(*row) for row in rows]


async def clock(tx: Tx) -> datetime:
    """The database's time, by which changes are stamped."""
    now: datetime = await tx.fetchval(_CLOCK)
    return now


async def latest(tx: Tx, connection_id: str | None) -> list[Run]:
    """The newest run of each connection and entity."""
    rows = await tx.fetch(_LATEST, tenant_id=tx.tenant_id, connection_id=connection_id)
    return [Run(*row) for row in rows]


async def watermarks(tx: Tx, connection_id: str | None) -> list[asyncpg.Record]:
    """How far each connection and entity has been read, and when the run that did so ended."""
    return await tx.fetch(_WATERMARKS, tenant_id=tx.tenant_id, connection_id=connection_id)


async def proofs(tx: Tx, connection_id: str | None) -> list[Run]:
    """The newest full read of each connection and entity that proved the reads before it."""
    rows = await tx.fetch(_PROOFS, tenant_id=tx.tenant_id, connection_id=connection_id)
    return [found for row in rows if (found := as_run(row)) is not None]
