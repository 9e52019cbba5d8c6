"""Statements of a worker: each names the fence, so that one who lost the upload changes nothing."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import BigInteger, DateTime, bindparam, case, cast, exists, or_, select, update

from isthmus.engine.db import Tx, statement
from isthmus.features.uploads.model.shaping import RowError
from isthmus.features.uploads.model.source import Source
from isthmus.features.uploads.model.upload import State, Step, Upload
from isthmus.features.uploads.store.columns import FREE, LEASE, MINE, NOW, ONE, OPEN, TO_DO, UPLOAD, as_upload
from isthmus.features.uploads.tables import UPLOADS

_u = UPLOADS.c
_TIME = DateTime(timezone=True)
_COUNTS: Final = ("rows", "products", "created", "updated", "unchanged", "failed")
_o = UPLOADS.alias("other").c
#: Files of one tenant are written one after the other: many at once would only wait for each other's pages, each with a
#: connection of the database in its hand.
_ALONE = ~exists(
    select(_o.id).where(_o.tenant_id == _u.tenant_id, _o.id != _u.id, _o.state == "running", _o.lease_until > NOW)
)
_CLAIM = statement(
    update(UPLOADS)
    .where(*ONE, TO_DO, FREE, or_(_u.state == "cancelling", _ALONE))
    .values(
        state=case((_u.state == "queued", "running"), else_=_u.state),
        fence=_u.fence + 1,
        # A lease that ran out was not given back: its worker died.
        deaths=_u.deaths + case((_u.lease_until.is_(None), 0), else_=1),
        lease_until=LEASE,
        # what it waited for
        error_code=None,
        error_message=None,
        started_at=case((_u.started_at.is_(None), cast(bindparam("now"), _TIME)), else_=_u.started_at),
        changed_at=NOW,
    )
    .returning(*UPLOAD)
)
#: Locks the upload, and keeps other writers of the same records away until the transaction ends.
_HOLD: Final = """
select state, pg_advisory_xact_lock(hashtextextended(tenant_id || chr(10) || $4::text, 17)) from uploads
where tenant_id = $1 and id = $2 and fence = $3 and state in ('running', 'cancelling') for update
"""
_CHECKPOINT = statement(
    update(UPLOADS)
    .where(*MINE)
    .values(
        {name: _u[name] + cast(bindparam(f"more_{name}"), BigInteger) for name in _COUNTS}
        | {"place": bindparam("place"), "line": bindparam("line"), "share": bindparam("share"), "deaths": 0}
        | {"changed_at": NOW, "lease_until": LEASE}
    )
)
_BEGIN_WRITING = statement(
    update(UPLOADS)
    .where(*MINE)
    .values(
        dict.fromkeys((*_COUNTS, "place", "line", "share"), 0) | {"phase": "writing", "changed_at": NOW},
    )
)
_FORESEE_NOTHING = statement(update(UPLOADS).where(*MINE).values(created=0, updated=0))
_FINISH = statement(
    update(UPLOADS)
    .where(*MINE)
    .values(
        state=bindparam("state"),
        lease_until=None,
        finished_at=bindparam("now"),
        changed_at=NOW,
        error_code=bindparam("error_code"),
        error_message=bindparam("error_message"),
    )
    .returning(*UPLOAD)
)
_WAITING = statement(
    select(_u.id)
    .where(_u.tenant_id == bindparam("tenant_id"), TO_DO, _u.lease_until.is_(None))
    .order_by(_u.id)
    .limit(1)
)
_BEAT = statement(update(UPLOADS).where(*MINE).values(lease_until=LEASE))
_PUT_OFF = statement(
    update(UPLOADS)
    .where(*MINE)
    .values(
        lease_until=None,
        error_code=bindparam("error_code"),
        error_message=bindparam("error_message"),
        changed_at=NOW,
    )
)
_HAND_BACK = statement(update(UPLOADS).where(*MINE).values(lease_until=None))
_DESCRIBE = statement(
    update(UPLOADS).where(*MINE).values({name: bindparam(name) for name in ("kind", "encoding", "format", "digest")})
)
_COUNT_ERRORS = statement(
    update(UPLOADS).where(*MINE).values(errors=_u.errors + cast(bindparam("more"), BigInteger)).returning(_u.errors)
)
_ERRORS: Final = """
insert into upload_errors (tenant_id, upload_id, number, line, column_name, value, reason)
select $1, $2, g.* from unnest($3::bigint[], $4::bigint[], $5::text[], $6::text[], $7::text[]) as g
"""
_CANCEL = statement(
    update(UPLOADS)
    .where(*ONE, OPEN)
    .values(
        state=case((_u.lease_until.is_(None), "cancelled"), else_="cancelling"),
        finished_at=case((_u.lease_until.is_(None), cast(bindparam("now"), _TIME))),
        changed_at=NOW,
    )
    .returning(*UPLOAD)
)
#: The first free places go round the tenants, so that nobody's many files stand before another one's first (RL-04).
_STALLED: Final = """
select tenant_id, id from (
  select tenant_id, id, row_number() over (partition by tenant_id order by changed_at) as turn from uploads
  where state in ('queued', 'running', 'cancelling')
    and (lease_until is null or lease_until < clock_timestamp())
    and changed_at < clock_timestamp() - $1::interval
) as found order by turn limit $2
"""


def _keys(tx: Tx, upload: Upload) -> dict[str, object]:
    return {"tenant_id": tx.tenant_id, "id": upload.id, "fence": upload.fence}


async def claim(tx: Tx, id_: str, lease: timedelta, now: datetime) -> Upload | None:
    """Take an upload that nobody holds; None when somebody does, when it has ended, or while another is written."""
    return as_upload(await tx.fetchrow(_CLAIM, tenant_id=tx.tenant_id, id=id_, lease=lease, now=now))


async def waiting(tx: Tx) -> str | None:
    """The oldest of the tenant's uploads that nobody works on."""
    found: str | None = await tx.fetchval(_WAITING, tenant_id=tx.tenant_id)
    return found


async def hold(tx: Tx, upload: Upload, origin: str) -> State | None:
    """Lock the upload, and keep other writers of the origin away, for this transaction; None when it is not ours."""
    rows = await tx.fetch_sql(_HOLD, tx.tenant_id, upload.id, upload.fence, origin)
    return State(rows[0]["state"]) if rows else None


async def checkpoint(tx: Tx, upload: Upload, step: Step, lease: timedelta) -> None:
    """Move on behind a page, and count what it brought."""
    counts = {f"more_{name}": getattr(step, name) for name in _COUNTS}
    place = {"place": step.place, "line": step.line, "share": step.share}
    await tx.execute(_CHECKPOINT, **_keys(tx, upload), **counts, **place, lease=lease)


async def begin_writing(tx: Tx, upload: Upload) -> None:
    """Go from the first pass to the second, at the file's beginning."""
    await tx.execute(_BEGIN_WRITING, **_keys(tx, upload))


async def foresee_nothing(tx: Tx, upload: Upload) -> None:
    """Take back what the first pass counted as created and updated: there will be no second one."""
    await tx.execute(_FORESEE_NOTHING, **_keys(tx, upload))


async def finish(
    tx: Tx, upload: Upload, state: State, now: datetime, *, error: tuple[str, str] | None = None
) -> Upload | None:
    """End the upload; None when it is not ours any more."""
    code, message = error or (None, None)
    told = {"state": state, "error_code": code, "error_message": message}
    return as_upload(await tx.fetchrow(_FINISH, **_keys(tx, upload), **told, now=now))


async def beat(tx: Tx, upload: Upload, lease: timedelta) -> None:
    """Prolong the lease of an upload that is still ours."""
    await tx.execute(_BEAT, **_keys(tx, upload), lease=lease)


async def hand_back(tx: Tx, upload: Upload) -> None:
    """Give the upload back to whoever takes it next."""
    await tx.execute(_HAND_BACK, **_keys(tx, upload))


async def put_off(tx: Tx, upload: Upload, error: tuple[str, str]) -> None:
    """Give it back until something of ours is mended, and say what."""
    code, message = error
    await tx.execute(_PUT_OFF, **_keys(tx, upload), error_code=code, error_message=message)


async def describe(tx: Tx, upload: Upload, source: Source, form: str, digest: str) -> None:
    """Keep what the file turned out to be."""
    told = {"kind": source.kind, "encoding": source.encoding, "format": form, "digest": digest}
    await tx.execute(_DESCRIBE, **_keys(tx, upload), **told)


async def add_errors(tx: Tx, upload: Upload, errors: Sequence[RowError], most: int) -> None:
    """Keep row errors up to `most`, and count them all."""
    if not errors:
        return
    total = await tx.fetchval(_COUNT_ERRORS, **_keys(tx, upload), more=len(errors))
    before = most if total is None else total - len(errors)
    kept = errors[: max(0, most - before)]
    if kept:
        await tx.execute_sql(
            _ERRORS,
            *(tx.tenant_id, upload.id, list(range(before, before + len(kept)))),
            *([error.line for error in kept], [error.column for error in kept]),
            *([error.value for error in kept], [error.reason for error in kept]),
        )


async def ask_cancel(tx: Tx, id_: str, now: datetime) -> Upload | None:
    """End an upload that nobody works on, or tell its worker to; None when it has ended already."""
    return as_upload(await tx.fetchrow(_CANCEL, tenant_id=tx.tenant_id, id=id_, now=now))


async def stalled(tx: Tx, quiet: timedelta, limit: int) -> list[tuple[str, str]]:
    """Tenant and id of uploads that nobody works on, round the tenants; for the system alone."""
    return [(row["tenant_id"], row["id"]) for row in await tx.fetch_sql(_STALLED, quiet, limit)]
