"""Listings with all that they were written from, and later times of what did not change."""

from collections.abc import Sequence
from typing import Final

import msgspec

from isthmus.connect.shapes import Listing
from isthmus.engine.db import Tx
from isthmus.features.records.model import ListingItem, decode

_WHOLES: Final = """
select l.id, l.connection_id, l.provider, l.body::text as body, l.raw
from unnest($2::text[]) as w (id)
cross join lateral (
  select id, connection_id, provider, body, raw from listings where tenant_id = $1 and id = w.id offset 0
) as l
"""
_TOUCH: Final = """
update listings l set platform_updated_at = t.at, raw = t.raw, raw_hash = t.raw_hash,
  body = jsonb_set(l.body, '{platform_updated_at}', to_jsonb(t.said))
from unnest($3::text[], $4::timestamptz[], $5::bytea[], $6::bytea[], $7::text[]) as t (id, at, raw, raw_hash, said)
where l.tenant_id = $1 and l.connection_id = $2 and l.external_id = t.id
"""


class Whole(msgspec.Struct, frozen=True):
    """One stored listing, whose it is, and what the platform sent."""

    id: str
    connection_id: str
    provider: str
    listing: Listing
    raw: bytes


async def wholes(tx: Tx, ids: Sequence[str]) -> list[Whole]:
    """The listings of these ids."""
    rows = await tx.fetch_sql(_WHOLES, tx.tenant_id, ids)
    return [
        Whole(row["id"], row["connection_id"], row["provider"], decode(row["body"].encode()), row["raw"])
        for row in rows
    ]


async def touch(tx: Tx, connection_id: str, items: Sequence[ListingItem]) -> None:
    """Take the platform's later times over, without another version: the content is the same."""
    if not items:
        return
    await tx.execute_sql(
        _TOUCH,
        tx.tenant_id,
        connection_id,
        [one.external_id for one in items],
        [one.changed_at for one in items],
        [one.raw for one in items],
        [one.raw_hash for one in items],
        [msgspec.to_builtins(one.changed_at) for one in items],
    )
