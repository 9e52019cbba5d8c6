"""What is set up at a shop in the shop's own name is taken away before the keys to it are destroyed."""

import asyncio

from isthmus.client import ClientError
from isthmus.connect.spi import ShopSubscriber
from isthmus.features import catalog
from isthmus.features.connections.model.connection import Connection
from isthmus.features.connections.service import sealing, sessions
from isthmus.features.connections.settings import Settings
from isthmus.features.connections.store import connections as store
from isthmus.kit.errors import Problem
from isthmus.kit.secret import Secret
from isthmus.scope import Scope

#: Where a deployment takes in what platforms push.
_HOOKS = "/hooks/"


async def leave(scope: Scope, connection: Connection) -> bool:
    """Have the shop push nothing to this deployment any more; False where it could not be told in time.

    What it goes on to push is refused: the address is gone with the connection.
    """
    try:
        connector: object = (await catalog.found(scope, connection.provider)).connector
        if not isinstance(connector, ShopSubscriber):
            return True
        ours = scope.part(Settings).public_url.rstrip("/") + _HOOKS
        async with (
            asyncio.timeout(scope.part(Settings).leave_deadline.total_seconds()),
            sessions.trusted(scope, connection.id) as session,
        ):
            for one in await connector.shop_subscriptions(session):
                if one.url.startswith(ours):
                    await connector.unsubscribe_shop(session, one)
    except (ClientError, TimeoutError, Problem):
        return False
    return True


async def credential(scope: Scope, connection_id: str, name: str) -> Secret | None:
    """One of the keys that a connection was given; None where it has no such key, or is no more."""
    async with scope.tx() as tx:
        found = await store.by_id(tx, connection_id)
        if found is None or found.auth == sessions.OAUTH:
            return None
        return (await sealing.open_keys(scope, tx, connection_id)).now.get(name)
