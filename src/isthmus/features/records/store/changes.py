"""Records as search reads them: those that changed, or all of them in the order of their ids; as the system."""

from collections.abc import Sequence
from typing import Final

import asyncpg

from isthmus.engine.db import Tx

_LISTINGS: Final = """
select
  l.tenant_id, l.id, l.connection_id, l.provider, 'products' as entity, 'product' as shard_type, l.external_id, l.title,
  l.version, coalesce(l.platform_updated_at, l.updated_at) as updated_at, l.body ->> 'url' as url,
  left(l.body ->> 'description_text', 200) as snippet,
  concat_ws(' ', l.body ->> 'brand', (
    select string_agg(concat_ws(' ', v.sku, v.barcode), ' ') from variants v
    where v.tenant_id = l.tenant_id and v.listing_id = l.id
  )) as extra
from unnest($2::text[]) as w(id)
cross join lateral (
  select tenant_id, id, connection_id, provider, external_id, title, version, platform_updated_at, updated_at, body,
    status
  from listings where tenant_id = $1 and id = w.id offset 0
) as l
where l.status <> 'deleted' and not exists (
  select from hidden_records h
  where h.tenant_id = l.tenant_id and h.connection_id = l.connection_id and h.shard_type = 'product'
)
"""
_LISTINGS_AFTER: Final = """
select
  l.tenant_id, l.id, l.connection_id, l.provider, 'products' as entity, 'product' as shard_type, l.external_id, l.title,
  l.version, coalesce(l.platform_updated_at, l.updated_at) as updated_at, l.body ->> 'url' as url,
  left(l.body ->> 'description_text', 200) as snippet,
  concat_ws(' ', l.body ->> 'brand', (
    select string_agg(concat_ws(' ', v.sku, v.barcode), ' ') from variants v
    where v.tenant_id = l.tenant_id and v.listing_id = l.id
  )) as extra
from listings l where (l.tenant_id, l.id) > ($1, $2) and l.status <> 'deleted' and not exists (
  select from hidden_records h
  where h.tenant_id = l.tenant_id and h.connection_id = l.connection_id and h.shard_type = 'product'
)
order by l.tenant_id, l.id limit $3
"""
_SHARDS: Final = """
select
  s.tenant_id, s.id, s.connection_id, s.provider, s.entity, s.shard_type, s.external_id, s.title,
  s.version, coalesce(s.source_updated_at, s.updated_at) as updated_at, s.url,
  left((select string_agg(f.value, ' ') from jsonb_each_text(s.body) f), 200) as snippet,
  left((select string_agg(f.value, ' ') from jsonb_each_text(s.body) f), 1000) as extra
from unnest($2::text[]) as w(id) join shards s on s.tenant_id = $1 and s.id = w.id
where not exists (
  select from hidden_records h
  where h.tenant_id = s.tenant_id and h.connection_id = s.connection_id and h.shard_type = s.shard_type
)
"""
_SHARDS_AFTER: Final = """
select
  s.tenant_id, s.id, s.connection_id, s.provider, s.entity, s.shard_type, s.external_id, s.title,
  s.version, coalesce(s.source_updated_at, s.updated_at) as updated_at, s.url,
  left((select string_agg(f.value, ' ') from jsonb_each_text(s.body) f), 200) as snippet,
  left((select string_agg(f.value, ' ') from jsonb_each_text(s.body) f), 1000) as extra
from shards s where (s.tenant_id, s.id) > ($1, $2) and not exists (
  select from hidden_records h
  where h.tenant_id = s.tenant_id and h.connection_id = s.connection_id and h.shard_type = s.shard_type
)
order by s.tenant_id, s.id limit $3
"""
_LISTINGS_OF: Final = "select id from listings where tenant_id = $1 and connection_id = any($2::text[])"
_SHARDS_OF: Final = "select id from shards where tenant_id = $1 and connection_id = any($2::text[])"


async def listings_through(tx: Tx, tenant_id: str, connection_ids: Sequence[str]) -> list[str]:
    """The ids of all that came through these connections."""
    return [row["id"] for row in await tx.fetch_sql(_LISTINGS_OF, tenant_id, connection_ids)]


async def records_through(tx: Tx, tenant_id: str, connection_ids: Sequence[str]) -> list[str]:
    """The same of records of other kinds."""
    return [row["id"] for row in await tx.fetch_sql(_SHARDS_OF, tenant_id, connection_ids)]


async def listings_named(tx: Tx, tenant_id: str, ids: Sequence[str]) -> list[asyncpg.Record]:
    """Those of these listings that are still sold or may be again."""
    return await tx.fetch_sql(_LISTINGS, tenant_id, ids)


async def listings_behind(tx: Tx, tenant_id: str, id_: str, limit: int) -> list[asyncpg.Record]:
    """The next listings of all tenants behind a place."""
    return await tx.fetch_sql(_LISTINGS_AFTER, tenant_id, id_, limit)


async def records_named(tx: Tx, tenant_id: str, ids: Sequence[str]) -> list[asyncpg.Record]:
    """Those of these records that are still there."""
    return await tx.fetch_sql(_SHARDS, tenant_id, ids)


async def records_behind(tx: Tx, tenant_id: str, id_: str, limit: int) -> list[asyncpg.Record]:
    """The next records of all tenants behind a place."""
    return await tx.fetch_sql(_SHARDS_AFTER, tenant_id, id_, limit)
