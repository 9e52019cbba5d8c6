"""Whether a transaction has changed anything: what asks for an idempotency key to be reserved with it."""

from typing import Final

from isthmus.engine.db import Tx

_WRITTEN: Final = "select pg_current_xact_id_if_assigned() is not null"


async def written(tx: Tx) -> bool:
    """Whether this transaction has written so far."""
    (row,) = await tx.fetch_sql(_WRITTEN)
    return bool(row[0])
