"""Statements over conflicts and the rules that decide them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from isthmus.connect.edits import EditField, EditValue
from isthmus.engine.db import Tx
from isthmus.features.pushes.model.conflicts import ConflictFilter, FieldConflict
from isthmus.features.pushes.model.edits import LiveEdit, Place, Winner
from isthmus.features.pushes.model.merging import Rule
from isthmus.features.pushes.model.values import kept, read
from isthmus.kit.paging import Ask, Page

#: Where somebody who walks over all open questions has come: a tenant and an edit.
Turn = tuple[str, str]
FIRST: Final[Turn] = ("", "")
#: When each side changed a field: ours and theirs.
Times = tuple[datetime | None, datetime | None]

_ADD: Final = """
insert into conflicts (tenant_id, id, edit_id, connection_id, listing_id, variant, field, location, base, ours, theirs,
  state, rule, winner, value, automatic, decided_by, created_at, decided_at)
select $1, w.id, w.edit_id, $2, w.listing_id, w.variant, w.field, w.location, w.base, w.ours, w.theirs,
  case when w.winner is null then 'open' else 'resolved' end, w.rule, w.winner,
  case w.winner when 'ours' then w.ours when 'theirs' then w.theirs end, w.winner is not null, null, $4,
  case when w.winner is not null then $4::timestamptz end
from jsonb_to_recordset($3::jsonb) as w (id text, edit_id text, listing_id text, variant text, field text,
  location text, base jsonb, ours jsonb, theirs jsonb, rule text, winner text)
on conflict (tenant_id, edit_id) where state = 'open' do update set
  ours = excluded.ours, theirs = excluded.theirs, base = excluded.base
returning id
"""
_END: Final = """
update conflicts c set state = 'resolved', winner = w.winner, value = w.value, theirs = w.theirs,
  rule = coalesce(w.rule, c.rule), automatic = true, decided_at = $3
from jsonb_to_recordset($2::jsonb) as w (edit_id text, winner text, value jsonb, theirs jsonb, rule text)
where c.tenant_id = $1 and c.edit_id = w.edit_id and c.state = 'open'
returning c.id, c.edit_id
"""
#: Questions about edits that went with their listings.
_DROP_ORPHANS: Final = """
update conflicts c set state = 'undone', decided_at = $3
where c.tenant_id = $1 and c.connection_id = $2 and c.state = 'open' and not exists (
  select from edits e where e.tenant_id = c.tenant_id and e.id = c.edit_id
)
"""
#: One page of the open questions, of which none is held up by whoever has an edit in hand just now.
_RECONSIDER: Final = """
with page as materialized (
  select tenant_id, edit_id, listing_id from conflicts
  where state = 'open' and (tenant_id, edit_id) > ($1, $2) order by tenant_id, edit_id limit $3
), fresh as (
  select e.tenant_id, e.id from page p
  join listings l on l.tenant_id = p.tenant_id and l.id = p.listing_id
  join edits e on e.tenant_id = p.tenant_id and e.id = p.edit_id
  where l.updated_at >= $4 and e.state = 'conflict' and e.due_at is null
  order by e.tenant_id, e.id for update of e skip locked
), due as (
  update edits e set due_at = $5 from fresh f where e.tenant_id = f.tenant_id and e.id = f.id
), pointless as (
  update conflicts c set state = 'undone', decided_at = $5 from page p
  where c.tenant_id = p.tenant_id and c.edit_id = p.edit_id and c.state = 'open' and not exists (
    select from edits e where e.tenant_id = c.tenant_id and e.id = c.edit_id)
)
select tenant_id, edit_id from page order by tenant_id desc, edit_id desc limit 1
"""
_RECONSIDER_OF: Final = """
with fresh as (
  select e.tenant_id, e.id from unnest($1::text[], $2::text[]) as w (tenant_id, listing_id)
  join edits e on e.tenant_id = w.tenant_id and e.listing_id = w.listing_id
  where e.state = 'conflict' and e.due_at is null order by e.tenant_id, e.id for update of e skip locked
)
update edits e set due_at = $3 from fresh f where e.tenant_id = f.tenant_id and e.id = f.id
"""
#: Conflicts about listings that may not be read any more are shown to nobody.
_MANY: Final = """
select id, edit_id, connection_id, listing_id, variant, field, location, base, ours, theirs, state, rule, winner, value,
  automatic, decided_by, created_at, decided_at
from conflicts
where tenant_id = $1 and ($2::text is null or id < $2) and ($3::text is null or connection_id = $3)
  and ($4::text is null or state = $4) and ($5::text is null or field = $5) and ($6::text is null or listing_id = $6)
  and not connection_id = any(array(
    select h.connection_id from hidden_records h where h.tenant_id = $1 and h.shard_type = 'product'))
order by id desc limit $7 offset $8
"""
_ONE: Final = """
select id, edit_id, connection_id, listing_id, variant, field, location, base, ours, theirs, state, rule, winner, value,
  automatic, decided_by, created_at, decided_at
from conflicts where tenant_id = $1 and id = $2
  and not connection_id = any(array(
    select h.connection_id from hidden_records h where h.tenant_id = $1 and h.shard_type = 'product'))
"""
_TIMES: Final = """
select e.id, e.wanted_at, l.platform_updated_at from edits e
join listings l on l.tenant_id = e.tenant_id and l.id = e.listing_id
where e.tenant_id = $1 and e.id = any($2::text[])
"""
_HELD: Final = _ONE + "for update"
_DECIDE: Final = """
update conflicts set state = 'resolved', winner = $3, value = $4, decided_by = $5, decided_at = $6
where tenant_id = $1 and id = $2 and state = 'open'
"""
_RULES: Final = """
select connection_id, rules, version from conflict_rules where tenant_id = $1 and connection_id in ('', $2)
"""
_SET_RULES: Final = """
insert into conflict_rules (tenant_id, connection_id, rules, version) values ($1, $2, $3, 1)
on conflict (tenant_id, connection_id) do update set rules = excluded.rules, version = conflict_rules.version + 1
"""
_PRUNE: Final = """
delete from conflicts where (tenant_id, id) in (
  select tenant_id, id from conflicts where decided_at < $1 and state <> 'open' limit $2
)
"""


@dataclass(frozen=True, slots=True)
class Found:
    """Both sides changed a field; `winner` is ours or theirs where a rule decided, None where a person will."""

    id: str
    edit: LiveEdit
    theirs: EditValue
    rule: Rule
    winner: Winner | None


@dataclass(frozen=True, slots=True)
class Ended:
    """An open question that answers itself: the value that is left, and the rule that decided, if one did."""

    edit_id: str
    winner: Winner
    value: EditValue
    theirs: EditValue
    rule: Rule | None = None


async def add(tx: Tx, connection_id: str, found: Sequence[Found], now: datetime) -> set[str]:
    """Note conflicts, decided ones too; those that are new.

    One that is open for its field already stays, with both values as they are by now.
    """
    if not found:
        return set()
    rows = [
        {
            "id": one.id,
            "edit_id": one.edit.id,
            "listing_id": one.edit.place.listing_id,
            "variant": one.edit.place.variant,
            "field": one.edit.place.field,
            "location": one.edit.place.location,
            "base": None if one.edit.base is None else kept(one.edit.base[0]),
            "ours": kept(one.edit.value),
            "theirs": kept(one.theirs),
            "rule": one.rule,
            "winner": one.winner,
        }
        for one in found
    ]
    noted = {row["id"] for row in await tx.fetch_sql(_ADD, tx.tenant_id, connection_id, rows, now)}
    return noted & {one.id for one in found}


async def end(tx: Tx, ended: Sequence[Ended], now: datetime) -> dict[str, str]:
    """Close open questions that need nobody any more; the questions' ids by edit."""
    if not ended:
        return {}
    rows = [
        {
            "edit_id": one.edit_id,
            "winner": one.winner,
            "value": kept(one.value),
            "theirs": kept(one.theirs),
            "rule": one.rule,
        }
        for one in ended
    ]
    return {row["edit_id"]: row["id"] for row in await tx.fetch_sql(_END, tx.tenant_id, rows, now)}


async def drop_orphans(tx: Tx, connection_id: str, now: datetime) -> None:
    """Close the questions of a connection whose edits went with their listings."""
    await tx.execute_sql(_DROP_ORPHANS, tx.tenant_id, connection_id, now)


async def reconsider(tx: Tx, after: Turn, limit: int, since: datetime, now: datetime) -> Turn | None:
    """Fields in conflict whose listings changed since then are to be compared anew, of the `limit` questions behind
    `after`; the last of these, None where there is none. Questions without an edit close. For the system alone.
    """
    rows = await tx.fetch_sql(_RECONSIDER, *after, limit, since, now)
    return (rows[0]["tenant_id"], rows[0]["edit_id"]) if rows else None


async def reconsider_of(tx: Tx, listings: Sequence[tuple[str, str]], now: datetime) -> None:
    """The same of these listings, by tenant and id; for the system alone."""
    await tx.execute_sql(_RECONSIDER_OF, [tenant for tenant, _ in listings], [id_ for _, id_ in listings], now)


async def many(tx: Tx, wanted: ConflictFilter, ask: Ask) -> Page[FieldConflict]:
    """Newest first."""
    rows = await tx.fetch_sql(
        _MANY,
        *(tx.tenant_id, ask.after, wanted.connection_id, wanted.state, wanted.field, wanted.listing_id),
        *(ask.limit + 1, ask.offset),
    )
    items = [_conflict(row) for row in rows[: ask.limit]]
    more = len(rows) > ask.limit
    return Page(items, items[-1].id if more else None, has_more=more)


async def one(tx: Tx, id_: str, *, held: bool = False) -> FieldConflict | None:
    """One conflict, held for the rest of the transaction where it is to be changed."""
    rows = await tx.fetch_sql(_HELD if held else _ONE, tx.tenant_id, id_)
    return _conflict(rows[0]) if rows else None


def _conflict(row: Mapping[str, Any]) -> FieldConflict:
    field = EditField(row["field"])
    return FieldConflict(
        id=row["id"],
        edit_id=row["edit_id"],
        connection_id=row["connection_id"],
        place=Place(row["listing_id"], row["variant"], field, row["location"]),
        base=None if row["base"] is None else (read(field, row["base"]),),
        ours=read(field, row["ours"]),
        theirs=read(field, row["theirs"]),
        state=row["state"],
        rule=Rule(row["rule"]),
        winner=row["winner"],
        value=None if row["value"] is None else read(field, row["value"]),
        automatic=row["automatic"],
        decided_by=row["decided_by"],
        created_at=row["created_at"],
        decided_at=row["decided_at"],
    )


async def times(tx: Tx, edit_ids: Sequence[str]) -> dict[str, Times]:
    """By edit: when somebody wanted its value here, and when the listing changed over there, if the platform tells."""
    rows = await tx.fetch_sql(_TIMES, tx.tenant_id, edit_ids)
    return {row["id"]: (row["wanted_at"], row["platform_updated_at"]) for row in rows}


async def decide(tx: Tx, id_: str, winner: str, value: EditValue, told: tuple[str, datetime]) -> bool:
    """Note a person's decision; False where another one came first."""
    return await tx.execute_sql(_DECIDE, tx.tenant_id, id_, winner, kept(value), *told) == 1


async def set_undone(tx: Tx, id_: str, told: tuple[str, datetime]) -> None:
    """Note that a decision was taken back."""
    await tx.execute_sql(
        "update conflicts set state = 'undone', decided_by = $3, decided_at = $4 where tenant_id = $1 and id = $2",
        tx.tenant_id,
        id_,
        *told,
    )


async def ours_now(tx: Tx, edits: Mapping[str, EditValue]) -> None:
    """Fields in conflict that are wanted anew: the open conflicts show the newer values."""
    await tx.execute_sql(
        "update conflicts c set ours = w.value from jsonb_to_recordset($2::jsonb) as w (id text, value jsonb)"
        " where c.tenant_id = $1 and c.edit_id = w.id and c.state = 'open'",
        tx.tenant_id,
        [{"id": id_, "value": kept(value)} for id_, value in edits.items()],
    )


async def drop_open(tx: Tx, tenant_id: str, edit_ids: Sequence[str], now: datetime) -> None:
    """Close the conflicts of edits that nobody wants any more."""
    await tx.execute_sql(
        "update conflicts set state = 'undone', decided_at = $3"
        " where tenant_id = $1 and edit_id = any($2::text[]) and state = 'open'",
        tenant_id,
        edit_ids,
        now,
    )


async def rules(tx: Tx, connection_id: str) -> tuple[dict[str, str], dict[str, str]]:
    """The rules that were set for all of the tenant, and for this connection."""
    found = {row["connection_id"]: row["rules"] for row in await tx.fetch_sql(_RULES, tx.tenant_id, connection_id)}
    return found.get("", {}), found.get(connection_id, {}) if connection_id else {}


async def hold_rules(tx: Tx, connection_id: str, tenant_id: str) -> None:
    """Nobody else replaces the rules of a connection, or of all where it is empty, before the commit."""
    place = f"{tenant_id}/{connection_id}"
    await tx.execute_sql("select pg_advisory_xact_lock(hashtextextended($1, 83))", place)


async def set_rules(tx: Tx, connection_id: str, given: Mapping[str, str], tenant_id: str | None = None) -> None:
    """Replace the rules of a connection, or of all where it is empty; the system alone names a tenant."""
    await tx.execute_sql(_SET_RULES, tenant_id or tx.tenant_id, connection_id, dict(given))


async def prune(tx: Tx, before: datetime, limit: int) -> int:
    """Forget decisions that were made long ago; across tenants, so for the system alone."""
    return await tx.execute_sql(_PRUNE, before, limit)
