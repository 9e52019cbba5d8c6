"""`python -m tests.journeys.storm` and the settings as JSON: forks workers that are killed with the platform open.

Each line of stdin is a JSON order: what to work off, where the clock stands, and when to die. What a fork can inherit
(modules, the providers' folders, the list of authorities) is read once; all else is a deployment's own worker, from its
pool to its clients.
"""

import asyncio
import functools
import json
import logging
import os
import signal
import ssl
import sys
import threading
import traceback
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import asyncpg

from isthmus.app import SECTIONS, Platform, open_platform
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


def _die_at(boundary: int) -> None:
    """Kill this process at its n-th boundary; each statement and each request has one before and one after it."""
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
    setattr(AioTransport, "send", killing(AioTransport.send))  # noqa: B010 - mypy takes no assignment to a method


async def _worker(settings: Mapping[str, str], order: dict[str, Any]) -> None:
    async with open_platform(
        load(SECTIONS, settings, {}), upgrade=False, prove=False, clock=Hasty(order["ahead"])
    ) as platform:
        if order.get("boundary"):
            _die_at(order["boundary"])
        if order.get("after"):
            threading.Timer(order["after"], os.kill, (os.getpid(), signal.SIGKILL)).start()
        await work(_scope(platform, order["tenant"]), order["due"])


def _scope(platform: Platform, tenant_id: str) -> Scope:
    return platform.system.scope(tenant_id, "storm")


def _forked(settings: Mapping[str, str], order: dict[str, Any]) -> int:
    child = os.fork()
    if child == 0:
        status = 1
        try:
            asyncio.run(_worker(settings, order))
            status = 0
        except BaseException:
            traceback.print_exc()
            raise
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main() -> None:
    """Carry out orders until stdin ends."""
    logging.disable(logging.WARNING)
    for module, name in ((registry, "folders"), (registry, "discover"), (ssl, "create_default_context")):
        setattr(module, name, functools.cache(getattr(module, name)))
    registry.discover(())
    ssl.create_default_context()
    settings = json.loads(sys.argv[1])
    load(SECTIONS, settings, {})
    for line in sys.stdin:
        print(json.dumps(_forked(settings, json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
