"""The days that events lie in: made ahead, noted as they begin, and dropped whole once they are over.

A day's note says which transaction was the oldest one at some moment of that day. Whatever is written by that one or a
later one lies in the day before at the earliest, because no transaction lasts for a day: so a place in the log tells
from which day on to read, whatever any other clock says.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Final

from sqlalchemy import Column, Date, DateTime, Integer

from isthmus.engine.bus.log import Place, TransactionId
from isthmus.engine.db import Tx, platform_table, tenant_table

#: Days made beyond today, so that whoever makes them may be late.
_AHEAD: Final = 3
_DAY: Final = timedelta(days=1)

DAYS = platform_table(
    "bus_days",
    Column("day", Date, primary_key=True),
    #: The oldest transaction that was under way at some moment of this day.
    Column("xid", TransactionId, nullable=False),
)
RETENTION = tenant_table(
    "event_retention",
    Column("days", Integer, nullable=False),
    Column("changed_at", DateTime(timezone=True), nullable=False),
)

_TODAY: Final = "select (now() at time zone 'utc')::date as day"
_NOTE: Final = """
insert into bus_days (day, xid) select (now() at time zone 'utc')::date, pg_snapshot_xmin(pg_current_snapshot())
on conflict do nothing
"""
_NOTES: Final = "select day, xid from bus_days order by day"
_FORGET: Final = "delete from bus_days where day < current_date - 1000"


class Notes:
    """When the days began, by transactions."""

    def __init__(self, rows: Sequence[tuple[date, int]]) -> None:
        self._newest_first = [*reversed(rows)]

    @property
    def newest(self) -> date | None:
        """The last day that is noted."""
        return self._newest_first[0][0] if self._newest_first else None

    def since(self, place: Place) -> date | None:
        """The first day that may hold what stands behind the place; None: any may."""
        return next((day - _DAY for day, xid in self._newest_first if xid <= place.xid), None)


async def notes(tx: Tx) -> Notes:
    """What is noted so far."""
    return Notes([(row["day"], row["xid"]) for row in await tx.fetch_sql(_NOTES)])


async def today(tx: Tx) -> date:
    """The database's own."""
    found: date = (await tx.fetch_sql(_TODAY))[0]["day"]
    return found


async def make(tx: Tx, drop_before: date | None = None) -> int:
    """Note today, make the days ahead, and drop those before a day whole; how many changed. As the system."""
    await tx.execute_sql(_NOTE)
    await tx.execute_sql(_FORGET)
    last = await today(tx) + _AHEAD * _DAY
    return int((await tx.fetch_sql("select event_days.keep($1, $2) as changed", drop_before, last))[0]["changed"])


async def keep(tx: Tx, days: int | None) -> None:
    """Have the events of the transaction's tenant kept for so many days; None: as long as the deployment does."""
    if days is None:
        await tx.execute_sql("delete from event_retention where tenant_id = $1", tx.tenant_id)
        return
    await tx.execute_sql(
        """
        insert into event_retention (tenant_id, days, changed_at) values ($1, $2, now())
        on conflict (tenant_id) do update set days = excluded.days, changed_at = excluded.changed_at
        """,
        tx.tenant_id,
        days,
    )


async def kept(tx: Tx) -> int | None:
    """For how many days the transaction's tenant wants its events kept; None: as long as the deployment does."""
    rows = await tx.fetch_sql("select days from event_retention where tenant_id = $1", tx.tenant_id)
    return int(rows[0]["days"]) if rows else None


async def wishes(tx: Tx) -> list[tuple[str, int]]:
    """Tenants that chose for how many days; as the system."""
    rows = await tx.fetch_sql("select tenant_id, days from event_retention order by tenant_id")
    return [(row["tenant_id"], row["days"]) for row in rows]
