"""Statements over edits that are sent later, as where a platform holds them up, and whose listings have changed."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from isthmus.engine.db import Tx
from isthmus.features.pushes.store.edits import Taken, taken_of

#: One page of those that wait; of these, where there are news.
_NEWS: Final = """
with page as materialized (
  select tenant_id, id, connection_id, listing_id from edits
  where (tenant_id, id) > ($1, $2) and state = 'waiting' and due_at > $5 order by tenant_id, id limit $3
)
select p.tenant_id, max(p.id) as id, p.connection_id, bool_or(l.updated_at >= $4) as news
from page p join listings l on l.tenant_id = p.tenant_id and l.id = p.listing_id
group by p.tenant_id, p.connection_id
"""
_NEWS_OF: Final = """
select distinct e.tenant_id, e.connection_id from unnest($1::text[], $2::text[]) as w (tenant_id, listing_id)
join edits e on e.tenant_id = w.tenant_id and e.listing_id = w.listing_id
where e.state = 'waiting' and e.due_at > $3
"""
_TAKE: Final = """
select e.ctid, e.id, e.listing_id, e.variant, e.field, e.location, e.value, e.currency, e.base, e.sent, e.version,
  e.state, e.attempts, e.wanted_at
from edits e join listings l on l.tenant_id = e.tenant_id and l.id = e.listing_id and l.updated_at >= $4
where e.tenant_id = $1 and e.connection_id = $2 and e.id > $3 and e.state = 'waiting' and e.due_at > $5
  and (e.lease_until is null or e.lease_until < clock_timestamp())
order by e.id limit $6 for update of e skip locked
"""
#: A tenant and one of its edits: how far somebody has come who walks over all.
Turn = tuple[str, str]
FIRST: Final[Turn] = ("", "")


async def news(
    tx: Tx, after: Turn, limit: int, since: datetime, now: datetime
) -> tuple[list[tuple[str, str]], Turn | None]:
    """Tenant and connection of edits whose listings changed since then, of the `limit` behind `after` that wait for
    later; and the last one of these, None where there is none. Across tenants, so for the system alone.
    """
    rows = await tx.fetch_sql(_NEWS, *after, limit, since, now)
    found = [(row["tenant_id"], row["connection_id"]) for row in rows if row["news"]]
    return found, max(((row["tenant_id"], row["id"]) for row in rows), default=None)


async def news_of(tx: Tx, listings: Sequence[tuple[str, str]], now: datetime) -> list[tuple[str, str]]:
    """Tenant and connection of edits of these listings, by tenant and id, that wait for later; for the system alone."""
    rows = await tx.fetch_sql(_NEWS_OF, [tenant for tenant, _ in listings], [id_ for _, id_ in listings], now)
    return [(row["tenant_id"], row["connection_id"]) for row in rows]


async def take(tx: Tx, connection_id: str, after: str, since: datetime, now: datetime, limit: int) -> list[Taken]:
    """Lock edits of a connection behind this one that wait for later, and whose listings changed since then."""
    return [taken_of(row) for row in await tx.fetch_sql(_TAKE, tx.tenant_id, connection_id, after, since, now, limit)]
