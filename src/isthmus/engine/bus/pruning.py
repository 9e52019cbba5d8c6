"""Old events leave the log, a batch at a time: behind every listener, and never what the audit log is made of."""

from datetime import datetime
from typing import Final

from isthmus.engine.bus import log
from isthmus.engine.bus.log import Place
from isthmus.engine.db import Tx

_PRUNER: Final = "engine.prune"
_LOOK: Final = """
select xid, id, at from events
where (xid, id) > ($1, $2) and xid < coalesce((select min(xid) from bus_cursors where listener <> $3), $4)
order by xid, id limit $5
"""
_DELETE: Final = """
delete from events where (xid, id) > ($1, $2) and (xid, id) <= ($3, $4) and not audited
"""


async def prune(tx: Tx, before: datetime, limit: int = 5_000) -> tuple[int, bool]:
    """Delete events of before this time, of at most `limit` that are looked at; as the system.

    Audited ones stay: they are sealed, and go with their tenant. Answers how many were deleted, and whether there may
    be more. Its own place is kept, so that what stays is not looked at again.
    """
    place = await log.hold(tx, _PRUNER)
    if place is None:
        return 0, False
    rows = await tx.fetch_sql(_LOOK, place.xid, place.id, _PRUNER, await log.horizon(tx), limit)
    old = [row for row in rows if row["at"] < before]
    # What is younger may stand between older ones, by a few seconds: it ends the batch.
    young = next((place for place, row in enumerate(rows) if row["at"] >= before), len(rows))
    if not old or young == 0:
        return 0, False
    last = rows[young - 1]
    gone = await tx.execute_sql(_DELETE, place.xid, place.id, last["xid"], last["id"])
    await log.move(tx, _PRUNER, Place(last["xid"], last["id"]))
    return gone, young == limit
