"""Records that have no table of their own: one trip compares a page, one writes it."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any

import asyncpg
import msgspec
from sqlalchemy import ColumnElement, Text, bindparam, cast, delete, func, select
from sqlalchemy.dialects.postgresql import ARRAY

from isthmus.connect.keeping import Alive
from isthmus.engine.db import Statement, Tx, statement
from isthmus.features.records.model import Kind, RecordFilter, RecordItem
from isthmus.features.records.store.hidden import shard_shown
from isthmus.features.records.tables import SHARDS
from isthmus.kit.paging import Ask, Page

_s = SHARDS.c
_SHOWN = tuple(column for column in _s if column.name not in {"tenant_id", "hash"})


class StoredShard(msgspec.Struct, frozen=True, gc=False):
    """What the store knows of a record before a write."""

    id: str
    hash: bytes


class Shard(msgspec.Struct, frozen=True, gc=False):
    """A record to write under this id."""

    item: RecordItem
    id: str
    created: bool


#: One look-up per id, as for listings: `= any(...)` may walk another index where there are no statistics yet.
_STORED = """
select s.external_id, s.id, s.hash
from unnest($4::text[]) as w(external_id)
cross join lateral (
  select external_id, id, hash from shards
  where tenant_id = $1 and connection_id = $2 and entity = $3 and external_id = w.external_id offset 0
) as s
"""
_WRITE = """
insert into shards (tenant_id, id, connection_id, provider, entity, shard_type, external_id, title, url, body, hash,
  version, source_updated_at, created_at, updated_at)
select $1, f.doc ->> 0, $2, $3, $4, $5, f.doc ->> 1, f.doc ->> 2, f.doc ->> 3, f.doc -> 5, f.hash, 1,
  (f.doc ->> 4)::timestamptz, $6, $6
from rows from (jsonb_array_elements($7::jsonb), unnest($8::bytea[])) as f(doc, hash)
on conflict (tenant_id, connection_id, entity, external_id) do update set
  provider = excluded.provider, shard_type = excluded.shard_type, title = excluded.title, url = excluded.url,
  body = excluded.body, hash = excluded.hash, version = shards.version + 1,
  source_updated_at = excluded.source_updated_at, updated_at = excluded.updated_at
"""
_ALIVE = """
select external_id, id from shards
where tenant_id = $1 and connection_id = $2 and entity = $3 and external_id > $4
  and ($6::timestamptz is null or created_at < $6)
order by external_id limit $5
"""
_NAMED = statement(
    select(_s.id, _s.external_id, _s.entity, _s.shard_type).where(
        _s.tenant_id == bindparam("tenant_id"), _s.id == func.any(cast(bindparam("ids"), ARRAY(Text)))
    )
)
_DROP = statement(
    delete(SHARDS).where(_s.tenant_id == bindparam("tenant_id"), _s.id == func.any(cast(bindparam("ids"), ARRAY(Text))))
)
_ONE = statement(
    select(*_SHOWN).where(_s.tenant_id == bindparam("tenant_id"), _s.id == bindparam("id"), shard_shown(SHARDS))
)
_CONDITIONS: Mapping[str, Callable[[], ColumnElement[bool]]] = {
    "connection_id": lambda: _s.connection_id == bindparam("connection_id"),
    "provider": lambda: _s.provider == bindparam("provider"),
    "entity": lambda: _s.entity == bindparam("entity"),
    "shard_type": lambda: _s.shard_type == bindparam("shard_type"),
    "shard_types": lambda: _s.shard_type == func.any(cast(bindparam("shard_types"), ARRAY(Text))),
    "search": lambda: func.strpos(func.lower(_s.title), func.lower(cast(bindparam("search"), Text))) > 0,
    "updated_since": lambda: _s.updated_at >= bindparam("updated_since"),
    "after": lambda: _s.id < bindparam("after"),
}


@cache
def _page(names: frozenset[str]) -> Statement:
    query = select(*_SHOWN).where(_s.tenant_id == bindparam("tenant_id"), shard_shown(SHARDS))
    query = query.where(*(_CONDITIONS[name]() for name in sorted(names)))
    return statement(query.order_by(_s.id.desc()).limit(bindparam("limit")).offset(bindparam("offset")))


async def stored(tx: Tx, connection_id: str, entity: str, external_ids: Sequence[str]) -> dict[str, StoredShard]:
    """What is known of these records, by external id."""
    rows = await tx.fetch_sql(_STORED, tx.tenant_id, connection_id, entity, external_ids)
    return {external_id: StoredShard(id_, hash_) for external_id, id_, hash_ in rows}


async def write(tx: Tx, origin: tuple[str, str], kind: Kind, shards: Sequence[Shard], now: datetime) -> None:
    """Insert or overwrite these records; `origin` is connection and provider."""
    rows = [_row(shard) for shard in shards]
    hashes = [shard.item.hash for shard in shards]
    await tx.execute_sql(_WRITE, tx.tenant_id, *origin, kind.entity, kind.shard_type, now, rows, hashes)


def _row(shard: Shard) -> tuple[object, ...]:
    record = shard.item.record
    told = (shard.id, record.external_id, record.title, record.url, record.updated_at)
    return (*told, msgspec.Raw(shard.item.body))


async def alive(tx: Tx, place: tuple[str, str], after: str, limit: int, before: datetime | None) -> list[Alive]:
    """Records of a connection's entity that were known `before` a moment, in the order of their external ids."""
    rows = await tx.fetch_sql(_ALIVE, tx.tenant_id, *place, after, limit, before)
    return [Alive(external_id, id_) for external_id, id_ in rows]


async def named(tx: Tx, ids: Sequence[str]) -> list[asyncpg.Record]:
    """What these records are, as far as they are there."""
    return await tx.fetch(_NAMED, tenant_id=tx.tenant_id, ids=ids)


async def drop(tx: Tx, ids: Sequence[str]) -> None:
    """Remove these records."""
    await tx.execute(_DROP, tenant_id=tx.tenant_id, ids=ids)


async def page(tx: Tx, wanted: RecordFilter, ask: Ask) -> Page[asyncpg.Record]:
    """Newest first; `ask.after` is the id of the last row seen."""
    given: dict[str, Any] = {name: getattr(wanted, name) for name in RecordFilter.__slots__}
    given = {name: value for name, value in {**given, "after": ask.after}.items() if value}
    rows = await tx.fetch(
        _page(frozenset(given)), tenant_id=tx.tenant_id, limit=ask.limit + 1, offset=ask.offset, **given
    )
    more = len(rows) > ask.limit
    shown = rows[: ask.limit]
    return Page(shown, next_after=shown[-1]["id"] if more else None, has_more=more)


async def one(tx: Tx, id_: str) -> asyncpg.Record | None:
    """One record with its body."""
    return await tx.fetchrow(_ONE, tenant_id=tx.tenant_id, id=id_)
