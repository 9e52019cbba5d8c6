"""One process of callers: `python refresher.py URL FAR CALLERS CONNECTION...`; prints how many calls went well.

With as many callers as 0 there is one, and the process kills itself once it has the platform's answer, before it has
stored anything of it.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))

from tests.given import connections as given
from tests.given import rotor, vault

from isthmus.client import Lease, Tokens
from isthmus.engine.db import Database
from isthmus.features import connections
from isthmus.features.connections.service.tokens import VaultTokenStore
from isthmus.kit.clock import SYSTEM
from isthmus.scope import Scope

TENANT = "ten_refresh"


async def call(scope: Scope, connection_id: str) -> bool:
    async with connections.session(scope, connection_id) as session:
        return (await session.client.get("/me")).status == 200


async def dies(self: VaultTokenStore, lease: Lease, fresh: Tokens) -> bool:
    """The platform has answered with a new pair; nobody learns it."""
    assert fresh.refresh_token != lease.tokens.refresh_token
    os.kill(os.getpid(), signal.SIGKILL)
    return False


async def main(url: str, far_url: str, callers: int, ids: list[str]) -> None:
    database = await Database.connect(url, size=8, acquire_timeout=60.0)
    system, clients = given.process(database, SYSTEM, rotor.Far(far_url), call_deadline=given.seconds(60))
    scope = vault.scope(system, TENANT)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.readline)
    if not callers:
        VaultTokenStore.swap = dies  # type: ignore[method-assign]  # a process of its own
    calls = [call(scope, ids[number % len(ids)]) for number in range(callers or 1)]
    answers = await asyncio.gather(*calls, return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException):
            sys.stderr.write(f"{answer!r}\n")
    await clients.aclose()
    await database.close()
    sys.stdout.write(f"{sum(answer is True for answer in answers)}\n")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4:]))
