"""How many bytes orders take: pages of a connection's, for `engine.holdings`."""

from typing import Final

KIND: Final = "orders"
#: The bytes of a page of a connection's orders, as the database keeps them.
SIZES: Final = """
with page as materialized (
  select external_id, pg_column_size(body) + coalesce(pg_column_size(raw), 0)
    + coalesce(pg_column_size(personal), 0) as size from orders
  where tenant_id = $1 and connection_id = $2 and external_id > ($3::text[])[1] order by external_id limit $4
)
select (select sum(size) from page)::bigint as bytes, array[external_id, ''] as place from page
order by external_id desc limit 1
"""
