"""`python -m tests.journeys.storm` and the settings as JSON: forks workers that are killed with the platform open.

Each order says what to work off, how wrong the worker's clock is, and when to die. What a fork can inherit (modules,
settings, folders of providers, authorities) is read once; all else is a worker's own, from its pool to its clients.
"""

import asyncio
import functools
import json
import logging
import mmap
import struct
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from tests.given.dying import Order, arm, serve

from isthmus.app import SECTIONS, open_platform
from isthmus.client.transport import tls
from isthmus.client.transport.aio import AioTransport
from isthmus.connect import registry
from isthmus.features import fulfilment
from isthmus.features.pushes.jobs import send
from isthmus.features.sync.jobs import read, run
from isthmus.features.uploads.model.formats import shipped
from isthmus.features.uploads.service import formats
from isthmus.kit.clock import SYSTEM
from isthmus.scope import Scope
from isthmus.settings import Settings, load

_NEVER = 600.0
_TURN = 0.01
_AHEAD = struct.Struct("d")


class Hasty:
    """The machine's clocks, put forward by whoever waits on them; what would come after ten minutes never comes.

    How far they have been put forward stands in a file, for all processes alike; `off` is what one of them has wrong.
    """

    def __init__(self, place: Path, off: float = 0.0) -> None:
        if not place.exists():
            place.write_bytes(_AHEAD.pack(0.0))
        with place.open("r+b") as file:
            self._shared = mmap.mmap(file.fileno(), _AHEAD.size)
        self._off = off

    @property
    def ahead(self) -> float:
        """Seconds by which the clocks have been put forward."""
        return float(_AHEAD.unpack(self._shared[:])[0])

    @ahead.setter
    def ahead(self, seconds: float) -> None:
        self._shared[:] = _AHEAD.pack(seconds)

    def now(self) -> datetime:
        """The time, as far as it has been put forward."""
        return SYSTEM.now() + timedelta(seconds=self.ahead + self._off)

    def monotonic(self) -> float:
        """The same for durations."""
        return SYSTEM.monotonic() + self.ahead

    async def sleep(self, seconds: float) -> None:
        """Be there at once."""
        if seconds >= _NEVER:
            await asyncio.sleep(seconds)
        self.ahead += max(0.0, seconds)
        await asyncio.sleep(min(seconds, _TURN))  # whoever waits again and again lets others work


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


async def _worker(settings: Settings, order: Order) -> None:
    clock = Hasty(Path(order["clock"]), order["off"])
    async with open_platform(settings, upgrade=False, prove=False, clock=clock) as platform:
        arm(order, (AioTransport, "send"))
        await work(platform.system.scope(order["tenant"], "storm"), order["due"])


def main() -> None:
    """Carry out orders until stdin ends."""
    logging.disable(logging.WARNING)
    for name in ("folders", "discover"):
        setattr(registry, name, functools.cache(getattr(registry, name)))
    registry.discover(())
    tls.verified(None, None)
    known = shipped(registry.folders())
    setattr(formats, "shipped", lambda _: known)  # noqa: B010 - mypy takes no assignment to a function
    serve(functools.partial(_worker, load(SECTIONS, json.loads(sys.argv[1]), {})))


if __name__ == "__main__":
    main()
