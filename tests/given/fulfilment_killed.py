"""`python -m tests.given.fulfilment_killed URL`: workers of actions that are killed.

Each order says which action to carry on, where the platform's effects stand, and when to die.
"""

import sys
from pathlib import Path

from tests.given import fulfilment as given
from tests.given.dying import Order, arm, serve

from isthmus.engine.db import Database
from isthmus.features import fulfilment


async def work(order: Order) -> None:
    """Carry on an action."""
    database = await Database.connect(sys.argv[1], size=2)
    scope = given.scope(database, given.Platform(Path(order["effects"])))
    arm(order)
    await fulfilment.work(scope, order["action"])
    await database.close()


if __name__ == "__main__":
    serve(work)
