"""Results that are being paged through, by any process."""

from datetime import datetime
from typing import Final

from isthmus.engine.db import Tx

_ADD: Final = "insert into search_snapshots (tenant_id, id, body, expires_at) values ($1, $2, $3, $4)"
_ONE: Final = "select body from search_snapshots where tenant_id = $1 and id = $2 and expires_at > $3"
_SWEEP: Final = "delete from search_snapshots where expires_at <= $1"


async def add(tx: Tx, id_: str, body: bytes, until: datetime) -> None:
    """Keep results until then."""
    await tx.execute_sql(_ADD, tx.tenant_id, id_, body, until)


async def body_of(tx: Tx, id_: str, now: datetime) -> bytes | None:
    """The results, while they are kept."""
    rows = await tx.fetch_sql(_ONE, tx.tenant_id, id_, now)
    return rows[0]["body"] if rows else None


async def sweep(tx: Tx, now: datetime) -> None:
    """Forget what is too old; as the system."""
    await tx.execute_sql(_SWEEP, now)
