"""Which kinds of records are counted in bytes, and how."""

from collections.abc import Mapping
from typing import Final

LISTINGS: Final = "listings"
SHARDS: Final = "shards"
#: Kind -> the bytes of a connection's records of it, as the database keeps them.
SIZES: Final[Mapping[str, str]] = {
    LISTINGS: """
select coalesce(sum(pg_column_size(l.raw) + pg_column_size(l.body)), 0) from listings l
where l.tenant_id = h.tenant_id and l.connection_id = h.connection_id
""",
    SHARDS: """
select coalesce(sum(pg_column_size(s.body)), 0) from shards s
where s.tenant_id = h.tenant_id and s.connection_id = h.connection_id
""",
}
