"""Statements over pushes and what became of their items."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from isthmus.engine.db import Tx
from isthmus.features.pushes.model.edits import ItemState
from isthmus.features.pushes.model.values import kept
from isthmus.features.pushes.store.edits import TOGETHER, Noted, Wish
from isthmus.kit.paging import Ask, Page

_OPEN: Final = """
insert into pushes (tenant_id, id, origin, requested_by, items, created_at) values ($1, $2, $3, $4, $5, $6)
"""
_ITEMS: Final = """
insert into push_items (tenant_id, push_id, number, edit_id, version, connection_id, listing_id, variant, field,
  location, value, state)
select $1, $2, w.number, w.edit_id, w.version, w.connection_id, w.listing_id, w.variant, w.field, w.location, w.value,
  'waiting'
from jsonb_to_recordset($3::jsonb) as w (number integer, edit_id text, version integer, connection_id text,
  listing_id text, variant text, field text, location text, value jsonb)
"""
_LOST: Final = """
insert into push_items (tenant_id, push_id, number, edit_id, version, connection_id, listing_id, variant, field,
  location, value, state, code, reason, finished_at)
select $1, $2, w.number, w.edit_id, 1, w.connection_id, w.listing_id, w.variant, w.field, w.location, w.value,
  'refused', w.code, w.reason, $4
from jsonb_to_recordset($3::jsonb) as w (number integer, edit_id text, connection_id text, listing_id text,
  variant text, field text, location text, value jsonb, code text, reason text)
"""
#: Bounds that every id keeps have the planner expect few, and look each up: it knows little of a table that is full one
#: moment and empty the next, and would walk through all items that wait, batch by batch.
_CLOSE: Final = """
update push_items i set state = case when i.version = w.version then w.state else 'superseded' end,
  code = case when i.version = w.version then w.code end, reason = case when i.version = w.version then w.reason end,
  finished_at = $3
from jsonb_to_recordset($2::jsonb) as w (edit_id text, version integer, state text, code text, reason text)
where i.tenant_id = $1 and i.edit_id = w.edit_id and i.version <= w.version and i.state = 'waiting'
  and w.edit_id between '' and '~'
returning i.push_id
"""
_HELD: Final = """
update push_items i set code = w.code, reason = w.reason
from jsonb_to_recordset($2::jsonb) as w (edit_id text, code text, reason text)
where i.tenant_id = $1 and i.edit_id = w.edit_id and i.state = 'waiting'
"""
#: Their listings are about to go, and the edits with them; whoever closes them later knows why.
_DOOM: Final = """
update push_items set code = $3, reason = $4
where tenant_id = $1 and connection_id = any($2::text[]) and state = 'waiting'
"""
_ORPHANED: Final = """
select distinct i.tenant_id, i.connection_id from push_items i
where i.state = 'waiting' and not exists (
  select from edits e where e.tenant_id = i.tenant_id and e.id = i.edit_id
) limit $1
"""
_CLOSE_ORPHANS: Final = """
update push_items i set finished_at = $3, state = case when code = 'DISCONNECTED' then 'cancelled' else 'refused' end,
  code = case when code = any($4::text[]) then code else 'LISTING_GONE' end,
  reason = case when code = any($4::text[]) then reason else $5 end
where i.tenant_id = $1 and i.connection_id = $2 and i.state = 'waiting' and not exists (
  select from edits e where e.tenant_id = i.tenant_id and e.id = i.edit_id
)
returning i.push_id
"""
#: Whoever ends items of a push comes by here one after the other: of two that end the last ones at the same moment,
#: each would see the other's still waiting.
_BEFORE_FINISH: Final = """
select id from pushes where tenant_id = $1 and id = any($2::text[]) and finished_at is null order by id
for no key update
"""
_FINISH: Final = """
update pushes p set finished_at = $3
where p.tenant_id = $1 and p.id = any($2::text[]) and p.finished_at is null and not exists (
  select 1 from push_items i where i.tenant_id = $1 and i.push_id = p.id and i.state = 'waiting'
)
returning p.id
"""
_COUNTS: Final = """
select push_id, state, count(*) as found from push_items where tenant_id = $1 and push_id = any($2::text[])
group by push_id, state
"""
_MANY: Final = """
select id, origin, requested_by, items, created_at, finished_at from pushes
where tenant_id = $1 and ($2::text is null or id < $2) and ($3::text is null or id = $3)
order by id desc limit $4 offset $5
"""
_OF_PUSH: Final = """
select i.number, i.connection_id, i.listing_id, i.variant, i.field, i.location, i.value, i.state, i.code, i.reason,
  i.finished_at, e.state as standing, e.due_at
from push_items i
left join edits e on e.tenant_id = i.tenant_id and e.id = i.edit_id and e.version = i.version and i.state = 'waiting'
where i.tenant_id = $1 and i.push_id = $2 and i.number > $3 and ($4::text is null or i.state = $4)
order by i.number limit $5 offset $6
"""
_REFUSED: Final = """
select listing_id, variant, field, location, value, connection_id from push_items
where tenant_id = $1 and push_id = $2 and state = 'refused' order by number
"""
_PRUNE: Final = """
delete from pushes where (tenant_id, id) in (
  select tenant_id, id from pushes where finished_at < $1 order by finished_at limit $2
)
"""


@dataclass(frozen=True, slots=True)
class Closed:
    """How an edit of a version ended; older ones of it were superseded."""

    edit_id: str
    version: int
    state: ItemState
    code: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Lost:
    """A wish that was refused before anybody could send it."""

    wish: Wish
    code: str
    reason: str


async def open_push(tx: Tx, id_: str, told: tuple[str, str], items: int, now: datetime) -> None:
    """Note a push; `told` is where it came from and who wants it."""
    await tx.execute_sql(_OPEN, tx.tenant_id, id_, *told, items, now)


async def add_items(tx: Tx, push_id: str, wishes: Sequence[Wish], noted: Mapping[Any, Noted]) -> None:
    """The items of a push, in their order."""
    for start in range(0, len(wishes), TOGETHER):
        rows = [
            {**_item(number, one), "edit_id": noted[one.place].edit_id, "version": noted[one.place].version}
            for number, one in enumerate(wishes[start : start + TOGETHER], start + 1)
        ]
        await tx.execute_sql(_ITEMS, tx.tenant_id, push_id, rows)


def _item(number: int, one: Wish) -> dict[str, object]:
    return {
        "number": number,
        "edit_id": one.id,
        "connection_id": one.connection_id,
        "listing_id": one.place.listing_id,
        "variant": one.place.variant,
        "field": one.place.field,
        "location": one.place.location,
        "value": kept(one.value),
    }


async def add_lost(tx: Tx, push_id: str, behind: int, lost: Sequence[Lost], now: datetime) -> list[str]:
    """Items of a push that have ended, `behind` so many others; the push, if none of it waits."""
    rows = [
        {**_item(number, one.wish), "code": one.code, "reason": one.reason}
        for number, one in enumerate(lost, behind + 1)
    ]
    await tx.execute_sql(_LOST, tx.tenant_id, push_id, rows, now)
    return await _finished(tx, [{"push_id": push_id}], now)


async def close(tx: Tx, closed: Sequence[Closed], now: datetime) -> list[str]:
    """Items have ended; the pushes of which none waits any more."""
    if not closed:
        return []
    rows = [
        {"edit_id": one.edit_id, "version": one.version, "state": one.state, "code": one.code, "reason": one.reason}
        for one in closed
    ]
    return await _finished(tx, await tx.fetch_sql(_CLOSE, tx.tenant_id, rows, now), now)


async def _finished(tx: Tx, closed: Sequence[Mapping[str, Any]], now: datetime) -> list[str]:
    touched = {row["push_id"] for row in closed}
    if not touched:
        return []
    open_ones = [row["id"] for row in await tx.fetch_sql(_BEFORE_FINISH, tx.tenant_id, sorted(touched))]
    return [row["id"] for row in await tx.fetch_sql(_FINISH, tx.tenant_id, open_ones, now)] if open_ones else []


async def doom(tx: Tx, tenant_id: str, connection_ids: Sequence[str], code: str, reason: str) -> None:
    """Say of waiting items, whose edits end with this transaction, what they end of."""
    await tx.execute_sql(_DOOM, tenant_id, list(connection_ids), code, reason)


async def orphaned(tx: Tx, limit: int) -> list[tuple[str, str]]:
    """Tenant and connection of waiting items whose edits are gone; across tenants, so for the system alone."""
    return [(row["tenant_id"], row["connection_id"]) for row in await tx.fetch_sql(_ORPHANED, limit)]


async def close_orphans(tx: Tx, connection_id: str, told: tuple[Sequence[str], str], now: datetime) -> list[str]:
    """Waiting items whose edits went with their listings have ended; the pushes of which none waits any more.

    `told` is which codes say by themselves what they ended of, and the reason of all others.
    """
    codes, reason = told
    rows = await tx.fetch_sql(_CLOSE_ORPHANS, tx.tenant_id, connection_id, now, list(codes), reason)
    return await _finished(tx, rows, now)


async def held(tx: Tx, reasons: Sequence[tuple[str, str, str]]) -> None:
    """Say why items still wait: edit, code and reason."""
    if reasons:
        rows = [{"edit_id": id_, "code": code, "reason": reason} for id_, code, reason in reasons]
        await tx.execute_sql(_HELD, tx.tenant_id, rows)


async def counts(tx: Tx, push_ids: Sequence[str]) -> dict[str, dict[str, int]]:
    """By push: how many items stand how."""
    found: dict[str, dict[str, int]] = {}
    for row in await tx.fetch_sql(_COUNTS, tx.tenant_id, push_ids):
        found.setdefault(row["push_id"], {})[row["state"]] = row["found"]
    return found


async def many(tx: Tx, ask: Ask, id_: str | None = None) -> Page[Mapping[str, Any]]:
    """Pushes, newest first, or the one of that id."""
    rows = await tx.fetch_sql(_MANY, tx.tenant_id, ask.after, id_, ask.limit + 1, ask.offset)
    items: list[Mapping[str, Any]] = [dict(row) for row in rows[: ask.limit]]
    more = len(rows) > ask.limit
    return Page(items, items[-1]["id"] if more else None, has_more=more)


async def items(tx: Tx, push_id: str, state: str | None, ask: Ask) -> Page[Mapping[str, Any]]:
    """The items of a push in their order; `standing` is how a waiting one stands just now."""
    after = int(ask.after or 0)
    rows = await tx.fetch_sql(_OF_PUSH, tx.tenant_id, push_id, after, state, ask.limit + 1, ask.offset)
    found: list[Mapping[str, Any]] = [dict(row) for row in rows[: ask.limit]]
    more = len(rows) > ask.limit
    return Page(found, str(found[-1]["number"]) if more else None, has_more=more)


async def refused(tx: Tx, push_id: str) -> list[Mapping[str, Any]]:
    """What of a push was refused."""
    return [dict(row) for row in await tx.fetch_sql(_REFUSED, tx.tenant_id, push_id)]


async def ended(tx: Tx, push_ids: Sequence[str], field: str) -> dict[tuple[str, str, str], str]:
    """By push, listing and variant: how the item of this field stands."""
    rows = await tx.fetch_sql(
        "select push_id, listing_id, variant, state from push_items"
        " where tenant_id = $1 and push_id = any($2::text[]) and field = $3",
        tx.tenant_id,
        push_ids,
        field,
    )
    return {(row["push_id"], row["listing_id"], row["variant"]): row["state"] for row in rows}


async def prune(tx: Tx, before: datetime, limit: int) -> int:
    """Forget pushes that ended long ago; across tenants, so for the system alone."""
    return await tx.execute_sql(_PRUNE, before, limit)
