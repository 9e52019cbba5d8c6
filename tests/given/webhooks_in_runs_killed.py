"""`python -m tests.given.webhooks_in_runs_killed URL`: workers of an ordered handler that are killed.

Each order names the tenant, the key, how much later than now it is, and the boundary at which to die; each call of the
handler is one as well. What the handler is told is told before anything else happens.
"""

import sys
from typing import Any

from tests.given import webhooks_in as given
from tests.given.dying import Order, arm, serve, tell

from isthmus.engine.db import Database
from isthmus.features.webhooks_in.model.handling import OrderedBy
from isthmus.features.webhooks_in.service import working
from isthmus.features.webhooks_in.service.handlers import Handler, Handlers, Told
from isthmus.features.webhooks_in.service.marks import Marks
from isthmus.kit.clock import ManualClock
from isthmus.scope import Scope


class Function:
    """What is called."""

    async def call(self, told: Told) -> None:
        """Say what it was told."""
        tell(str(told.payload["n"]))


FUNCTION = Function()


async def _called(_: Scope, told: Told) -> None:
    await FUNCTION.call(told)


#: Each may be taken up again as often as workers die here.
HANDLER = Handler(
    "killed", "github.push", _called, ordered_by=OrderedBy.SOURCE, retries=(1.0,) * 500, tenant_id="ten_one"
)


async def work(order: Order) -> None:
    """Work off what is due."""
    database = await Database.connect(sys.argv[1], size=2)
    clock = ManualClock()
    clock.advance(order["later"])
    parts: dict[type, Any] = {Handlers: Handlers([HANDLER]), Marks: Marks()}
    world = given.world(database, clock, parts)
    arm(order, (Function, "call"))
    await working.work(world.scope(order["tenant"]), order["key"])
    await database.close()


if __name__ == "__main__":
    serve(work)
