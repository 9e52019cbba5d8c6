"""`python -m tests.given.fulfilment_killed URL`: forks workers of actions that kill themselves at a statement boundary.

Each line of stdin is a JSON order: which action to carry on, where the platform's effects stand, and when to die.
"""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

from tests.given import fulfilment as given
from tests.given.sync_killed import _die_at

from isthmus.engine.db import Database
from isthmus.features import fulfilment


async def _work(url: str, order: dict[str, Any]) -> None:
    database = await Database.connect(url, size=2)
    scope = given.scope(database, given.Platform(Path(order["effects"])))
    if order.get("boundary"):
        _die_at(order["boundary"])
    await fulfilment.work(scope, order["action"])
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
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main() -> None:
    """Carry out orders until stdin ends."""
    for line in sys.stdin:
        print(json.dumps(_forked(sys.argv[1], json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
