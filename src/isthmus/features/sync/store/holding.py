"""Statements that take, keep and give back a run; each names the fence, so that a stale holder changes nothing."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import asyncpg
from sqlalchemy import DateTime, bindparam, case, cast, exists, func, or_, select, update

from isthmus.engine.db import Tx, statement
from isthmus.features.sync.errors import RunInProgress
from isthmus.features.sync.model import Run, State
from isthmus.features.sync.store.columns import LEASE, LIVE, MINE, NOW, RUN, as_run
from isthmus.features.sync.tables import SYNC_RUNS

_r = SYNC_RUNS.c

_CLAIM = statement(
    update(SYNC_RUNS)
    .where(
        _r.tenant_id == bindparam("tenant_id"),
        _r.id == bindparam("id"),
        LIVE,
        or_(_r.lease_until.is_(None), _r.lease_until < NOW),
        or_(_r.retry_at.is_(None), _r.retry_at <= NOW),
    )
    .values(
        state=case((_r.state == "queued", "running"), else_=_r.state),
        owner=bindparam("owner"),
        fence=_r.fence + 1,
        lease_until=LEASE,
        retry_at=None,
        # An owner that is still named has not handed the run back: it died. Its last page tells whether it got on.
        deaths=case((_r.owner.is_(None), _r.deaths), (_r.pages > _r.pages_at_claim, 1), else_=_r.deaths + 1),
        pages_at_claim=_r.pages,
        started_at=func.coalesce(_r.started_at, bindparam("now")),
        waiting_until=None,
        waiting_reason=None,
        changed_at=NOW,
    )
    .returning(*RUN)
)
_BEAT = statement(
    update(SYNC_RUNS)
    .where(*MINE)
    .values(
        lease_until=LEASE,
        waiting_until=bindparam("waiting_until"),
        waiting_reason=bindparam("waiting_reason"),
        changed_at=case(
            (_r.waiting_until.is_distinct_from(cast(bindparam("waiting_until"), DateTime(timezone=True))), NOW),
            else_=_r.changed_at,
        ),
    )
    .returning(_r.state)
)
#: Locks the run, and keeps other writers of the same records away until the transaction ends.
_HOLD = """
select state, pg_advisory_xact_lock(hashtextextended(tenant_id || chr(10) || connection_id || chr(10) || entity, 17))
from sync_runs
where tenant_id = $1 and id = $2 and fence = $3 and state in ('running', 'cancelling') for update
"""
_HAND_BACK = statement(
    update(SYNC_RUNS)
    .where(*MINE)
    .values(
        state=case((_r.state == "running", "queued"), else_=_r.state),
        owner=None,
        lease_until=None,
        retry_at=bindparam("retry_at"),
        attempts=bindparam("attempts"),
        waiting_until=bindparam("retry_at"),
        waiting_reason=bindparam("reason"),
        changed_at=NOW,
    )
)
_FINISH = statement(
    update(SYNC_RUNS)
    .where(*MINE)
    .values(
        state=bindparam("state"),
        owner=None,
        lease_until=None,
        finished_at=bindparam("now"),
        error_code=bindparam("error_code"),
        error_message=bindparam("error_message"),
        waiting_until=None,
        waiting_reason=None,
        changed_at=NOW,
    )
    .returning(*RUN)
)
_n = SYNC_RUNS.alias("newer").c
#: The newest run of its connection and entity alone: what lay behind the place of another one has been read since.
_RESUME = statement(
    update(SYNC_RUNS)
    .where(
        _r.tenant_id == bindparam("tenant_id"),
        _r.id == bindparam("id"),
        or_(_r.state == "failed", _r.state == "cancelled", _r.state == "parked"),
        ~exists(
            select(_n.id).where(
                _n.tenant_id == _r.tenant_id,
                _n.connection_id == _r.connection_id,
                _n.entity == _r.entity,
                _n.id > _r.id,
            )
        ),
    )
    .values(
        dict.fromkeys(("finished_at", "error_code", "error_message", "retry_at", "owner", "lease_until"))
        | {"state": "queued", "attempts": 0, "deaths": 0, "changed_at": NOW}
    )
    .returning(*RUN)
)
#: The first free places among a tenant's stalled runs go round the tenants, so that nobody's thousand runs stand
#: before another one's first (RL-04).
_STALLED = """
select tenant_id, id from (
  select tenant_id, id, row_number() over (partition by tenant_id order by changed_at) as turn
  from sync_runs
  where state in ('queued', 'running', 'cancelling')
    and (lease_until is null or lease_until < clock_timestamp())
    and (retry_at is null or retry_at <= clock_timestamp())
    and changed_at < clock_timestamp() - $1::interval
) as stalled
order by turn limit $2
"""


#: Another death counts: a place that is lost again and again must not go on for ever.
_RESTART = """
update sync_runs set state = 'queued', mode = 'full', since = null, cursor = null, owner = null, lease_until = null,
  retry_at = null, deaths = deaths + 1, changed_at = clock_timestamp()
where tenant_id = $1 and id = $2 and fence = $3 and state = 'running'
"""
_UNPARK = """
update sync_runs r set state = 'queued', finished_at = null, error_code = null, error_message = null, attempts = 0,
  deaths = 0, retry_at = null, changed_at = clock_timestamp()
from (
  select distinct on (entity) id, state, error_code from sync_runs
  where tenant_id = $1 and connection_id = $2 order by entity, id desc
) newest
where r.tenant_id = $1 and r.id = newest.id and newest.state = 'parked' and newest.error_code = $3
"""
#: Those that no newer run has taken the place of; by chance, so that many that stay full hide nobody else.
_HALTED = """
select tenant_id, connection_id from sync_runs r
where state = 'parked' and error_code = 'STORE_FULL' and not exists (
  select from sync_runs n where n.tenant_id = r.tenant_id and n.connection_id = r.connection_id
    and n.entity = r.entity and n.id > r.id)
order by random() limit $1
"""
_WITHDRAW = """
update sync_runs set state = 'cancelling', waiting_until = null, waiting_reason = null, changed_at = clock_timestamp()
where tenant_id = $1 and connection_id = any($2::text[]) and state in ('queued', 'running') and created_at <= $3
"""


async def claim(tx: Tx, id_: str, owner: str, lease: timedelta, now: datetime) -> Run | None:
    """Take a run that nobody holds; None when somebody does, or when there is nothing left to do."""
    keys = {"tenant_id": tx.tenant_id, "id": id_, "owner": owner}
    return as_run(await tx.fetchrow(_CLAIM, **keys, lease=lease, now=now))


async def beat(
    tx: Tx, run: Run, lease: timedelta, *, waiting_until: datetime | None, waiting_reason: str | None
) -> State | None:
    """Prolong the lease; None when the run is not ours any more."""
    wait = {"waiting_until": waiting_until, "waiting_reason": waiting_reason}
    found = await tx.fetchval(_BEAT, tenant_id=tx.tenant_id, id=run.id, fence=run.fence, lease=lease, **wait)
    return None if found is None else State(found)


async def hold(tx: Tx, run: Run) -> State | None:
    """Lock the run for the rest of the transaction; None when it is not ours any more."""
    rows = await tx.fetch_sql(_HOLD, tx.tenant_id, run.id, run.fence)
    return State(rows[0]["state"]) if rows else None


async def hand_back(
    tx: Tx, run: Run, *, attempts: int = 0, retry_at: datetime | None = None, reason: str | None = None
) -> bool:
    """Give the run back to the queue, to be taken again at once or after `retry_at`."""
    keys = {"tenant_id": tx.tenant_id, "id": run.id, "fence": run.fence}
    return await tx.execute(_HAND_BACK, **keys, attempts=attempts, retry_at=retry_at, reason=reason) == 1


async def finish(
    tx: Tx, run: Run, state: State, now: datetime, *, error_code: str | None = None, error_message: str | None = None
) -> Run | None:
    """End the run; None when it is not ours any more."""
    keys = {"tenant_id": tx.tenant_id, "id": run.id, "fence": run.fence}
    error = {"error_code": error_code, "error_message": error_message}
    return as_run(await tx.fetchrow(_FINISH, **keys, state=state, now=now, **error))


async def restart(tx: Tx, run: Run) -> bool:
    """Let the run read everything from the beginning; False when it is not ours any more."""
    return await tx.execute_sql(_RESTART, tx.tenant_id, run.id, run.fence) == 1


async def unpark(tx: Tx, tenant_id: str, connection_id: str, error_code: str) -> None:
    """Queue a connection's newest runs again that were parked for this reason, unless others have taken their place."""
    await tx.execute_sql(_UNPARK, tenant_id, connection_id, error_code)


async def halted(tx: Tx, limit: int) -> list[tuple[str, str]]:
    """Tenant and connection of runs that were parked for want of room; across tenants, so for the system alone."""
    return [(row["tenant_id"], row["connection_id"]) for row in await tx.fetch_sql(_HALTED, limit)]


async def resume(tx: Tx, run_id: str) -> Run | None:
    """Queue an ended run again, at its place; None when it ended well or is not the newest. Raises RunInProgress."""
    try:
        return as_run(await tx.fetchrow(_RESUME, tenant_id=tx.tenant_id, id=run_id))
    except asyncpg.UniqueViolationError:
        raise RunInProgress from None


async def stalled(tx: Tx, quiet: timedelta, limit: int) -> list[tuple[str, str]]:
    """Tenant and id of live runs that nobody holds and that nobody woke; across tenants, so for the system alone."""
    return [(row["tenant_id"], row["id"]) for row in await tx.fetch_sql(_STALLED, quiet, limit)]


async def withdraw(tx: Tx, tenant_id: str, connection_ids: Sequence[str], until: datetime) -> None:
    """Ask every live run of these connections that was begun by then to end; one that nobody holds is taken up for that
    by the reconciler."""
    await tx.execute_sql(_WITHDRAW, tenant_id, list(connection_ids), until)
