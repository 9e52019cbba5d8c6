"""`python -m bench.serving.server HOME PORT FAR_URL`: the API over the benchmarks' deployment.

Prints its tokens as JSON, then, for each line on its standard input, how many statements it has made so far.
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import asyncpg
import uvloop

from bench.serving.counted import Counted
from bench.serving.place import TENANT, add_shops, add_tenants, place, token
from isthmus.app import Platform, serve_api
from isthmus.features import connections
from isthmus.http.server import bind
from isthmus.kit.permissions import TENANT_ADMIN, Principal
from isthmus.kit.secret import Secret

#: Integrations of the tenants that are asked, and how many more tenants there are.
SIZES = (1, 100, 10_000)
OTHERS = 5_000
_LIMITS = "other=1000000000,integration=1000000000,connection=1000000000,widget=1000000000,provider=1000000000"


async def _fill(platform: Platform) -> dict[str, Any]:
    """Tenants of every size; the largest shop of each is really connected."""
    await add_tenants(platform, "ten_x", OTHERS)
    async with platform.system.tx() as tx:
        await tx.execute_sql(
            "insert into integrations (tenant_id, id, provider, name, category, status, created_at, updated_at) "
            "select id, 'int_' || id, 'bench', 'Shop', 'custom', 'connected', now(), now() from tenants "
            "where id like 'ten_x%'"
        )
    asked: dict[str, Any] = {}
    await add_tenants(platform, TENANT, len(SIZES))
    for number, size in enumerate(SIZES, 1):
        tenant = f"{TENANT}{number}"
        await add_shops(platform, tenant, f"z{number}", size - 1)
        scope = platform.scope(tenant, Principal("user", "bench", "bench", tenant, frozenset({TENANT_ADMIN})))
        started = await connections.start(scope, "bench", name="Ours", keys={"api_key": Secret(f"key-{number}")})
        shop = started.connection
        async with platform.system.tx() as tx:
            switch = "update integrations set proxy_enabled = true where tenant_id = $1 and id = $2"
            await tx.execute_sql(switch, tenant, shop.integration_id)
        asked[str(size)] = {
            "tenant": tenant,
            "token": token(platform, tenant),
            "connection": shop.id,
            "integration": shop.integration_id,
        }
    async with platform.system.tx() as tx:
        await tx.execute_sql("select 1")
    return asked


async def _main(home: Path, port: int, far_url: str) -> None:
    Counted.begin()
    async with place(home, far_url, HTTP__LIMITS=_LIMITS) as platform:
        asked = await _fill(platform)
        owner = await asyncpg.connect(platform.engine.database.url.replace("isthmus_service", "postgres"))
        await owner.execute("vacuum analyze")
        await owner.close()
        stop = asyncio.Event()
        serving = asyncio.create_task(serve_api(platform, bind("127.0.0.1", port), stop))
        print(json.dumps({"asked": asked, "database": platform.engine.database.url}), flush=True)
        while await asyncio.to_thread(sys.stdin.readline):
            print(Counted.total, flush=True)
        stop.set()
        await serving


if __name__ == "__main__":
    uvloop.run(_main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))
