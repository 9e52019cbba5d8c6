"""The event log: a table that facts are appended to, and the order they are read in.

A row is read once every transaction that could still put a row before it has ended: rows are ordered by
(transaction id, id), and only those below the snapshot's oldest running transaction are seen. A reader's place
therefore never passes a gap that is filled later (security.md PR-03).

Rows lie in days, by the database's clock at the beginning of their transaction; audited ones have no day on which they
could go. Statements name the first day that may hold what they look for, so that older ones are not touched.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final, Self

from sqlalchemy import Boolean, Column, Date, DateTime, Index, Text
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import UserDefinedType

from isthmus.engine.db import Tx, platform_table, tenant_table
from isthmus.kit import ids
from isthmus.kit.clock import Clock
from isthmus.kit.events import Event

CHANNEL: Final = "isthmus_events"


class TransactionId(UserDefinedType[int]):
    """PostgreSQL's 64-bit transaction id."""

    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        return "XID8"


EVENTS = tenant_table(
    "events",
    Column("id", Text, primary_key=True),
    Column("xid", TransactionId, nullable=False, server_default=sql("pg_current_xact_id()")),
    Column("type", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("public", Boolean, nullable=False),
    Column("audited", Boolean, nullable=False),
    Column("body", JSONB, nullable=False),
    Column("actor", Text, nullable=False),
    Column("address", Text),
    Column("request_id", Text),
    Column("route", Text),
    Column("on_behalf_of", Text),
    Column("before", JSONB),
    Column("after", JSONB),
    Column("day", Date, primary_key=True, server_default=sql("'infinity'")),
    append_only=True,
)
EVENTS.dialect_options["postgresql"]["partition_by"] = "RANGE (day)"
Index(None, EVENTS.c.xid, EVENTS.c.id)
Index(None, EVENTS.c.tenant_id, EVENTS.c.xid, EVENTS.c.id)

CURSORS = platform_table(
    "bus_cursors",
    Column("listener", Text, primary_key=True),
    Column("xid", TransactionId, nullable=False),
    Column("id", Text, nullable=False),
    Column("moved_at", DateTime(timezone=True), nullable=False, server_default=sql("now()")),
    #: Since when no process has known this listener; null while one does.
    Column("missing_since", DateTime(timezone=True)),
)

_NAMED: Final = """
select e.tenant_id, e.id, e.type, e.subject, e.at, e.public, e.body
from unnest($1::text[], $2::text[]) as g (tenant_id, id)
join events e on e.tenant_id = g.tenant_id and e.id = g.id
  and (e.day between '<since>' and '<until>' or e.day = 'infinity')
"""
#: How far the clock that an id was made by may be from the database's; what it is more is found all the same.
_APART: Final = timedelta(days=1)
_APPEND: Final = """
with stored as (
  insert into events
    (tenant_id, id, type, subject, at, public, audited, body, actor, address, request_id, route, on_behalf_of, before,
     after, day)
  select $1, e.doc ->> 0, e.doc ->> 1, e.doc ->> 2, $2, (e.doc ->> 3)::boolean, (e.doc ->> 4)::boolean, e.doc -> 5,
    $3, $4, $5, $7, $8, nullif(e.doc -> 6, 'null'), nullif(e.doc -> 7, 'null'),
    case when (e.doc ->> 4)::boolean then 'infinity' else (now() at time zone 'utc')::date end
  from jsonb_array_elements($6::jsonb) as e(doc)
)
select pg_notify('isthmus_events', '')
"""
# What is known of a day when a plan is made is old or nothing: what was just written seems to be few rows, which are
# then all fetched, a whole index of the day read beside, and sorted. Values that the planner does not see, because they
# stand in subqueries, have the rows read in order up to the limit, and one plan serve for all.
_READ: Final = """
select tenant_id, id, xid, type, subject, at, public, audited, body, actor, address, request_id, before, after
from events
where tenant_id = $1 and (xid, id) > ((select $2::xid8), (select $3::text))
  and xid < pg_snapshot_xmin(pg_current_snapshot()) and day >= '<since>'
order by xid, id limit (select $4::bigint)
"""
_READ_ALL: Final = """
select tenant_id, id, xid, type, subject, at, public, audited, body, actor, address, request_id, before, after
from events
where (xid, id) > ((select $1::xid8), (select $2::text)) and xid < (select $3::xid8) and type = any($4::text[])
  and day >= '<since>'
order by xid, id limit (select $5::bigint)
"""
#: Asked for the first one in order, because the planner thinks that many match and would walk the whole table.
_WAITING: Final = """
select (
  select xid from events where xid >= (select $1::xid8) and day >= '<since>' order by xid limit 1) is not null as x
"""
_TYPES: Final = """
select type, count(*) as found from (
  select type from events where xid >= (select $1::xid8) and day >= '<since>' order by xid limit (select $2::bigint)
) as newest
group by type
"""
_LATER_ID: Final = "~"  # after every id: those start with a letter


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A position in the log: everything up to and with it was read."""

    xid: int = 0
    id: str = ""

    def __str__(self) -> str:
        return f"{self.xid}-{self.id}"

    @classmethod
    def of(cls, text: str) -> Self:
        """Read a place as `str()` wrote it. Raises ValueError."""
        number, dash, rest = text.partition("-")
        if not (dash and number.isascii() and number.isdecimal() and len(number) < 20 and len(rest) < 40):
            raise ValueError("not a place in the event log")
        if int(number) >= 1 << 63 or not (rest in ("", _LATER_ID) or ids.is_id(rest, "evt")):
            raise ValueError("not a place in the event log")
        return cls(int(number), rest)


@dataclass(frozen=True, slots=True)
class Envelope:
    """Who caused it and from where; for the audit log, never sent out."""

    actor: str
    address: str = ""
    request_id: str = ""
    #: The method and template of the route, where a request was the cause.
    route: str = ""
    #: Whose rights the actor uses: the maker of a key, the operator inside a tenant.
    on_behalf_of: str = ""


async def append(tx: Tx, events: Sequence[Event], envelope: Envelope, clock: Clock) -> list[str]:
    """Write facts of the transaction's tenant, in their order, in one statement; readers are woken by the commit.

    Answers their ids.
    """
    if not events:
        return []
    if tx.tenant_id is None:
        raise ValueError("an event belongs to a tenant: append it in a tenant's transaction")
    names = [f"evt_{one}" for one in sorted(ids.many(len(events), clock))]
    await tx.fetch_sql(
        _APPEND,
        tx.tenant_id,
        clock.now(),
        envelope.actor,
        envelope.address or None,
        envelope.request_id or None,
        # One document and not eight arrays: the driver looks at each element of an array several times.
        [
            (name, one.type, one.subject, one.public, one.audited, dict(one.body), one.before, one.after)
            for name, one in zip(names, events, strict=True)
        ],
        envelope.route or None,
        envelope.on_behalf_of or None,
    )
    return names


async def read(tx: Tx, tenant_id: str, after: Place, limit: int, since: date | None = None) -> list[dict[str, Any]]:
    """One tenant's events behind `after`, in commit order; `since` is the first day that may hold one."""
    rows = await tx.fetch_sql(_of(_READ, since), tenant_id, after.xid, after.id, limit)  # house: sql - see _of
    return [dict(row) for row in rows]


async def read_all(
    tx: Tx, after: Place, horizon: int, types: Sequence[str], limit: int, *, since: date | None = None
) -> list[dict[str, Any]]:
    """Every tenant's events of some types behind `after` and below `horizon`; as the system."""
    wanted = (after.xid, after.id, horizon, list(types), limit)
    rows = await tx.fetch_sql(_of(_READ_ALL, since), *wanted)  # house: sql - see _of
    return [dict(row) for row in rows]


async def named(tx: Tx, names: Collection[tuple[str, str]]) -> dict[tuple[str, str], dict[str, Any]]:
    """The public side of some events by tenant and id; those that are forgotten are not among them."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    made = sorted(ids.made_at(id_).date() for _, id_ in names if ids.is_id(id_, "evt"))
    # First in the days that the ids tell of, then anywhere.
    for since, until in [*([(made[0] - _APART, made[-1] + _APART)] if made else []), (None, None)]:
        wanted = [name for name in names if name not in found]
        if not wanted:
            break
        columns = [tenant for tenant, _ in wanted], [id_ for _, id_ in wanted]
        rows = await tx.fetch_sql(_of(_NAMED, since, until), *columns)  # house: sql - see _of
        found.update({(row["tenant_id"], row["id"]): dict(row) for row in rows})
    return found


def _of(statement: str, since: date | None, until: date | None = None) -> str:
    """The statement with its days written out, which are ours: so it is planned once, without all the other days."""
    from_day = statement.replace("<since>", "-infinity" if since is None else since.isoformat())
    return from_day.replace("<until>", "infinity" if until is None else until.isoformat())


async def horizon(tx: Tx) -> int:
    """The oldest transaction that may still write: every row below it is final."""
    found: int = (await tx.fetch_sql("select pg_snapshot_xmin(pg_current_snapshot()) as x"))[0]["x"]
    return found


async def end(tx: Tx) -> Place:
    """The place behind everything that is final now."""
    return before(await horizon(tx))


def before(horizon: int) -> Place:
    """The place behind every row below `horizon`."""
    return Place(horizon - 1, _LATER_ID)


async def waiting(tx: Tx, horizon: int, since: date | None = None) -> bool:
    """Whether rows are committed that an older, still running transaction holds back."""
    rows = await tx.fetch_sql(_of(_WAITING, since), horizon)  # house: sql - see _of
    return bool(rows[0]["x"])


async def types(tx: Tx, horizon: int, most: int, since: date | None = None) -> frozenset[str] | None:
    """Of which types the events of a transaction or later ones are, final or not; None where there are too many."""
    rows = await tx.fetch_sql(_of(_TYPES, since), horizon, most)  # house: sql - see _of
    return frozenset(row["type"] for row in rows) if sum(row["found"] for row in rows) < most else None


async def hold(tx: Tx, listener: str) -> tuple[Place, int] | None:
    """Lock a listener's cursor for this transaction: where it stands, and the horizon; None when another has it.

    The horizon may be older than the place, where that was moved in this very moment: then nothing is behind it.
    """
    held = """
    select xid, id, pg_snapshot_xmin(pg_current_snapshot()) as horizon from bus_cursors
    where listener = $1 for update skip locked
    """
    rows = await tx.fetch_sql(held, listener)
    # It is there but for the very first time; no row may also mean that another process holds it.
    made = "insert into bus_cursors (listener, xid, id) values ($1, $2, '') on conflict do nothing"
    if not rows and await tx.execute_sql(made, listener, 0):
        rows = await tx.fetch_sql(held, listener)
    return (Place(rows[0]["xid"], rows[0]["id"]), rows[0]["horizon"]) if rows else None


async def move(tx: Tx, listener: str, place: Place) -> None:
    """Move a listener's cursor; it is done when the transaction commits."""
    await tx.execute_sql(
        "update bus_cursors set xid = $2, id = $3, moved_at = now() where listener = $1",
        listener,
        place.xid,
        place.id,
    )
