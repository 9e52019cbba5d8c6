"""The audit log's one statement: a read of the committed event log, which the bus alone writes."""

from collections.abc import Mapping
from typing import Any

import asyncpg

from isthmus.engine.db import Tx
from isthmus.features.audit.model.entries import Entry, Filters


async def entries(tx: Tx, filters: Filters, *, before: str | None, offset: int, limit: int) -> list[Entry]:
    """The newest first, below the place `before`; the partial index on audited rows carries both order and place."""
    rows = await tx.fetch_sql(
        """
        select id, type, at, actor, on_behalf_of, address, request_id, route, subject, body, before, after
        from events
        where tenant_id = $1 and audited and day = 'infinity'
          and ($2::text is null or id < $2)
          and ($3::text is null or type = $3)
          and ($4::text is null or actor = $4)
          and ($5::text is null or subject = $5)
          and ($6::timestamptz is null or at >= $6)
          and ($7::timestamptz is null or at < $7)
          and ($8::text is null or strpos(lower(concat_ws(' ', type, actor, on_behalf_of, subject, address, request_id,
            route, before ->> 'name', after ->> 'name', body ->> 'name')), $8) > 0)
        order by id desc limit $9 offset $10
        """,
        tx.tenant_id,
        before,
        filters.type,
        filters.actor,
        filters.subject,
        filters.starts,
        filters.ends,
        filters.text and filters.text.lower(),
        limit,
        offset,
    )
    return [_entry(row) for row in rows]


def _entry(row: asyncpg.Record) -> Entry:
    body: Mapping[str, Any] = row["body"]
    return Entry(
        id=row["id"],
        type=row["type"],
        at=row["at"],
        actor=row["actor"],
        on_behalf_of=row["on_behalf_of"] or "",
        address=row["address"] or "",
        request_id=row["request_id"] or "",
        route=row["route"] or "",
        subject=row["subject"],
        body=body,
        before=row["before"],
        after=row["after"],
    )
