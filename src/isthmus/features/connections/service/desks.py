"""Calls in the name of an app and of no shop: its push configuration, its event queue."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from isthmus.connect.spi import Desk
from isthmus.features.catalog import Registration
from isthmus.features.connections.service.clients import Clients
from isthmus.features.connections.store.uses import uses
from isthmus.scope import Scope, System


@asynccontextmanager
async def desk(scope: Scope, registration: Registration) -> AsyncIterator[Desk]:
    """An app registration, ready to call; each call is sent once."""
    async with scope.part(Clients).plain(registration, scope.clock, tenant_id=scope.tenant_id) as client:
        yield Desk(registration.app, client, scope.clock)


async def in_use(system: System, registration_id: str) -> bool:
    """Whether any tenant has a connection through this app."""
    async with system.tx() as tx:
        return await uses(tx, registration_id)
