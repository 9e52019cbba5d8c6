"""How many statements the driver was given in this process."""

from typing import Any

import asyncpg


class Counted:
    """Counts from `begin` on."""

    total = 0

    @classmethod
    def begin(cls) -> None:
        """Count from now on."""
        for name in ("execute", "executemany", "fetch", "fetchrow", "fetchval"):
            sent = getattr(asyncpg.Connection, name)

            async def told(self: asyncpg.Connection, *given: Any, _sent: Any = sent, **more: Any) -> Any:
                cls.total += 1
                return await _sent(self, *given, **more)

            setattr(asyncpg.Connection, name, told)
