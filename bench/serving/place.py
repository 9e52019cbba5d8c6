"""An open deployment that knows the benchmarks' far side, and rows as many tenants would have them."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from bench.serving import far
from isthmus.app import SECTIONS, Platform, open_platform
from isthmus.features import catalog
from isthmus.kit.permissions import TENANT_ADMIN
from isthmus.settings import load

TENANT = "ten_bench"
_TENANTS = """
insert into tenants (id, name, slug, status, created_at)
select $1 || n, $1 || n, replace($1, '_', '-') || n, 'active', now()
from generate_series($2::int, $3::int) n on conflict do nothing
"""
_INTEGRATIONS = """
insert into integrations (tenant_id, id, provider, name, category, status, enabled, created_at, updated_at)
select $1, 'int_' || $2 || lpad(n::text, 8, '0'), $4, 'Shop ' || n, 'custom', 'connected', true, now(), now()
from generate_series(1, $3::int) n
"""
_CONNECTIONS = """
insert into connections (tenant_id, id, integration_id, provider, auth, registration_id, status, token_version,
  created_at, updated_at)
select $1, 'con_' || $2 || lpad(n::text, 8, '0'), 'int_' || $2 || lpad(n::text, 8, '0'), $4, 'api_key', 'none-' || $4,
  'connected', 1, now(), now()
from generate_series(1, $3::int) n
"""


@asynccontextmanager
async def place(home: Path, far_url: str, **more: str) -> AsyncIterator[Platform]:
    """A deployment on this home whose catalog has the far side too; `more` are settings, `ISTHMUS_` left out."""
    given: Mapping[str, str] = {"ISTHMUS_HOME": str(home), **{f"ISTHMUS_{name}": one for name, one in more.items()}}
    async with open_platform(load(SECTIONS, given), upgrade=True, public_url="http://127.0.0.1:1") as platform:
        own = platform.engine.part(catalog.Providers)
        known = {name: own[name] for name in own}
        parts = {**platform.engine.parts, catalog.Providers: catalog.Providers({**known, **far.providers(far_url)})}
        object.__setattr__(platform.engine, "parts", parts)
        yield platform


async def add_tenants(platform: Platform, prefix: str, count: int) -> None:
    """So many tenants, numbered from 1."""
    async with platform.system.tx() as tx:
        await tx.execute_sql(_TENANTS, prefix, 1, count)


async def add_shops(platform: Platform, tenant: str, name: str, count: int, provider: str = "bench") -> None:
    """So many connected integrations of a tenant, as far as rows go; their ids begin with `name`."""
    async with platform.system.tx() as tx:
        await tx.execute_sql(_INTEGRATIONS, tenant, name, count, provider)
        await tx.execute_sql(_CONNECTIONS, tenant, name, count, provider)


def token(platform: Platform, tenant: str) -> str:
    """A bearer token of an admin."""
    return platform.development_token(tenant, subject="bench", roles=[TENANT_ADMIN], hours=12).reveal()
