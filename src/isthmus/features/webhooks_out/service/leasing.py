"""Which shards this process delivers for: its fair share of them, each for as long as its lease is renewed."""

from collections import Counter
from typing import Final

from isthmus.engine.db import DatabaseUnavailable
from isthmus.features.webhooks_out.model import SHARDS
from isthmus.features.webhooks_out.settings import Settings
from isthmus.features.webhooks_out.store import dispatch as store
from isthmus.scope import System

#: Less than the lease itself: nothing is started that another worker may already have.
_CERTAIN: Final = 0.8


class Leases:
    """The shards that one owner holds."""

    def __init__(self, system: System, owner: str) -> None:
        self._system = system
        self._settings = system.engine.part(Settings)
        self._owner = owner
        self._valid_until = 0.0
        #: Shard -> epoch.
        self.held: dict[int, int] = {}
        #: Held, but on their way to another worker: nothing is taken for them any more.
        self.leaving: set[int] = set()
        #: Whether no other worker was there when the leases were renewed.
        self.alone = False

    @property
    def open(self) -> dict[int, int]:
        """Those that work may be taken for: shard -> epoch."""
        return {shard: epoch for shard, epoch in self.held.items() if shard not in self.leaving}

    def certain(self) -> bool:
        """Whether nobody else can hold the same by now."""
        return self._system.clock.monotonic() < self._valid_until

    async def renew(self, busy: Counter[int]) -> bool:
        """Renew what is held, let go of what leaves and is not `busy`, take a fair share; whether there is more now."""
        asked = self._system.clock.monotonic()
        let_go = [shard for shard in self.leaving if not busy[shard]]
        try:
            async with self._system.tx() as tx:
                held, share = await store.lease(tx, self._owner, self._settings.lease, let_go, SHARDS)
        except DatabaseUnavailable:
            return False
        more = bool(held.keys() - self.held.keys())
        self.held, self.alone = held, share >= SHARDS
        by_order = sorted(held, key=lambda shard: (shard not in self.leaving, shard))
        self.leaving = set(by_order[: max(0, len(held) - share)])
        self._valid_until = asked + self._settings.lease.total_seconds() * _CERTAIN
        return more

    async def release(self) -> None:
        """Let go of everything."""
        async with self._system.tx() as tx:
            await store.release(tx, self._owner)
