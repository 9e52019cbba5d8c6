"""A worker of outbound webhooks, there to be killed: `python -m tests.given.webhooks_killed URL`."""

import asyncio
import sys
from datetime import timedelta

from tests.given import webhooks_out as given

from isthmus.engine.db import Database
from isthmus.features.webhooks_out.service import dispatching, fanning


async def main(url: str) -> None:
    """Work until the end comes."""
    database = await Database.connect(url)
    stop = asyncio.Event()
    async with given.process(database, lease=timedelta(seconds=1)) as system, asyncio.TaskGroup() as group:
        group.create_task(system.engine.bus.run(stop, {}))
        group.create_task(fanning.run(system, stop))
        group.create_task(dispatching.run(system, stop))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
