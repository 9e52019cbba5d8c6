"""`python -m tests.given.sync_killed URL`: workers of runs that are killed.

Each order says which run to carry on over which titles, and when to die.
"""

import sys

from tests.given import sync as given
from tests.given.dying import Order, arm, serve

from isthmus.engine.db import Database
from isthmus.features import sync


async def work(order: Order) -> None:
    """Carry on a run."""
    database = await Database.connect(sys.argv[1], size=2)
    kind = given.Till if order.get("entity") == "orders" else given.Shelf
    shop = kind(order["titles"])
    scope = given.scope(database, {"con_one": shop}, lease=given.SHORT, heartbeat=given.NEVER, max_deaths=10_000)
    arm(order)
    await sync.work(scope, order["run"])
    await database.close()


if __name__ == "__main__":
    serve(work)
