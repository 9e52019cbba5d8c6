"""Uploads in the stream of runs."""

from collections.abc import Sequence
from datetime import datetime

from isthmus.features import sync
from isthmus.features.uploads.routes.shapes import READ, upload_out
from isthmus.features.uploads.service import managing
from isthmus.scope import Scope, Tx


async def moved(scope: Scope, tx: Tx, since: datetime, limit: int) -> Sequence[sync.Moved]:
    """Uploads that have moved since then, for those who may see them, as they are shown."""
    if not scope.principal.may(READ):
        return ()
    found = await managing.moved(tx, since, limit)
    return [sync.Moved(one.id, one.changed_at, "upload", upload_out(one, scope.now)) for one in found]
