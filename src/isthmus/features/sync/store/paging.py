"""Statements that belong to the transaction of one page."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from sqlalchemy import bindparam, cast, func, select, update
from sqlalchemy.dialects.postgresql import insert

from isthmus.engine.db import Tx, statement
from isthmus.features.sync.model import ItemError, PageCount, Run, kept
from isthmus.features.sync.store.columns import LEASE, MINE, NOW
from isthmus.features.sync.tables import SYNC_CURSORS, SYNC_ERRORS, SYNC_RUNS

_r, _e = SYNC_RUNS.c, SYNC_ERRORS.c

_COUNTERS = (
    "records",
    "listings",
    "variants",
    "created",
    "updated",
    "unchanged",
    "failed",
    "drift_created",
    "drift_updated",
    "retries",
    "throttled",
    "waited_ms",
)
_CHECKPOINT = statement(
    update(SYNC_RUNS)
    .where(*MINE)
    .values(
        {name: _r[name] + cast(bindparam(name), _r[name].type) for name in _COUNTERS}
        | {
            "cursor": bindparam("cursor"),
            "total": func.coalesce(bindparam("total"), _r.total),
            "pages": _r.pages + 1,
            "attempts": 0,
            "lease_until": LEASE,
            "waiting_until": None,
            "waiting_reason": None,
            "changed_at": NOW,
        }
    )
)
_SPENT = statement(
    update(SYNC_RUNS)
    .where(_r.tenant_id == bindparam("tenant_id"), _r.id == bindparam("id"), _r.fence == bindparam("fence"))
    .values({name: _r[name] + cast(bindparam(name), _r[name].type) for name in ("retries", "throttled", "waited_ms")})
)
_MISSING = statement(
    update(SYNC_RUNS)
    .where(_r.tenant_id == bindparam("tenant_id"), _r.id == bindparam("id"), _r.judged_before.is_not(None))
    .values(drift_missing=_r.drift_missing + 1, changed_at=NOW)
)
_MOVE_WATERMARK = statement(
    insert(SYNC_CURSORS)
    .values(
        {name: bindparam(name) for name in ("tenant_id", "connection_id", "entity", "watermark", "run_id")}
        | {"updated_at": bindparam("now")}
    )
    .on_conflict_do_update(
        index_elements=["tenant_id", "connection_id", "entity"],
        set_={name: bindparam(name) for name in ("watermark", "run_id")} | {"updated_at": bindparam("now")},
    )
)
_ERROR_COUNT = statement(
    select(func.count())
    .select_from(SYNC_ERRORS)
    .where(_e.tenant_id == bindparam("tenant_id"), _e.run_id == bindparam("run_id"))
)
_ADD_ERRORS = """
insert into sync_errors (tenant_id, id, run_id, connection_id, external_id, reason, payload, created_at)
select $1, e.id, $2, $3, e.external_id, e.reason, e.payload, $4
from unnest($5::text[], $6::text[], $7::text[], $8::bytea[]) as e(id, external_id, reason, payload)
"""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a committed page leaves on its run; times waited and calls repeated since the last one included."""

    cursor: str | None
    total: int | None
    count: PageCount
    retries: int = 0
    throttled: int = 0
    waited_ms: int = 0


async def checkpoint(tx: Tx, run: Run, mark: Checkpoint, lease: timedelta) -> bool:
    """Move the run's place behind the page; False when the run is not ours any more."""
    keys = {"tenant_id": tx.tenant_id, "id": run.id, "fence": run.fence, "lease": lease}
    spent = {"retries": mark.retries, "throttled": mark.throttled, "waited_ms": mark.waited_ms}
    place = {"cursor": mark.cursor, "total": mark.total}
    return await tx.execute(_CHECKPOINT, **keys, **place, **asdict(mark.count), **spent) == 1


async def spend(tx: Tx, run: Run, retries: int, throttled: int, waited_ms: int) -> None:
    """Keep account of waits and repeated calls that ended in no page."""
    keys = {"tenant_id": tx.tenant_id, "id": run.id, "fence": run.fence}
    await tx.execute(_SPENT, **keys, retries=retries, throttled=throttled, waited_ms=waited_ms)


async def count_missing(tx: Tx, run_id: str) -> None:
    """Count a record that the run did not find, and of which its platform does not say that it was deleted."""
    await tx.execute(_MISSING, tenant_id=tx.tenant_id, id=run_id)


async def move_watermark(tx: Tx, run: Run, now: datetime) -> None:
    """Remember that everything up to the run's `until` has been read."""
    keys = {"tenant_id": tx.tenant_id, "connection_id": run.connection_id, "entity": run.entity}
    await tx.execute(_MOVE_WATERMARK, **keys, watermark=run.until, run_id=run.id, now=now)


async def add_errors(tx: Tx, run: Run, ids: Sequence[str], errors: Sequence[ItemError], now: datetime) -> None:
    """Keep records that could not be read, with what was sent and why."""
    rows = [(id_, one.external_id, one.reason, kept(one)) for id_, one in zip(ids, errors, strict=True)]
    columns = zip(*rows, strict=True)
    await tx.execute_sql(_ADD_ERRORS, tx.tenant_id, run.id, run.connection_id, now, *columns)


async def error_count(tx: Tx, run_id: str) -> int:
    """How many item errors of the run are kept."""
    return int(await tx.fetchval(_ERROR_COUNT, tenant_id=tx.tenant_id, run_id=run_id))
