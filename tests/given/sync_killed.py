"""`python -m tests.given.sync_killed URL`: forks workers that kill themselves at a statement boundary.

Each line of stdin is a JSON order: which run to carry on over which titles, and when to die. A fork costs a fiftieth of
a new interpreter, which is what makes hundreds of kills affordable.
"""

import asyncio
import json
import os
import signal
import sys
import threading
import time
from typing import Any

import asyncpg
from tests.given import sync as given

from isthmus.engine.db import Database
from isthmus.features import sync


def _die_at(boundary: int) -> None:
    """Kill this process at its n-th boundary; each statement has one before and one after it."""
    left = boundary

    def passed() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def killing(method: Any) -> Any:
        async def call(*args: Any, **more: Any) -> Any:
            passed()
            result = await method(*args, **more)
            passed()
            return result

        return call

    for name in ("execute", "fetch", "fetchrow", "fetchval"):
        setattr(asyncpg.Connection, name, killing(getattr(asyncpg.Connection, name)))


async def _work(url: str, order: dict[str, Any]) -> None:
    database = await Database.connect(url, size=2)
    kind = given.Till if order.get("entity") == "orders" else given.Shelf
    shop = kind(order["titles"])
    scope = given.scope(database, {"con_one": shop}, lease=given.SHORT, heartbeat=given.NEVER, max_deaths=10_000)
    if order.get("boundary"):
        _die_at(order["boundary"])
    await sync.work(scope, order["run"])
    await database.close()


def _forked(url: str, order: dict[str, Any]) -> int:
    child = os.fork()
    if child == 0:
        status = 1
        try:
            asyncio.run(_work(url, order))
            status = 0
        finally:
            os._exit(status)
    if order.get("after"):
        threading.Timer(order["after"], os.kill, (child, signal.SIGKILL)).start()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main() -> None:
    """Carry out orders until stdin ends."""
    for line in sys.stdin:
        print(json.dumps(_forked(sys.argv[1], json.loads(line))), flush=True)
        time.sleep(given.SHORT.total_seconds())


if __name__ == "__main__":
    main()
