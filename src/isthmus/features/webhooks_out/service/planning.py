"""What is planned next for an endpoint: one delivery where it is ordered or parked, else all that wait."""

from datetime import datetime

from isthmus.engine.db import Tx
from isthmus.features.webhooks_out.model import shard_of
from isthmus.features.webhooks_out.store import deliveries as store

BATCH = 1_000


async def advance(tx: Tx, tenant_id: str, endpoint_id: str, now: datetime) -> bool:
    """Plan what may be planned; the endpoint's row is locked meanwhile. Whether more waits that may be planned now."""
    row = await store.stands(tx, tenant_id, endpoint_id)
    if row is None or row["state"] != "active":
        return False
    head, backlog = row["head"], row["backlog"]
    single = row["ordered"] or row["health"] == "parked"
    if single and head is not None and await store.head_is_planned(tx, tenant_id, endpoint_id, head):
        return False
    if not single and head is not None and await store.unplan(tx, tenant_id, endpoint_id, head):
        backlog = head if backlog is None else min(head, backlog)  # a probe need not wait any longer
    if backlog is None:
        if head is not None:
            await store.move(tx, tenant_id, endpoint_id, None, None)
        return False
    limit = 1 if single else BATCH
    planned = await store.plan(tx, tenant_id, endpoint_id, backlog, limit, now, shard_of(endpoint_id))
    more = len(planned) == limit
    await store.move(
        tx, tenant_id, endpoint_id, planned[-1] if single and planned else None, planned[-1] + 1 if more else None
    )
    return more and not single
