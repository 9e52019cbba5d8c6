"""A replay of a whole past, begun and stopped, and how late live deliveries were handled meanwhile."""

from datetime import timedelta
from typing import Any

from isthmus.features.webhooks_in.service import replaying
from isthmus.features.webhooks_in.store.log import Filters
from isthmus.scope import Scope

_DAYS = 40
_LATE = """
select extract(epoch from t.done_at - i.received_at)::float8 * 1000 as late
from webhook_inbox i join webhook_tasks t on t.tenant_id = i.tenant_id and t.delivery_id = i.id
where i.tenant_id = $1 and i.object not like 'dlv%' and i.received_at > $2 and t.done_at is not null
"""
_REPLAYED = "select coalesce(sum(done), 0)::bigint as done from webhook_replays where tenant_id = $1"


class Replays:
    """What the benchmark asks of the deployment's one tenant."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._since = scope.now
        self._begun = ""

    async def begin(self) -> dict[str, Any]:
        """Replay everything that is stored."""
        until = self._scope.now - timedelta(hours=1)
        begun = await replaying.begin(self._scope, Filters(since=until - timedelta(days=_DAYS), until=until))
        self._begun = str(begun["id"])
        return {"total": begun["total"]}

    async def cancel(self) -> dict[str, Any]:
        """Stop it; how many were handed out so far, by all replays together, and whether it was under way."""
        ended = await replaying.replay(self._scope, self._begun)
        await replaying.cancel(self._scope, self._begun)
        async with self._scope.tx() as tx:
            done = (await tx.fetch_sql(_REPLAYED, self._scope.tenant_id))[0]["done"]
        return {"done": int(done), "running": ended["state"] == "running"}

    async def late(self) -> dict[str, Any]:
        """How late each live delivery was handled that came since this was asked before, in milliseconds."""
        async with self._scope.tx() as tx:
            rows = await tx.fetch_sql(_LATE, self._scope.tenant_id, self._since)
        self._since = self._scope.now
        return {"late": [row["late"] for row in rows]}
