"""`python -m tests.given.webhooks_in_killed URL`: forks intakes that kill themselves at a statement boundary.

Each line of stdin is a JSON order: the token, the secret, the deliveries by id, and the boundary at which to die. What
was acknowledged is told line by line, written before anything else happens, and ended with how the fork ended.
"""

import asyncio
import hmac
import json
import os
import signal
import sys
from datetime import timedelta
from typing import Any

import asyncpg
from tests.given import webhooks_in as given

from isthmus.engine.db import Database


def die_at(boundary: int) -> None:
    """Kill this process at its n-th boundary; each statement has one before and one after it, and so has the commit."""
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


async def _take(url: str, order: dict[str, Any]) -> None:
    database = await Database.connect(url, size=2)
    world = given.world(database, batch=4, linger=timedelta(milliseconds=1), source_cache=timedelta(minutes=1))
    await world.intake.finder.by_token(order["token"])
    if order["boundary"]:
        die_at(order["boundary"])

    async def one(id_: str) -> None:
        body = json.dumps({"id": id_}).encode()
        mark = "sha256=" + hmac.digest(order["secret"].encode(), body, "sha256").hex()
        headers = {"x-hub-signature-256": mark, "x-github-event": "push", "x-github-delivery": id_}
        answer = await world.send(order["token"], body, headers)
        if answer.status == 200:
            os.write(1, f"{id_}\n".encode())

    await asyncio.gather(*(one(id_) for id_ in order["ids"]))
    await database.close()


def _forked(url: str, order: dict[str, Any]) -> int:
    child = os.fork()
    if child == 0:
        status = 1
        try:
            asyncio.run(_take(url, order))
            status = 0
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main() -> None:
    """Carry out orders until stdin ends."""
    for line in sys.stdin:
        status = _forked(sys.argv[1], json.loads(line))
        os.write(1, f"end {status}\n".encode())


if __name__ == "__main__":
    main()
