"""Statements over uploads and their parts, as people make and see them."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import DateTime, Text, bindparam, cast, select
from sqlalchemy.dialects.postgresql import insert as pg_insert

from isthmus.engine.db import Tx, statement
from isthmus.features.uploads.model.upload import Phase, Upload, UploadFilter
from isthmus.features.uploads.store.columns import NOW, ONE, UPLOAD, as_upload
from isthmus.features.uploads.tables import UPLOADS
from isthmus.kit.paging import Ask, Page

_u = UPLOADS.c
_TIME = DateTime(timezone=True)
_NEW: Final = (
    *("id", "name", "origin", "state", "mode", "format", "mapping", "currency", "decimal_sign", "size"),
    *("requested_by", "created_at"),
)
_INSERT = statement(
    pg_insert(UPLOADS).values({name: bindparam(name) for name in ("tenant_id", *_NEW)} | {"changed_at": NOW})
)
_ONE = statement(select(*UPLOAD).where(*ONE))
_LOCKED = statement(select(*UPLOAD).where(*ONE).with_for_update())
_PAGE = statement(
    select(*UPLOAD)
    .where(
        _u.tenant_id == bindparam("tenant_id"),
        cast(bindparam("state"), Text).is_(None) | (_u.state == bindparam("state")),
        cast(bindparam("since"), _TIME).is_(None) | (_u.created_at >= bindparam("since")),
        cast(bindparam("until"), _TIME).is_(None) | (_u.created_at < bindparam("until")),
        cast(bindparam("after"), Text).is_(None) | (_u.id < bindparam("after")),
    )
    .order_by(_u.id.desc())
    .limit(bindparam("limit"))
    .offset(bindparam("offset"))
)
_CHANGED = statement(
    select(*UPLOAD)
    .where(_u.tenant_id == bindparam("tenant_id"), _u.changed_at > bindparam("since"))
    .order_by(_u.changed_at)
    .limit(bindparam("limit"))
)
_BURDEN: Final = """
select count(*) as files, coalesce(sum(greatest(received, coalesce(size, 0))), 0)::bigint as bytes
from uploads where tenant_id = $1 and state in ('receiving', 'queued', 'running', 'cancelling')
"""
_ERRORS: Final = """
select number, line, column_name, value, reason from upload_errors
where tenant_id = $1 and upload_id = $2 and number > $3 order by number limit $4 offset $5
"""
_ADD_PART: Final = """
insert into upload_parts (tenant_id, upload_id, start, size, blob_id) values ($1, $2, $3, $4, $5)
"""
_QUEUE: Final = """
update uploads set state = 'queued', phase = $3, size = $4, changed_at = clock_timestamp()
where tenant_id = $1 and id = $2 and state = 'receiving'
"""
_EXPIRED: Final = """
select tenant_id, id from uploads
where state in ('succeeded', 'failed', 'cancelled') and finished_at < $1 limit $2
"""


async def insert(tx: Tx, values: Mapping[str, Any]) -> None:
    """Write a new upload."""
    await tx.execute(_INSERT, tenant_id=tx.tenant_id, **values)


async def burden(tx: Tx, *, held: bool = True) -> tuple[int, int]:
    """How many uploads of the tenant are open, and their bytes; `held`, its others wait until this is decided."""
    if held:
        await tx.execute_sql("select pg_advisory_xact_lock(hashtextextended($1, 19))", tx.tenant_id)
    rows = await tx.fetch_sql(_BURDEN, tx.tenant_id)
    return rows[0]["files"], rows[0]["bytes"]


async def upload(tx: Tx, id_: str, *, lock: bool = False) -> Upload | None:
    """One upload."""
    return as_upload(await tx.fetchrow(_LOCKED if lock else _ONE, tenant_id=tx.tenant_id, id=id_))


async def page(tx: Tx, wanted: UploadFilter, ask: Ask) -> Page[Upload]:
    """Uploads, newest first."""
    rows = await tx.fetch(
        _PAGE, tenant_id=tx.tenant_id, **asdict(wanted), after=ask.after, limit=ask.limit + 1, offset=ask.offset
    )
    kept = [found for row in rows[: ask.limit] if (found := as_upload(row)) is not None]
    more = len(rows) > ask.limit
    return Page(kept, next_after=kept[-1].id if more else None, has_more=more)


async def changed(tx: Tx, since: datetime, limit: int) -> list[Upload]:
    """Uploads that have changed since then, by the database's clock and in its order."""
    rows = await tx.fetch(_CHANGED, tenant_id=tx.tenant_id, since=since, limit=limit)
    return [found for row in rows if (found := as_upload(row)) is not None]


async def add_part(tx: Tx, upload_id: str, part: tuple[int, int, str]) -> None:
    """Write that another part, by its start, size and blob, has come."""
    start, size, blob = part
    await tx.execute_sql(_ADD_PART, tx.tenant_id, upload_id, start, size, blob)
    await tx.execute_sql(
        "update uploads set received = received + $3, changed_at = clock_timestamp() where tenant_id = $1 and id = $2",
        *(tx.tenant_id, upload_id, size),
    )


async def parts(tx: Tx, upload_id: str) -> Sequence[tuple[int, str]]:
    """The size and blob of each part, in order."""
    rows = await tx.fetch_sql(
        "select size, blob_id from upload_parts where tenant_id = $1 and upload_id = $2 order by start",
        *(tx.tenant_id, upload_id),
    )
    return [(row["size"], row["blob_id"]) for row in rows]


async def queue(tx: Tx, upload_id: str, phase: Phase, size: int) -> None:
    """Write that the file is whole and waits for a worker."""
    await tx.execute_sql(_QUEUE, tx.tenant_id, upload_id, phase, size)


async def errors(tx: Tx, upload_id: str, ask: Ask) -> Page[Mapping[str, Any]]:
    """What was wrong with rows, in the order of the file's pages."""
    after = int(ask.after) if ask.after else -1
    rows = await tx.fetch_sql(_ERRORS, tx.tenant_id, upload_id, after, ask.limit + 1, ask.offset or 0)
    kept: list[Mapping[str, Any]] = [dict(row) for row in rows[: ask.limit]]
    more = len(rows) > ask.limit
    return Page(kept, next_after=str(kept[-1]["number"]) if more else None, has_more=more)


async def abandoned(tx: Tx, quiet: timedelta, now: datetime, limit: int) -> list[tuple[str, str]]:
    """Tenant and id of uploads that receive nothing any more; across tenants, so for the system alone."""
    rows = await tx.fetch_sql(
        "select tenant_id, id from uploads where state = 'receiving' and changed_at < $1 limit $2", now - quiet, limit
    )
    return [(row["tenant_id"], row["id"]) for row in rows]


async def expired(tx: Tx, keep: timedelta, now: datetime, limit: int) -> list[tuple[str, str]]:
    """Tenant and id of uploads that ended long ago; across tenants, so for the system alone."""
    rows = await tx.fetch_sql(_EXPIRED, now - keep, limit)
    return [(row["tenant_id"], row["id"]) for row in rows]


async def drop(tx: Tx, upload_id: str) -> None:
    """Remove an upload with its parts and errors."""
    await tx.execute_sql("delete from uploads where tenant_id = $1 and id = $2", tx.tenant_id, upload_id)
