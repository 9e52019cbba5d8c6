"""Which stored bytes belong to uploads."""

from collections.abc import Sequence

from isthmus.engine.db import Tx


async def named(tx: Tx, blob_ids: Sequence[str]) -> frozenset[str]:
    """Those of these blobs that are parts of uploads."""
    rows = await tx.fetch_sql(
        "select blob_id from upload_parts where tenant_id = $1 and blob_id = any($2::text[])", tx.tenant_id, blob_ids
    )
    return frozenset(row["blob_id"] for row in rows)
