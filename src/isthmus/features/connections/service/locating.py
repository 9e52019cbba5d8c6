"""Which connections hold accounts, over all tenants: for news that come to the address of a whole app."""

from collections.abc import Mapping, Sequence

from isthmus.features.connections.model.connection import Held
from isthmus.features.connections.store import connections as store
from isthmus.scope import System


async def holders(system: System, provider: str, account_ids: Sequence[str]) -> Mapping[str, Held]:
    """Who holds these accounts of the platform, by the account, in one statement; never told to anybody else."""
    if not account_ids:
        return {}
    async with system.tx() as tx:
        return await store.holders(tx, provider, account_ids)
