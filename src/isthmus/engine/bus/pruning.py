"""Old events leave the log by days, behind every listener, and never what the audit log is made of.

What is older than the deployment keeps goes with its whole day; what a tenant wants forgotten sooner, and what lies in
no day because none was made in time, goes a batch at a time.
"""

from collections.abc import Collection
from datetime import date, timedelta
from typing import Final

from isthmus.engine.bus import days
from isthmus.engine.bus.log import Place
from isthmus.engine.db import Database, Tx

_SLOWEST: Final = "select min(xid) as xid from bus_cursors"
#: The place of a row is its day's own, so that both find it.
_OF_TENANT: Final = """
delete from events e using (
  select id, day from events where tenant_id = $1 and day < $2 and not audited limit $3) old
where e.tenant_id = $1 and e.id = old.id and e.day = old.day
"""
_OF_REST: Final = """
delete from events e using (
  select tenant_id, id, day from events where tableoid = 'event_days.rest'::regclass and day < $1 limit $2) old
where e.tenant_id = old.tenant_id and e.id = old.id and e.day = old.day
"""
_NOTE_MISSING: Final = """
update bus_cursors set missing_since = case when listener = any($1::text[]) then null else now() end
where (missing_since is null) <> (listener = any($1::text[]))
"""
_DROP_MISSING: Final = "delete from bus_cursors where missing_since < now() - $1::interval returning listener"


async def prune(database: Database, keep: timedelta, limit: int = 5_000, rounds: int = 100) -> int:
    """Make days ahead and forget what is old, in short transactions; how many days and events changed.

    keep: for how long the deployment keeps events, in whole days; nothing: for ever.
    """
    async with database.system() as tx:
        heard = await _heard(tx)
        today = await days.today(tx)
        oldest = min(today - keep, heard) if keep and heard is not None else None
        changed = await days.make(tx, oldest)
        wishes = await days.wishes(tx)
    if heard is None:
        return changed
    for tenant_id, kept in wishes:
        before = min(today - timedelta(days=kept), heard)
        changed += await _by_batches(database, (_OF_TENANT, tenant_id, before), limit, rounds)
    if oldest is not None:
        changed += await _by_batches(database, (_OF_REST, oldest), limit, rounds)
    return changed


async def _by_batches(database: Database, forget: tuple[str, *tuple[object, ...]], limit: int, rounds: int) -> int:
    gone = 0
    for _ in range(rounds):
        async with database.system() as tx:
            step = await tx.execute_sql(*forget, limit)
        gone += step
        if step < limit:
            break
    return gone


async def _heard(tx: Tx) -> date | None:
    """The first day that may hold what some listener has not heard; None: any may."""
    slowest: int | None = (await tx.fetch_sql(_SLOWEST))[0]["xid"]
    if slowest is None:
        return await days.today(tx)
    return (await days.notes(tx)).since(Place(slowest))


async def drop_missing(tx: Tx, known: Collection[str], grace: timedelta) -> list[str]:
    """Forget where listeners stood that no process has known for this time; who they were.

    Each process tells of those it knows. During the time a version of the code that still has one may come back; after
    it, a listener that is gone holds no event back any more.
    """
    await tx.execute_sql(_NOTE_MISSING, list(known))
    return [row["listener"] for row in await tx.fetch_sql(_DROP_MISSING, grace)]
