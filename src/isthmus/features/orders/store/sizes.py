"""How many bytes orders take."""

from typing import Final

KIND: Final = "orders"
#: The bytes of a connection's orders, as the database keeps them.
SIZES: Final = """
select coalesce(sum(pg_column_size(o.body) + coalesce(pg_column_size(o.raw), 0)
  + coalesce(pg_column_size(o.personal), 0)), 0) from orders o
where o.tenant_id = h.tenant_id and o.connection_id = h.connection_id
"""
