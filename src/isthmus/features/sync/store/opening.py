"""Statements that begin a run, and that ask one to end."""

from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import DateTime, bindparam, case, cast, func, select, update
from sqlalchemy.dialects.postgresql import insert

from isthmus.engine.db import Tx, statement
from isthmus.features.sync.model import Plan, Run, Watermark
from isthmus.features.sync.store.columns import LIVE, NOW, RUN, as_run
from isthmus.features.sync.tables import SYNC_CURSORS, SYNC_RUNS

_r, _c = SYNC_RUNS.c, SYNC_CURSORS.c

_OPEN = statement(
    insert(SYNC_RUNS)
    .values(
        {name: bindparam(name) for name in ("tenant_id", "id", "connection_id", "provider", "entity", "mode")}
        | {"state": "queued", "since": bindparam("since"), "until": bindparam("until"), "changed_at": NOW}
        | {name: bindparam(name) for name in ("requested_by", "dry_run", "retry_of", "judged_before")}
        | {"created_at": bindparam("now")}
    )
    .on_conflict_do_nothing()
    .returning(*RUN)
)
_LIVE_RUN = statement(
    select(*RUN).where(
        _r.tenant_id == bindparam("tenant_id"),
        _r.connection_id == bindparam("connection_id"),
        _r.entity == bindparam("entity"),
        LIVE,
    )
)
_LIVE_COUNT = statement(select(func.count()).select_from(SYNC_RUNS).where(_r.tenant_id == bindparam("tenant_id"), LIVE))
_MOST_PAGES = statement(select(func.max(_r.pages)).where(_r.tenant_id == bindparam("tenant_id"), LIVE))
_SUCCEEDED = statement(
    select(_r.id)
    .where(
        _r.tenant_id == bindparam("tenant_id"),
        _r.connection_id == bindparam("connection_id"),
        _r.entity == bindparam("entity"),
        _r.state == "succeeded",
    )
    .limit(1)
)
_WATERMARK = statement(
    select(_c.watermark).where(
        _c.tenant_id == bindparam("tenant_id"),
        _c.connection_id == bindparam("connection_id"),
        _c.entity == bindparam("entity"),
    )
)
_ASK_CANCEL = statement(
    update(SYNC_RUNS)
    .where(_r.tenant_id == bindparam("tenant_id"), _r.id == bindparam("id"), LIVE)
    .values(
        state=case((_r.owner.is_(None), "cancelled"), else_="cancelling"),
        finished_at=case((_r.owner.is_(None), cast(bindparam("now"), DateTime(timezone=True)))),
        waiting_until=None,
        waiting_reason=None,
        changed_at=NOW,
    )
    .returning(*RUN)
)


@dataclass(frozen=True, slots=True)
class Opening:
    """What a new run is about."""

    id: str
    connection_id: str
    provider: str
    entity: str
    requested_by: str
    dry_run: bool = False
    retry_of: str | None = None


async def open_run(tx: Tx, opening: Opening, plan: Plan, now: datetime) -> Run | None:
    """Write a queued run; None when another one of this connection and entity came first."""
    values = asdict(opening) | {"mode": plan.mode, "since": plan.since, "until": plan.until, "now": now}
    values["judged_before"] = plan.judged_before
    return as_run(await tx.fetchrow(_OPEN, tenant_id=tx.tenant_id, **values))


async def live_run(tx: Tx, connection_id: str, entity: str) -> Run | None:
    """The run of this connection and entity that is under way."""
    return as_run(await tx.fetchrow(_LIVE_RUN, tenant_id=tx.tenant_id, connection_id=connection_id, entity=entity))


async def live_count(tx: Tx, *, held: bool = True) -> int:
    """How many runs of the tenant are under way; `held` by a lock, no other begins until the commit."""
    if held:
        await tx.execute_sql("select pg_advisory_xact_lock(hashtextextended($1, 59))", tx.tenant_id)
    return int(await tx.fetchval(_LIVE_COUNT, tenant_id=tx.tenant_id))


async def most_pages(tx: Tx) -> int:
    """How many pages that one of the tenant's runs under way has read that has read the most."""
    return int(await tx.fetchval(_MOST_PAGES, tenant_id=tx.tenant_id) or 0)


async def has_succeeded(tx: Tx, connection_id: str, entity: str) -> bool:
    """Whether a run of this connection and entity ever read everything it was to read."""
    keys = {"tenant_id": tx.tenant_id, "connection_id": connection_id, "entity": entity}
    return await tx.fetchval(_SUCCEEDED, **keys) is not None


async def watermark(tx: Tx, connection_id: str, entity: str) -> Watermark | None:
    """How far the entity has been read."""
    keys = {"tenant_id": tx.tenant_id, "connection_id": connection_id, "entity": entity}
    row = await tx.fetchrow(_WATERMARK, **keys)
    return None if row is None else Watermark(row["watermark"])


async def ask_cancel(tx: Tx, id_: str, now: datetime) -> Run | None:
    """Cancel a run that nobody holds; ask the holder of another one. None when the run is not live."""
    return as_run(await tx.fetchrow(_ASK_CANCEL, tenant_id=tx.tenant_id, id=id_, now=now))
