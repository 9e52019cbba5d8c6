"""Which connection holds an account, over all tenants: for news that come to the address of a whole app."""

from isthmus.features.connections.store import connections as store
from isthmus.scope import System


async def holder(system: System, provider: str, account_id: str) -> tuple[str, str] | None:
    """Tenant and connection that hold this account of the platform; never told to anybody else."""
    async with system.tx() as tx:
        return await store.holder(tx, provider, account_id)
