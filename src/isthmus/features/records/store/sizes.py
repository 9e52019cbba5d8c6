"""Which kinds of records are counted in bytes, and how: pages of a connection's, for `engine.holdings`."""

from collections.abc import Mapping
from typing import Final

LISTINGS: Final = "listings"
SHARDS: Final = "shards"
#: Kind -> the bytes of a page of a connection's records of it, as the database keeps them.
SIZES: Final[Mapping[str, str]] = {
    LISTINGS: """
with page as materialized (
  select external_id, pg_column_size(raw) + pg_column_size(body) as size from listings
  where tenant_id = $1 and connection_id = $2 and external_id > ($3::text[])[1] order by external_id limit $4
)
select (select sum(size) from page)::bigint as bytes, array[external_id, ''] as place from page
order by external_id desc limit 1
""",
    SHARDS: """
with page as materialized (
  select entity, external_id, pg_column_size(body) as size from shards
  where tenant_id = $1 and connection_id = $2 and (entity, external_id) > (($3::text[])[1], ($3::text[])[2])
  order by entity, external_id limit $4
)
select (select sum(size) from page)::bigint as bytes, array[entity, external_id] as place from page
order by entity desc, external_id desc limit 1
""",
}
