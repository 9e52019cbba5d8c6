"""A tenant's part of the pool: whoever has much to ask waits for its own, and not everybody else with it (RL-12)."""

import asyncio
from collections import deque

from isthmus.engine.db.errors import DatabaseSlow


class Turns:
    """At most `most` transactions of one tenant at a time; those that are more wait in the tenant's own line."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._open: dict[str, int] = {}
        self._lines: dict[str, deque[asyncio.Future[None]]] = {}

    def take(self, tenant_id: str) -> bool:
        """Take a turn, if there is one."""
        taken = self._open.get(tenant_id, 0)
        if taken >= self._most:
            return False
        self._open[tenant_id] = taken + 1
        return True

    async def wait(self, tenant_id: str, timeout: float) -> None:
        """Take the next turn that one of the tenant's others leaves. Raises DatabaseSlow after `timeout`."""
        line = self._lines.setdefault(tenant_id, deque())
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        line.append(turn)
        try:
            async with asyncio.timeout(timeout):
                await turn
        except TimeoutError:
            self._give_back(tenant_id, turn)
            raise DatabaseSlow("You ask for more at a time than your part of the database; nothing was done.") from None
        except BaseException:
            self._give_back(tenant_id, turn)
            raise

    def leave(self, tenant_id: str) -> None:
        """A turn is over: the next in the tenant's line has it."""
        line = self._lines.get(tenant_id)
        while line:
            turn = line.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._lines.pop(tenant_id, None)
        left = self._open[tenant_id] - 1
        if left:
            self._open[tenant_id] = left
        else:
            del self._open[tenant_id]

    def _give_back(self, tenant_id: str, turn: asyncio.Future[None]) -> None:
        """Whoever waited has gone; a turn that came at the same moment goes on."""
        if turn.done() and not turn.cancelled():
            self.leave(tenant_id)
        else:
            turn.cancel()
