"""Transactions that wait for one another, until a test lets them go on."""

import asyncio
from collections.abc import Sequence

from isthmus.engine.db import Database

_WAITING = "select count(*) as many from pg_locks where not granted"


async def waiting(database: Database, most: int, tasks: Sequence[asyncio.Task[object]] = ()) -> None:
    """Until so many wait for a lock, or have ended of these tasks."""
    async with asyncio.timeout(20):
        while True:
            async with database.system() as tx:
                found = (await tx.fetch_sql(_WAITING))[0]["many"]
            if found + sum(task.done() for task in tasks) >= most:
                return
            await asyncio.sleep(0.01)
