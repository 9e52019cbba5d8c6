"""Statements that read the log of deliveries, and that put deliveries back to work."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
from sqlalchemy import DateTime, Text, and_, bindparam, cast, func, or_, select, text
from sqlalchemy.sql.elements import ColumnElement

from isthmus.engine.db import Statement, Tx, statement
from isthmus.features.webhooks_in.model.deliveries import Delivery
from isthmus.features.webhooks_in.tables import INBOX, REFUSED, REPLAYS, STEPS
from isthmus.kit import ids
from isthmus.kit.paging import Ask, Page

_EPOCH, _LATEST = datetime(1970, 1, 2, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)
_AROUND = timedelta(minutes=1)
_AS_IT_IS = re.compile(r"[A-Za-z0-9_.:@+ -]+")
_i, _s, _r, _p = INBOX.c, STEPS.c, REFUSED.c, REPLAYS.c
_TENANT = _i.tenant_id == bindparam("tenant_id")
_NAMES = (
    "id", "source_id", "provider", "received_at", "request_id", "address", "method", "topic", "event", "entity",
    "account", "object", "occurred_at", "simulated", "verdict", "connection_id", "state", "attempts", "next_at",
    "reason", "run_id", "replays", "done_at",
)  # fmt: skip
_WHOLE = (*_NAMES, "headers", "query", "body")


def _optional(name: str, column: ColumnElement[Any]) -> ColumnElement[bool]:
    given = cast(bindparam(name), Text)
    return or_(given.is_(None), column == given)


def _named_event() -> ColumnElement[bool]:
    """An event by its name, or those of a group: `order.*`."""
    given = cast(bindparam("event"), Text)
    group = and_(func.right(given, 2) == ".*", func.starts_with(_i.event, func.left(given, -1)))
    return or_(given.is_(None), _i.event == given, group)


_BODY = func.webhook_json(_i.body).op("#>>")(func.string_to_array(cast(bindparam("body_path"), Text), "."))
#: How many deliveries one page looks at, whatever it is filtered by; what lies behind them is for the next page.
LOOKED_AT = 10_000
_AFTER = or_(cast(bindparam("after"), Text).is_(None), _i.id < cast(bindparam("after"), Text))
# Ids hold their time: their bounds say which days are looked at.
_PLACE = and_(
    _TENANT,
    _i.id >= bindparam("first", type_=Text),
    _i.id < bindparam("end", type_=Text),
    _i.received_at >= cast(bindparam("since"), DateTime(timezone=True)),
    _i.received_at < cast(bindparam("until"), DateTime(timezone=True)),
    _optional("connection_id", _i.connection_id),
    _AFTER,
)
_LOOKED = select(_i.id).where(_PLACE).order_by(_i.id.desc()).limit(bindparam("looked")).subquery("looked")
_LEAST = select(func.min(_LOOKED.c.id)).scalar_subquery()
_FILTER = and_(
    _PLACE,
    _i.id >= func.coalesce(_LEAST, ""),
    _optional("topic", _i.topic),
    _optional("object", _i.object),
    _optional("account", _i.account),
    # the search for bytes is cheap and comes first; only what passes is read as JSON
    or_(
        cast(bindparam("body_path"), Text).is_(None),
        and_(
            func.position(func.convert_to(cast(bindparam("body_part"), Text), "UTF8").op("in")(_i.body)) > 0,
            cast(bindparam("body_value"), Text) == _BODY,
        ),
    ),
    _optional("source_id", _i.source_id),
    _optional("provider", _i.provider),
    _named_event(),
    _optional("state", _i.state),
)


def _page(holds: ColumnElement[bool]) -> Statement:
    chosen = select(*(_i[name] for name in _NAMES)).where(holds).order_by(_i.id.desc())
    return statement(chosen.limit(bindparam("limit")).offset(bindparam("offset")))


_MANY, _ALL = _page(_FILTER), _page(_PLACE)
#: The last that a page looked at; nothing where it looked at all that there is.
_REACHED = statement(select(_i.id).where(_PLACE).order_by(_i.id.desc()).limit(1).offset(bindparam("looked")))
# Before a delivery is routed nobody knows whether it is about something that may not be read, or about one person's own
# account: until then its body is shown only where a tenant has neither.
_MAY_BE_SHOWN = text("""(webhook_inbox.state <> 'received' or not exists (
  select from integrations g
  where g.tenant_id = :tenant_id and (g.user_scoped or cardinality(g.allowed_types) > 0)))""")
_ONE = statement(select(*(_i[name] for name in _WHOLE)).where(_TENANT, _i.id == bindparam("id"), _MAY_BE_SHOWN))
_STEPS = statement(
    select(_s.id, _s.at, _s.what, _s.outcome, _s.message, _s.run_id)
    .where(_s.tenant_id == bindparam("tenant_id"), _s.delivery_id == bindparam("id"))
    .order_by(_s.id)
    .limit(200)
)
_REFUSED = statement(
    select(_r.id, _r.at, _r.reason, _r.message, _r.address, _r.headers, _r.body)
    .where(
        _r.tenant_id == bindparam("tenant_id"),
        _r.source_id == bindparam("source_id"),
        or_(cast(bindparam("after"), Text).is_(None), _r.id < cast(bindparam("after"), Text)),
    )
    .order_by(_r.id.desc())
    .limit(bindparam("limit"))
    .offset(bindparam("offset"))
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Which deliveries are meant; None means any."""

    since: datetime
    until: datetime
    source_id: str | None = None
    connection_id: str | None = None
    provider: str | None = None
    event: str | None = None
    state: str | None = None
    topic: str | None = None
    object: str | None = None
    account: str | None = None
    #: A place in the JSON of the body such as `data.item_id`, and the text that must stand there.
    body_path: str | None = None
    body_value: str | None = None

    @property
    def picks(self) -> bool:
        """Whether something beside time and connection is asked for."""
        plain = {"since", "until", "connection_id"}
        return any(value is not None for name, value in asdict(self).items() if name not in plain)

    @property
    def bounds(self) -> tuple[str, str]:
        """The ids between which they lie; a delivery's own time may differ a little from that of its id."""
        return ids.floor("inb", max(self.since - _AROUND, _EPOCH)), ids.floor("inb", min(self.until, _LATEST) + _AROUND)

    @property
    def body_part(self) -> str:
        """What must stand somewhere among the body's bytes; nothing where JSON may write the value in another way."""
        return self.body_value if self.body_value and _AS_IT_IS.fullmatch(self.body_value) else ""


async def deliveries(tx: Tx, tenant_id: str, wanted: Filters, ask: Ask) -> Page[Delivery]:
    """Newest first, without headers and bodies. A page may be short, or empty, without being the last one."""
    first, end = wanted.bounds
    place = {"tenant_id": tenant_id, "first": first, "end": end, "after": ask.after}
    reach = {**place, "connection_id": wanted.connection_id, "since": wanted.since, "until": wanted.until}
    paged = {"limit": ask.limit + 1, "offset": ask.offset}
    if wanted.picks:
        given = {**asdict(wanted), "body_part": wanted.body_part, "looked": LOOKED_AT}
        rows = await tx.fetch(_MANY, **{**given, **reach, **paged})
    else:
        rows = await tx.fetch(_ALL, **reach, **paged)
    items = [Delivery(**dict(row)) for row in rows[: ask.limit]]
    if len(rows) > ask.limit or not wanted.picks:
        more = len(rows) > ask.limit
        return Page(items, items[-1].id if more else None, has_more=more)
    behind = await tx.fetch(_REACHED, **reach, looked=LOOKED_AT)
    return Page(items, _before(behind[0]["id"]) if behind else None, has_more=bool(behind))


def _before(id_: str) -> str:
    """A place from which the next page begins with this delivery."""
    return id_ + "0"


async def delivery(tx: Tx, tenant_id: str, id_: str) -> Delivery | None:
    """One, whole."""
    row = await tx.fetchrow(_ONE, tenant_id=tenant_id, id=id_)
    return None if row is None else Delivery(**dict(row))


async def steps(tx: Tx, tenant_id: str, id_: str) -> list[asyncpg.Record]:
    """The timeline of one."""
    return await tx.fetch(_STEPS, tenant_id=tenant_id, id=id_)


async def refused(tx: Tx, tenant_id: str, source_id: str, ask: Ask) -> Page[Mapping[str, Any]]:
    """What a source refused of late, newest first."""
    place = {"after": ask.after, "limit": ask.limit + 1, "offset": ask.offset}
    rows = await tx.fetch(_REFUSED, tenant_id=tenant_id, source_id=source_id, **place)
    items: list[Mapping[str, Any]] = [dict(row) for row in rows[: ask.limit]]
    more = len(rows) > ask.limit
    return Page(items, items[-1]["id"] if more else None, has_more=more)


_NEWEST = "select coalesce(max(id), '') as id from webhook_inbox where tenant_id = $1"
_FEED = """
select id, source_id, provider, received_at, request_id, address, method, topic, event, entity, account, object,
  occurred_at, simulated, verdict, connection_id, state, attempts, next_at, reason, run_id, replays, done_at, headers,
  query, body
from webhook_inbox
where tenant_id = $1 and id > $2 and ($3::text is null or source_id = $3)
  and ($4::text is null or event = $4 or right($4, 2) = '.*' and starts_with(event, left($4, -1)))
  and id <> all($6::text[])
  and (state <> 'received' or not exists (
    select from integrations g where g.tenant_id = $1 and (g.user_scoped or cardinality(g.allowed_types) > 0)))
order by id limit $5
"""


async def newest(tx: Tx, tenant_id: str) -> str:
    """The id of the newest delivery; empty where there is none."""
    return str((await tx.fetch_sql(_NEWEST, tenant_id))[0]["id"])


async def feed(
    tx: Tx,
    tenant_id: str,
    after: str,
    wanted: tuple[str | None, str | None],
    limit: int,
    without: Sequence[str] = (),
) -> list[Delivery]:
    """Whole deliveries behind an id, oldest first, of one (source, event) where these are named; some left out."""
    rows = await tx.fetch_sql(_FEED, tenant_id, after, *wanted, limit, list(without))
    return [Delivery(**dict(row)) for row in rows]


# Deliveries that may be replayed, of a stretch of ids that is short enough to be looked at in one go. What had nowhere
# to go is taken only where it is asked for by that name: it is routed anew, and worked off if that finds somebody.
_REPLAYABLE = """
select id, source_id, connection_id, provider, event, topic, entity, object, account, state,
  simulated and not rehearsed as simulated
from webhook_inbox
where tenant_id = $1 and received_at >= $2 and received_at < $3 and ($4::text is null or source_id = $4)
  and ($5::text is null or connection_id = $5) and ($6::text is null or provider = $6)
  and ($7::text is null or event = $7 or right($7, 2) = '.*' and starts_with(event, left($7, -1)))
  and ($8::text is null or state = $8)
  and ($9::text is null or topic = $9) and ($10::text is null or object = $10) and ($11::text is null or account = $11)
  and ($12::text is null or position(convert_to($14, 'UTF8') in body) > 0
    and webhook_json(body) #>> string_to_array($12, '.') = $13)
  and (state in ('done', 'ignored', 'dead') or state = 'unrouted' and $8 = 'unrouted') and not simulated
  and id >= $15 and id < $16 and id > $17 and id <= $18
order by id limit $19 for update
"""
_COUNT = """
select count(id) as found from webhook_inbox
where tenant_id = $1 and received_at >= $2 and received_at < $3 and ($4::text is null or source_id = $4)
  and ($5::text is null or connection_id = $5) and ($6::text is null or provider = $6)
  and ($7::text is null or event = $7 or right($7, 2) = '.*' and starts_with(event, left($7, -1)))
  and ($8::text is null or state = $8)
  and ($9::text is null or topic = $9) and ($10::text is null or object = $10) and ($11::text is null or account = $11)
  and ($12::text is null or position(convert_to($14, 'UTF8') in body) > 0
    and webhook_json(body) #>> string_to_array($12, '.') = $13)
  and (state in ('done', 'ignored', 'dead') or state = 'unrouted' and $8 = 'unrouted') and not simulated
  and id >= $15 and id < $16 and id > $17 and id <= $18
"""
_STRETCH = """
select max(id) as last, count(id) as looked from (
  select id from webhook_inbox where tenant_id = $1 and id >= $2 and id < $3 and id > $4 order by id limit $5
) stretch
"""
_NEWEST_OF = """
select coalesce(max(id), '') as last from webhook_inbox where tenant_id = $1 and id >= $2 and id < $3
"""
_NEW = """
insert into webhook_replays (tenant_id, id, filters, state, place, last, total, requested_by, created_at)
values ($1, $2, $3, 'running', '', $4, $5, $6, $7)
"""
_REPLAY = """
select id, filters, state, place, last, total, done, requested_by, created_at, done_at from webhook_replays
where tenant_id = $1 and id = $2
"""
_REPLAYS = """
select id, filters, state, place, last, total, done, requested_by, created_at, done_at from webhook_replays
where tenant_id = $1 and ($2::text is null or id < $2) order by id desc limit $3 offset $4
"""
_LOCKED = """
select id, filters, state, place, last, total, done, requested_by, created_at, done_at from webhook_replays
where tenant_id = $1 and id = $2 for update
"""
_MOVE = """
update webhook_replays set place = $3, done = done + $4, state = $5, done_at = $6
where tenant_id = $1 and id = $2 and state = 'running'
"""
_STOP = """
update webhook_replays set state = 'cancelled', done_at = $3 where tenant_id = $1 and id = $2 and state = 'running'
"""
_RUNNING_OF = "select count(*) as n from webhook_replays where tenant_id = $1 and state = 'running'"
_RUNNING = "select tenant_id, id from webhook_replays where state = 'running' limit $1"


def _values(wanted: Filters) -> list[object]:
    return [
        wanted.since, wanted.until, wanted.source_id, wanted.connection_id, wanted.provider, wanted.event, wanted.state,
        wanted.topic, wanted.object, wanted.account, wanted.body_path, wanted.body_value, wanted.body_part,
        *wanted.bounds,
    ]  # fmt: skip


async def stretch(tx: Tx, tenant_id: str, wanted: Filters, after: str, limit: int) -> tuple[str | None, bool]:
    """The last of the next so many deliveries in this time, whatever else is wanted; whether there may be more."""
    row = (await tx.fetch_sql(_STRETCH, tenant_id, *wanted.bounds, after, limit))[0]
    return row["last"], row["looked"] == limit


async def newest_of(tx: Tx, tenant_id: str, wanted: Filters) -> str:
    """The last delivery of this time; empty where there is none."""
    return str((await tx.fetch_sql(_NEWEST_OF, tenant_id, *wanted.bounds))[0]["last"])


async def count_replayable(tx: Tx, tenant_id: str, wanted: Filters, span: tuple[str, str]) -> int:
    """How many a replay would take behind the one id, up to the other."""
    return int((await tx.fetch_sql(_COUNT, tenant_id, *_values(wanted), *span))[0]["found"])


async def replayable(
    tx: Tx, tenant_id: str, wanted: Filters, span: tuple[str, str], limit: int
) -> list[dict[str, Any]]:
    """The next ones that a replay takes, as the planner wants to know them."""
    return [dict(row) for row in await tx.fetch_sql(_REPLAYABLE, tenant_id, *_values(wanted), *span, limit)]


async def insert_replay(
    tx: Tx, tenant_id: str, id_: str, filters: Mapping[str, Any], found: tuple[int, str], by: tuple[str, datetime]
) -> None:
    """A new replay of so many, as far as was counted, up to the last."""
    await tx.execute_sql(_NEW, tenant_id, id_, dict(filters), found[1], found[0], *by)


async def replay(tx: Tx, tenant_id: str, id_: str, *, locked: bool = False) -> Mapping[str, Any] | None:
    """One replay."""
    rows = await tx.fetch_sql(_LOCKED if locked else _REPLAY, tenant_id, id_)
    return dict(rows[0]) if rows else None


async def replays(tx: Tx, tenant_id: str, ask: Ask) -> Page[Mapping[str, Any]]:
    """Newest first."""
    rows = await tx.fetch_sql(_REPLAYS, tenant_id, ask.after, ask.limit + 1, ask.offset)
    items: list[Mapping[str, Any]] = [dict(row) for row in rows[: ask.limit]]
    more = len(rows) > ask.limit
    return Page(items, items[-1]["id"] if more else None, has_more=more)


async def update_replay(
    tx: Tx, tenant_id: str, id_: str, place: str, done: int, state: str, done_at: datetime | None
) -> None:
    """Move a replay on."""
    await tx.execute_sql(_MOVE, tenant_id, id_, place, done, state, done_at)


async def update_cancelled(tx: Tx, tenant_id: str, id_: str, now: datetime) -> bool:
    """Stop a replay that runs."""
    return await tx.execute_sql(_STOP, tenant_id, id_, now) > 0


async def running_of(tx: Tx, tenant_id: str, *, held: bool = True) -> int:
    """How many replays of the tenant run; `held` by a lock, no other begins until the commit."""
    if held:
        await tx.execute_sql("select pg_advisory_xact_lock(hashtextextended($1, 67))", tenant_id)
    return int((await tx.fetch_sql(_RUNNING_OF, tenant_id))[0]["n"])


async def running(tx: Tx, limit: int) -> list[tuple[str, str]]:
    """Replays that run: (tenant, id); as the system."""
    return [(row["tenant_id"], row["id"]) for row in await tx.fetch_sql(_RUNNING, limit)]
