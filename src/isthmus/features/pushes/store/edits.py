"""Statements over edits that live: wished for, taken, marked before they are sent, and ended."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from isthmus.connect.edits import EditField, EditValue
from isthmus.engine.db import Tx
from isthmus.features.pushes.model.edits import Halt, Later, LiveEdit, Place, State
from isthmus.features.pushes.model.values import Kept, kept, read

#: Where a row lies: block and line.
RowPlace = tuple[int, int]
#: Rows of one statement: longer documents keep the process from all else while they are made.
TOGETHER: Final = 1_000

#: A field whose conflict waits for a person is compared anew, since both sides may agree now. What is in the hands of a
#: worker is found changed when it ends.
_WISH: Final = """
insert into edits (tenant_id, id, connection_id, listing_id, variant, field, location, value, base, currency, version,
  state, attempts, due_at, wanted_at, requested_by)
select $1, w.id, w.connection_id, w.listing_id, w.variant, w.field, w.location, w.value, w.base, w.currency, 1,
  'waiting', 0, $3, $3, $4
from jsonb_to_recordset($2::jsonb) as w (id text, connection_id text, listing_id text, variant text, field text,
  location text, value jsonb, base jsonb, currency text)
on conflict (tenant_id, listing_id, variant, field, location) do update set
  value = excluded.value, currency = excluded.currency, version = edits.version + 1, wanted_at = excluded.wanted_at,
  base = case when edits.state = 'waiting' and edits.sent is null then excluded.base else edits.base end,
  requested_by = excluded.requested_by, attempts = case when edits.state = 'waiting' then 0 else edits.attempts end,
  due_at = case when edits.state in ('waiting', 'conflict') then excluded.due_at else edits.due_at end
returning id, listing_id, variant, field, location, version
"""
#: By the index in their order: who takes some walks past none of those that wait. They stay locked until the end of the
#: transaction, and so do the places at which they lie.
_TAKE: Final = """
select ctid, id, listing_id, variant, field, location, value, currency, base, sent, version, state, attempts, wanted_at
from edits
where tenant_id = $1 and connection_id = $2 and due_at <= $3
  and (lease_until is null or lease_until < clock_timestamp())
order by due_at, id limit $4 for update skip locked
"""
#: By their places, since the table is empty one moment and long the next: no plan that is made for the one fits the
#: other, and a join by ids may compare each with each. Bounds that every place keeps have the planner expect few,
#: and so fetch each by itself. `told` is what the far side shows and what is sent, if anything.
_CLAIM: Final = """
update edits e set claim = $2, lease_until = clock_timestamp() + $3::interval,
  state = case when t.told -> 1 is null then e.state else 'sending' end,
  base = coalesce(t.told -> 0, e.base), sent = coalesce(t.told -> 1, e.sent)
from rows from (unnest($4::tid[]), jsonb_array_elements($5::jsonb)) as t (place, told)
where e.ctid = t.place and t.place between '(0,0)' and '(4294967295,65535)' and e.tenant_id = $1
"""
# What is told of each edit of a claim is one document by their ids, which is looked into and not joined, see _CLAIM.
_MARK: Final = """
update edits set state = 'sending', base = $3::jsonb -> id -> 0, sent = $3::jsonb -> id -> 1
where tenant_id = $1 and claim = $2 and lease_until > clock_timestamp() and $3::jsonb -> id is not null
returning id
"""
#: Where somebody wants another value meanwhile, the edit goes on from what the far side shows now.
_END: Final = """
with ended as (
  delete from edits where tenant_id = $1 and claim = $2 and version = ($3::jsonb -> id ->> 0)::integer
  returning id
), newer as (
  update edits set base = coalesce(nullif($3::jsonb -> id -> 1, 'null'), base), sent = null, state = 'waiting',
    attempts = 0, due_at = $4, claim = null, lease_until = null, code = null, reason = null
  where tenant_id = $1 and claim = $2 and version > ($3::jsonb -> id ->> 0)::integer
  returning id
)
select id from ended union all select id from newer
"""
_LATER: Final = """
update edits set state = $3::jsonb -> id ->> 0, due_at = ($3::jsonb -> id ->> 1)::timestamptz,
  attempts = ($3::jsonb -> id ->> 2)::integer, code = $3::jsonb -> id ->> 3, reason = $3::jsonb -> id ->> 4,
  claim = null, lease_until = null
where tenant_id = $1 and claim = $2 and $3::jsonb -> id is not null
"""
_UNPARK: Final = """
update edits set state = 'unsure', due_at = $3, attempts = 0
where tenant_id = $1 and connection_id = $2 and state = 'parked'
"""
_DECIDED: Final = """
update edits set state = 'waiting', value = $3, base = $4, sent = null, version = version + 1, due_at = $5,
  attempts = 0, wanted_at = $5, claim = null, lease_until = null
where tenant_id = $1 and id = $2 returning connection_id, version
"""
#: An item goes on with its edit, whose value keeps or changes its name.
_FOLLOW: Final = """
update push_items set version = $3 where tenant_id = $1 and edit_id = $2 and version = $3 - 1 and state = 'waiting'
"""
#: What cannot go out for a reason of the whole connection; nobody else's hands are forced.
_PUT_OFF: Final = """
with put as (
  update edits set
    state = case when state = 'conflict' then state when $3 then 'parked' when state = 'waiting' then state
      else 'unsure' end,
    due_at = case when state <> 'conflict' then $4::timestamptz end, code = $5, reason = $6,
    claim = null, lease_until = null
  where tenant_id = $1 and connection_id = any($2::text[]) and due_at <= coalesce($4::timestamptz, $7)
    and (lease_until is null or lease_until < clock_timestamp())
  returning id
)
update push_items i set code = $5, reason = $6 from put
where i.tenant_id = $1 and i.edit_id = put.id and i.state = 'waiting'
"""
_GO_ON: Final = """
update edits set due_at = $4 where tenant_id = $1 and connection_id = any($2::text[]) and code = $3 and due_at > $4
"""
#: The first places go round the connections, and so round the tenants.
_DUE: Final = """
select distinct tenant_id, connection_id from edits
where due_at <= $1 and (lease_until is null or lease_until < clock_timestamp()) limit $2
"""
_CANCEL: Final = """
delete from edits e using push_items i
where e.tenant_id = $1 and i.tenant_id = $1 and i.push_id = $2 and i.state = 'waiting' and e.id = i.edit_id
  and e.version = i.version and e.state in ('waiting', 'parked', 'conflict') and e.sent is null
  and (e.lease_until is null or e.lease_until < clock_timestamp())
returning e.id, e.version
"""


@dataclass(frozen=True, slots=True)
class Wish:
    """A field of a connection's listing that is to have a value; `base` is a tuple of one where it is known."""

    id: str
    connection_id: str
    place: Place
    value: EditValue
    base: tuple[EditValue] | None = None
    currency: str = ""


@dataclass(frozen=True, slots=True)
class Noted:
    """A wish as it was noted: the live edit of its place, and the edit's version."""

    edit_id: str
    version: int


async def wish(tx: Tx, wishes: Sequence[Wish], now: datetime, by: str) -> Mapping[Place, Noted]:
    """Note what is wanted; of two wishes for one place the newer counts.

    Everybody takes them in one order, so that nobody waits for somebody who waits.
    """
    ordered = sorted(wishes, key=_turn)
    noted: dict[Place, Noted] = {}
    for start in range(0, len(ordered), TOGETHER):
        rows = [_wished(one) for one in ordered[start : start + TOGETHER]]
        found = await tx.fetch_sql(_WISH, tx.tenant_id, rows, now, by)
        noted.update((_place(row), Noted(row["id"], row["version"])) for row in found)
    return noted


def _wished(one: Wish) -> dict[str, object]:
    return {
        "id": one.id,
        "connection_id": one.connection_id,
        "listing_id": one.place.listing_id,
        "variant": one.place.variant,
        "field": one.place.field,
        "location": one.place.location,
        "value": kept(one.value),
        "base": None if one.base is None else kept(one.base[0]),
        "currency": one.currency,
    }


def _turn(wish: Wish) -> tuple[str, str, str, str]:
    place = wish.place
    return place.listing_id, place.variant, place.field, place.location


def _place(row: Mapping[str, Any]) -> Place:
    return Place(row["listing_id"], row["variant"], EditField(row["field"]), row["location"])


@dataclass(frozen=True, slots=True)
class Taken:
    """An edit that this transaction has locked, and where its row lies until then."""

    edit: LiveEdit
    place: RowPlace


async def take(tx: Tx, connection_id: str, now: datetime, limit: int) -> list[Taken]:
    """Lock edits that are due and that nobody else holds, those that have been due for longest first."""
    rows = await tx.fetch_sql(_TAKE, tx.tenant_id, connection_id, now, limit)
    return [taken_of(row) for row in rows]


def taken_of(row: Mapping[str, Any]) -> Taken:
    """A row that was read and locked."""
    return Taken(_live(row), row["ctid"])


async def claim(
    tx: Tx, name: str, lease: timedelta, taken: Sequence[Taken], sending: Mapping[str, tuple[LiveEdit, EditValue]]
) -> None:
    """Hold edits that were taken in this transaction, beyond it, under a name that nobody else has.

    Of those that are sent next it is noted at once what is sent, and what the far side shows: `sending` is by edit id.
    """
    told = [_told(*sending[one.edit.id]) if one.edit.id in sending else () for one in taken]
    await tx.execute_sql(_CLAIM, tx.tenant_id, name, lease, [one.place for one in taken], told)


def _told(one: LiveEdit, theirs: EditValue) -> tuple[Kept, Kept]:
    return kept(theirs), kept(one.value)


def _live(row: Mapping[str, Any]) -> LiveEdit:
    place = _place(row)
    return LiveEdit(
        row["id"],
        place,
        read(place.field, row["value"]),
        row["currency"],
        None if row["base"] is None else (read(place.field, row["base"]),),
        None if row["sent"] is None else (read(place.field, row["sent"]),),
        row["version"],
        State(row["state"]),
        row["attempts"],
        row["wanted_at"],
    )


async def mark(tx: Tx, claim: str, sending: Sequence[tuple[LiveEdit, EditValue]]) -> set[str]:
    """Note before the call what is sent, and what the far side shows; those that are still ours to send."""
    told = {one.id: _told(one, theirs) for one, theirs in sending}
    return {row["id"] for row in await tx.fetch_sql(_MARK, tx.tenant_id, claim, told)} if told else set()


async def end(tx: Tx, claim: str, ended: Mapping[LiveEdit, tuple[EditValue] | None], now: datetime) -> set[str]:
    """These have ended, unless somebody wants another value meanwhile; those that were still ours to end.

    Each with what the far side shows now, None where that has not changed.
    """
    told = {one.id: (one.version, None if shows is None else kept(shows[0])) for one, shows in ended.items()}
    return {row["id"] for row in await tx.fetch_sql(_END, tx.tenant_id, claim, told, now)} if told else set()


async def later(tx: Tx, claim: str, rows: Mapping[str, Later]) -> None:
    """These go on later, by edit id."""
    told = {id_: (one.state, one.due_at, one.attempts, one.code, one.reason) for id_, one in rows.items()}
    if told:
        await tx.execute_sql(_LATER, tx.tenant_id, claim, told)


async def unpark(tx: Tx, tenant_id: str, connection_id: str, now: datetime) -> None:
    """Let what waited for a sign-in go on, by looking first."""
    await tx.execute_sql(_UNPARK, tenant_id, connection_id, now)


async def forget(tx: Tx, tenant_id: str, connection_ids: Sequence[str]) -> list[tuple[str, int]]:
    """Nothing of these connections is wanted any more; the edits that were, and their versions."""
    rows = await tx.fetch_sql(
        "delete from edits where tenant_id = $1 and connection_id = any($2::text[]) returning id, version",
        tenant_id,
        list(connection_ids),
    )
    return [(row["id"], row["version"]) for row in rows]


async def put_off(tx: Tx, tenant_id: str, connection_ids: Sequence[str], wait: Halt, now: datetime) -> None:
    """Nothing of these connections can be sent just now, and their items say why.

    Without a time they wait for a sign-in.
    """
    told = (wait.due_at is None, wait.due_at, wait.code, wait.reason)
    await tx.execute_sql(_PUT_OFF, tenant_id, list(connection_ids), *told, now)


async def go_on(tx: Tx, tenant_id: str, connection_ids: Sequence[str], code: str, now: datetime) -> None:
    """What was put off for this reason is due."""
    await tx.execute_sql(_GO_ON, tenant_id, list(connection_ids), code, now)


async def decided(tx: Tx, edit_id: str, value: EditValue, theirs: EditValue, now: datetime) -> tuple[str, int] | None:
    """A person wants this value over the far side's; connection and version, None where the edit is gone.

    It bears another key from then on, since the old one may have been sent in vain.
    """
    rows = await tx.fetch_sql(_DECIDED, tx.tenant_id, edit_id, kept(value), kept(theirs), now)
    if not rows:
        return None
    await tx.execute_sql(_FOLLOW, tx.tenant_id, edit_id, rows[0]["version"])
    return rows[0]["connection_id"], rows[0]["version"]


async def drop(tx: Tx, ids: Sequence[str]) -> None:
    """The far side's values stay."""
    await tx.execute_sql("delete from edits where tenant_id = $1 and id = any($2::text[])", tx.tenant_id, ids)


async def cancel(tx: Tx, push_id: str) -> list[tuple[str, int]]:
    """Take back what a push asked for and nobody has begun to send; the edits and their versions."""
    return [(row["id"], row["version"]) for row in await tx.fetch_sql(_CANCEL, tx.tenant_id, push_id)]


async def due(tx: Tx, now: datetime, limit: int) -> list[tuple[str, str]]:
    """Tenant and connection of edits that are due; across tenants, so for the system alone."""
    return [(row["tenant_id"], row["connection_id"]) for row in await tx.fetch_sql(_DUE, now, limit)]


@dataclass(frozen=True, slots=True)
class Live:
    """Edits of one variant that live: whether all may still be replaced, and the locations that they are for."""

    unsent: bool
    locations: frozenset[str]


async def under_way(tx: Tx, listing_ids: Sequence[str], field: EditField) -> dict[tuple[str, str], Live]:
    """Live edits of a field by listing and variant."""
    rows = await tx.fetch_sql(
        "select listing_id, variant, array_agg(distinct location) as locations,"
        " bool_and(state = 'waiting' and sent is null"
        " and (lease_until is null or lease_until < clock_timestamp())) as unsent from edits"
        " where tenant_id = $1 and listing_id = any($2::text[]) and field = $3 group by listing_id, variant",
        tx.tenant_id,
        listing_ids,
        field,
    )
    return {(row["listing_id"], row["variant"]): Live(row["unsent"], frozenset(row["locations"])) for row in rows}


async def next_due(tx: Tx, connection_id: str) -> datetime | None:
    """When the next edit of a connection that nobody holds is due."""
    rows = await tx.fetch_sql(
        "select min(due_at) as at from edits where tenant_id = $1 and connection_id = $2 and due_at is not null"
        " and (lease_until is null or lease_until < clock_timestamp())",
        tx.tenant_id,
        connection_id,
    )
    at: datetime | None = rows[0]["at"]
    return at


async def left(
    tx: Tx, connection_id: str, listing_ids: Sequence[str], now: datetime, most: int
) -> tuple[int, frozenset[str]]:
    """How many edits of a connection are due, and those of these listings of which something is still to be sent.

    `most` is how many are counted.
    """
    rows = await tx.fetch_sql(
        "select (select count(*) from ("
        "select from edits where tenant_id = $1 and connection_id = $2 and due_at <= $4 limit $5) as q) as due,"
        " (select array_agg(distinct listing_id) from edits"
        " where tenant_id = $1 and listing_id = any($3::text[]) and state <> 'sending') as busy",
        tx.tenant_id,
        connection_id,
        list(listing_ids),
        now,
        most,
    )
    return rows[0]["due"], frozenset(rows[0]["busy"] or ())
