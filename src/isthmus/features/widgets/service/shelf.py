"""Records that were read live a moment ago, bounded in bytes, each key read by one caller at a time."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

#: Tenant, connection, entity: a person's own connection has an id of its own (security.md TN-11).
Key = tuple[str, str, str]


@dataclass(slots=True)
class Held:
    """The first pages of an entity, and where they end."""

    fetched_at: datetime
    records: list[dict[str, Any]] = field(default_factory=list)
    cursor: str | None = None
    total: int | None = None
    pages: int = 0
    size: int = 0

    @property
    def complete(self) -> bool:
        """Whether there is nothing behind these pages."""
        return self.pages > 0 and self.cursor is None


@dataclass(slots=True)
class Turn:
    """Whose turn it is for a key, how many wait or have it, and how the last one of them failed."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    users: int = 0
    failure: Exception | None = None


class Shelf:
    """What this process keeps; `app.py` makes one."""

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._held: OrderedDict[Key, Held] = OrderedDict()
        self._turns: dict[Key, Turn] = {}
        self.size = 0

    def find(self, key: Key) -> Held | None:
        """What is held under this key, however old."""
        found = self._held.get(key)
        if found is not None:
            self._held.move_to_end(key)
        return found

    def put(self, key: Key, held: Held) -> None:
        """Hold this; the longest unused makes room."""
        before = self._held.pop(key, None)
        self.size += held.size - (before.size if before is not None else 0)
        self._held[key] = held
        while self.size > self._most and self._held:
            self.size -= self._held.popitem(last=False)[1].size

    @asynccontextmanager
    async def alone(self, key: Key) -> AsyncIterator[Turn]:
        """One caller at a time for each key.

        A failure that the caller leaves there is that of all who wait meanwhile: a platform that hangs is waited for
        once, and not by each of them in turn.
        """
        turn = self._turns.setdefault(key, Turn())
        turn.users += 1
        try:
            async with turn.lock:
                yield turn
        finally:
            turn.users -= 1
            if not turn.users:
                del self._turns[key]
