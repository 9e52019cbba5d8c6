"""A connection that somebody has signed in to, as the house knows it, beside whatever a test puts in its place."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from isthmus.engine.db import Database

_INTEGRATION = """
insert into integrations (tenant_id, id, provider, name, settings, status, created_at, updated_at)
values ($1, 'int_one', 'shelf', 'Shop', '{}', 'connected', now(), now())
"""
_CONNECTION = """
insert into connections (tenant_id, id, integration_id, provider, auth, registration_id, external_account_id, status,
                         created_at, updated_at)
values ($1, 'con_one', 'int_one', 'shelf', 'oauth2', 'reg_one', 'account', 'connected', now(), now())
"""


@asynccontextmanager
async def signed_in(database: Database, tenant_id: str = "ten_one") -> AsyncIterator[None]:
    """`con_one` is connected."""
    async with database.system() as tx:
        await tx.execute_sql(_INTEGRATION, tenant_id)
        await tx.execute_sql(_CONNECTION, tenant_id)
    yield
    async with database.system() as tx:
        await tx.execute_sql("delete from connections where tenant_id = $1", tenant_id)
        await tx.execute_sql("delete from integrations where tenant_id = $1", tenant_id)
