"""Heals what a queue can lose: state rows without progress are woken again, every few seconds, by one process."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from isthmus.engine.db import Database, DatabaseUnavailable, Tx
from isthmus.engine.queue.port import Queue, Wake

_LOG = logging.getLogger("isthmus.engine.queue")
_ONE_AT_A_TIME: Final = "select pg_try_advisory_xact_lock(359923714)"

#: Looks for rows without progress, as the system, and answers the wake-ups that are missing.
Look = Callable[[Tx], Awaitable[Sequence[Wake]]]


class Reconciler:
    """Calls every look once a round; a round is skipped while another process is at it."""

    def __init__(self, database: Database, queue: Queue, looks: Sequence[Look], *, every: float = 7.5) -> None:
        self._database = database
        self._queue = queue
        self._looks = list(looks)
        self._every = every

    async def round(self) -> int:
        """One round; the number of wake-ups that were missing. A look that fails does not stop the others.

        All of them look in one transaction, because they find nothing nearly always and a transaction costs more than
        most of them; where one fails, each has its own.
        """
        try:
            async with self._database.system() as tx:
                if not (await tx.fetch_sql(_ONE_AT_A_TIME))[0][0]:
                    return 0
                wakes = [wake for look in self._looks for wake in await look(tx)]
                return await self._queue.enqueue_missing(tx, wakes)
        except DatabaseUnavailable:
            return 0
        except Exception as failure:  # noqa: BLE001 - whose it is, and whether the others find something, is seen next
            _LOG.debug("a look of the reconciler failed (%s): each looks for itself", type(failure).__name__)
        return await self._one_by_one()

    async def _one_by_one(self) -> int:
        woken = 0
        for look in self._looks:
            try:
                async with self._database.system() as tx:
                    if not (await tx.fetch_sql(_ONE_AT_A_TIME))[0][0]:
                        return woken
                    woken += await self._queue.enqueue_missing(tx, await look(tx))
            except DatabaseUnavailable:
                return woken
            except Exception:  # noqa: BLE001 - one room's mistake must not stop the healing of the others
                _LOG.exception("the reconciler's look %s failed", getattr(look, "__qualname__", look))
        return woken

    async def run(self, stop: asyncio.Event) -> None:
        """A round at once, and then one every few seconds, until `stop` is set."""
        while not stop.is_set():
            count = await self.round()
            if count:
                _LOG.info("woke %d objects without progress", count)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._every):
                    await stop.wait()
