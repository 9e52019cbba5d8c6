"""Writing the index, set by set and as the system: documents, words, and how far a build has come."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from isthmus.engine.db import Tx
from isthmus.features.search.model import Document, is_speakable

# One document and not twelve arrays: the driver looks at each element of an array several times. A row that is newer
# here stays; a build and the log's listener may bring the same record.
_WRITE: Final = """
insert into search_documents as d (tenant_id, id, connection_id, provider, entity, shard_type, external_id, title,
  folded, snippet, url, lexemes, version, updated_at)
select $1, r.doc ->> 0, r.doc ->> 1, r.doc ->> 2, r.doc ->> 3, r.doc ->> 4, r.doc ->> 5, r.doc ->> 6, r.doc ->> 7,
  r.doc ->> 8, r.doc ->> 9, array_to_tsvector(array(select jsonb_array_elements_text(r.doc -> 10))),
  (r.doc ->> 11)::integer, (r.doc ->> 12)::timestamptz
from jsonb_array_elements($2::jsonb) as r(doc)
on conflict (tenant_id, id) do update set
  connection_id = excluded.connection_id, provider = excluded.provider, entity = excluded.entity,
  shard_type = excluded.shard_type, external_id = excluded.external_id, title = excluded.title,
  folded = excluded.folded, snippet = excluded.snippet, url = excluded.url, lexemes = excluded.lexemes,
  version = excluded.version, updated_at = excluded.updated_at
where excluded.version >= d.version
"""
_WORDS: Final = """
insert into search_words (tenant_id, word, grams)
select $1, w.word, search_grams($1, w.word) from unnest($2::text[]) as w(word)
where not exists (select from search_words s where s.tenant_id = $1 and s.word = w.word)
on conflict do nothing
"""
_REMOVE: Final = "delete from search_documents where tenant_id = $1 and id = any($2::text[])"
_FORGET: Final = """
delete from search_documents d using (
  select tenant_id, id from search_documents where tenant_id = $1 and connection_id = $2 limit $3
) gone
where d.tenant_id = gone.tenant_id and d.id = gone.id
"""
_FORBID: Final = """
delete from search_documents
where tenant_id = $1 and connection_id = any($2::text[]) and shard_type = any($3::text[])
"""
_BATCH: Final = 5_000
_BUILD: Final = """
select after_tenant, after_id, done from search_builds where source = $1 for update skip locked
"""
_BEGIN: Final = """
insert into search_builds (source, after_tenant, after_id, done, changed_at) values ($1, '', '', false, $2)
on conflict do nothing
"""
_MOVE: Final = """
update search_builds set after_tenant = $2, after_id = $3, done = $4, changed_at = $5 where source = $1
"""
_AGAIN: Final = "update search_builds set after_tenant = '', after_id = '', done = false, changed_at = $1"
_ORPHANS: Final = """
delete from search_documents d where not exists (
  select from connections c where c.tenant_id = d.tenant_id and c.id = d.connection_id
)
"""
_UNUSED: Final = "delete from search_words"


async def write(tx: Tx, tenant_id: str, documents: Sequence[Document]) -> None:
    """Insert or overwrite these documents, and note their words."""
    if not documents:
        return
    await tx.execute_sql(_WRITE, tenant_id, [_row(one) for one in documents])
    words = sorted({word for one in documents for word in one.words if is_speakable(word)})
    await tx.execute_sql(_WORDS, tenant_id, words)


def _row(one: Document) -> tuple[object, ...]:
    about = (one.id, one.connection_id, one.provider, one.entity, one.shard_type, one.external_id, one.title)
    return (*about, one.folded, one.snippet, one.url, one.lexemes, one.version, one.updated_at)


async def remove(tx: Tx, tenant_id: str, ids: Sequence[str]) -> None:
    """Records that are gone, or are not sold any more."""
    if ids:
        await tx.execute_sql(_REMOVE, tenant_id, ids)


async def forget(tx: Tx, tenant_id: str, connection_id: str) -> None:
    """Everything that came through a connection."""
    while await tx.execute_sql(_FORGET, tenant_id, connection_id, _BATCH) == _BATCH:
        continue


async def forbid(tx: Tx, tenant_id: str, connection_ids: Sequence[str], types: Sequence[str]) -> None:
    """Types of records that may not pass these connections any more."""
    await tx.execute_sql(_FORBID, tenant_id, connection_ids, types)


async def building(tx: Tx, source: str, now: datetime) -> tuple[str, str] | None:
    """Where the build of a source stands; None when it is done, or in another process's hands."""
    rows = await tx.fetch_sql(_BUILD, source)
    if not rows:
        await tx.execute_sql(_BEGIN, source, now)
        rows = await tx.fetch_sql(_BUILD, source)
    if not rows or rows[0]["done"]:
        return None
    return rows[0]["after_tenant"], rows[0]["after_id"]


async def built(tx: Tx, source: str, place: tuple[str, str], now: datetime, *, done: bool) -> None:
    """The build has come to this place."""
    await tx.execute_sql(_MOVE, source, *place, done, now)


async def rebuild(tx: Tx, now: datetime) -> None:
    """Every source is read again from its beginning; the words, and what belongs to no connection, go at once."""
    await tx.execute_sql(_AGAIN, now)
    await tx.execute_sql(_UNUSED)
    await tx.execute_sql(_ORPHANS)
