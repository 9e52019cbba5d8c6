"""Which platform each address belongs to, known before anything comes in at it.

So that even the first delivery after a start is answered in its platform's own time, whatever the database does.
"""

import asyncio
import contextlib
from datetime import UTC, datetime, timedelta
from typing import Final

from isthmus.connect.webhooks import Webhooks
from isthmus.engine.db import DatabaseUnavailable
from isthmus.features import catalog
from isthmus.features.webhooks_in.settings import Settings
from isthmus.features.webhooks_in.store import sources as store
from isthmus.kit.permissions import PLATFORM_TENANT
from isthmus.kit.waiting import first_of
from isthmus.scope import System

_PART: Final = "webhooks_in"
#: The part of a platform's time that may pass before the answer; the rest is the way there and back.
_OURS: Final = 0.6
_LONGEST: Final = 25.0
#: For so long the start waits for the first reading.
_START: Final = 2.0
#: What is committed late bears an older time.
_LATE: Final = timedelta(minutes=1)
#: At most so often the addresses are read while other things happen, and after an outage.
_PAUSE: Final = 5.0
_SOON: Final = 0.2
_OUTAGE: Final = 1.0
_EVER: Final = datetime(1970, 1, 1, tzinfo=UTC)


def within(scheme: Webhooks) -> float:
    """Seconds within which a platform is answered."""
    return min(scheme.deadline_ms / 1000 * _OURS, _LONGEST)


class Expected:
    """The addresses that one process knows, the youngest of them where there are too many, and their time."""

    def __init__(self, system: System, settings: Settings) -> None:
        self._system, self._most = system, settings.expected
        self._seconds: dict[bytes, float] = {}
        self._since = _EVER

    def seconds(self, key: bytes) -> float | None:
        """In which time deliveries at the address with this hash are answered; None where it is not known."""
        return self._seconds.get(key)

    async def prepare(self) -> None:
        """Read what there is, but do not hold the start up for it."""
        with contextlib.suppress(DatabaseUnavailable, TimeoutError):
            async with asyncio.timeout(_START):
                await self.read()

    async def follow(self, stop: asyncio.Event) -> None:
        """Read what is new soon after something has happened, until `stop` is set."""
        pause = 0.0
        with self._system.engine.bus.heard() as bell:
            while not stop.is_set():
                bell.clear()
                try:
                    await self.read()
                except DatabaseUnavailable:
                    await first_of(stop, seconds=_OUTAGE)
                    continue
                await first_of(stop, seconds=pause)
                await first_of(stop, bell)
                # an address is written a moment after the event of its source
                await first_of(stop, seconds=_SOON)
                pause = _PAUSE

    async def read(self) -> int:
        """Read the addresses made since the last time; how many there are."""
        async with self._system.tx() as tx:
            rows = await store.expected(tx, self._since, self._system.now, self._most)
        times = {provider: await self._within(provider) for provider in {row["provider"] for row in rows}}
        for row in reversed(rows):
            seconds = times[row["provider"]]
            if seconds is not None:
                self._seconds.pop(row["token_hash"], None)
                self._seconds[row["token_hash"]] = seconds
        while len(self._seconds) > self._most:
            del self._seconds[next(iter(self._seconds))]
        if rows:
            self._since = rows[0]["created_at"] - _LATE
        return len(rows)

    async def _within(self, provider: str) -> float | None:
        try:
            found = await catalog.found(self._system.scope(PLATFORM_TENANT, _PART), provider)
        except catalog.ProviderNotFound:
            return None
        return within(found.manifest.webhooks) if found.manifest.webhooks is not None else None
