"""What is noted of records that may not be read any more: shown to nobody from then on, and forgotten."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from isthmus.engine.db import Tx as SystemTx
from isthmus.features import catalog, records
from isthmus.features.sync import store
from isthmus.scope import Scope, Tx

#: Whether what is noted of an entity may not be shown: connection, provider and entity.
Hides = Callable[[str, str, str], Awaitable[bool]]


async def hides(scope: Scope, tx: Tx) -> Hides:
    """What is hidden of this tenant's runs just now."""
    walled = await records.walled(tx)

    async def hidden(connection_id: str, provider: str, entity: str) -> bool:
        if not any(connection_id == one for one, _ in walled):
            return False
        described = (await catalog.found(scope, provider)).manifest.entity(entity)
        return described is not None and (connection_id, described.shard_type) in walled

    return hidden


async def forbidden(tx: SystemTx, event: Mapping[str, Any]) -> None:  # house: silent - the cause was told
    """Forget what was noted until an integration's types of records were limited; of others nothing is named."""
    body = event["body"]
    entities = body.get("entities", ())
    if entities:
        await store.forget_forbidden(tx, event["tenant_id"], body["connectionIds"], entities, event["at"])
