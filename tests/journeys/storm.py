"""`python -m tests.journeys.storm` and the settings as JSON: forks workers that are killed with the platform open.

Each line of stdin is a JSON order: what to work off, where the clock stands, and when to die. What a fork can inherit
(modules, the providers' folders, the list of authorities) is read once; all else is a deployment's own worker, from its
pool to its clients.
"""

import asyncio
import functools
import json
import logging
import ssl
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from tests.given.dying import Order, arm, serve

from isthmus.app import SECTIONS, open_platform
from isthmus.client.transport.aio import AioTransport
from isthmus.connect import registry
from isthmus.features import fulfilment
from isthmus.features.pushes.jobs import send
from isthmus.features.sync.jobs import read, run
from isthmus.kit.clock import SYSTEM
from isthmus.scope import Scope
from isthmus.settings import load

_NEVER = 600.0
_TURN = 0.01


class Hasty:
    """The machine's clocks, put forward by whoever waits on them; what would come after ten minutes never comes."""

    def __init__(self, ahead: float = 0.0) -> None:
        self.ahead = ahead

    def now(self) -> datetime:
        """The time, as far as it has been put forward."""
        return SYSTEM.now() + timedelta(seconds=self.ahead)

    def monotonic(self) -> float:
        """The same for durations."""
        return SYSTEM.monotonic() + self.ahead

    async def sleep(self, seconds: float) -> None:
        """Be there at once."""
        if seconds >= _NEVER:
            await asyncio.sleep(seconds)
        self.ahead += max(0.0, seconds)
        await asyncio.sleep(min(seconds, _TURN))  # quotas are counted by the database's clock


async def work(scope: Scope, due: Mapping[str, Sequence[str]]) -> None:
    """Work off what is due, all at once as a worker does: runs, records to read anew, pushes and actions."""
    async with asyncio.TaskGroup() as group:
        for id_ in due.get("runs", ()):
            group.create_task(run(scope, id_))
        for id_ in due.get("pushes", ()):
            group.create_task(send(scope, id_))
        for id_ in due.get("actions", ()):
            group.create_task(fulfilment.work(scope, id_))
        for key in due.get("refreshes", ()):
            group.create_task(read(scope, key))


async def _worker(order: Order) -> None:
    settings = load(SECTIONS, json.loads(sys.argv[1]), {})
    clock = Hasty(order["ahead"])
    async with open_platform(settings, upgrade=False, prove=False, clock=clock) as platform:
        arm(order, (AioTransport, "send"))
        await work(platform.system.scope(order["tenant"], "storm"), order["due"])


def main() -> None:
    """Carry out orders until stdin ends."""
    logging.disable(logging.WARNING)
    for module, name in ((registry, "folders"), (registry, "discover"), (ssl, "create_default_context")):
        setattr(module, name, functools.cache(getattr(module, name)))
    registry.discover(())
    ssl.create_default_context()
    load(SECTIONS, json.loads(sys.argv[1]), {})
    serve(_worker)


if __name__ == "__main__":
    main()
