"""Seals the log behind its writers' backs: a checkpoint for each second with something new (AU-03 to AU-05)."""

import asyncio
import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from isthmus.engine.db import Tx
from isthmus.features.audit.model import checkpoints as model
from isthmus.features.audit.model.checkpoints import Checkpoint, Head
from isthmus.features.audit.service import signing
from isthmus.features.audit.service.posting import Poster
from isthmus.features.audit.settings import Settings
from isthmus.features.audit.store import checkpoints as store
from isthmus.kit.clock import SYSTEM, Clock
from isthmus.kit.figures import Figure
from isthmus.kit.permissions import PLATFORM_TENANT
from isthmus.kit.waiting import first_of
from isthmus.scope import System

_LOG = logging.getLogger("isthmus.audit")
_LOOK_SECONDS = 30.0
_UNSEALED = "isthmus_audit_unsealed_seconds", "For how long the oldest entry of the audit log has not been sealed."


class Teller:
    """Takes the newest checkpoint out of the database (AU-04).

    To a file for each one, to an address as fast as it takes them, to the log now and then.
    """

    def __init__(self, settings: Settings, clock: Clock = SYSTEM) -> None:
        self._poster = Poster(settings.head_url, clock) if settings.head_url is not None else None
        self._file = settings.head_file
        self._pause = settings.head_log
        self._told: datetime | None = None

    async def tell(self, one: Checkpoint) -> None:
        """Tell of this one. A file that cannot be written is logged; sealing goes on."""
        head = Head(one.number, one.digest)
        if self._file is not None:
            try:
                await asyncio.to_thread(_append, self._file, f"{head} {one.made_at.isoformat()}\n")
            except OSError as failure:
                _LOG.error("the head of the audit log could not be written to %s: %s", self._file, failure.strerror)
        if self._poster is not None:
            self._poster.tell(head, one.made_at)
        if self._told is None or one.made_at - self._told >= self._pause:
            self._told = one.made_at
            _LOG.info("audit log sealed up to checkpoint %s", head.parted)

    async def close(self) -> None:
        """Have the address told of the last one, if it can be."""
        if self._poster is not None:
            await self._poster.close()


async def seal_on(system: System, stop: asyncio.Event) -> None:
    """Seal what is new until `stop` is set; of several processes one does it at a time."""
    settings = system.engine.part(Settings)
    teller = Teller(settings, system.clock)
    warned = False
    try:
        with system.engine.bus.heard() as bell:
            while not stop.is_set():
                bell.clear()
                for one in await seal(system):
                    await teller.tell(one)
                held_back = await lag(system)
                if held_back > settings.late and not warned:
                    _LOG.warning("the audit log is unsealed since %d seconds: a transaction is open", held_back.seconds)
                warned = held_back > settings.late
                wait = settings.gather.total_seconds() if held_back else _LOOK_SECONDS
                await first_of(stop, bell, seconds=wait)
                if not held_back:
                    await first_of(stop, seconds=settings.gather.total_seconds())
    finally:
        await teller.close()


async def seal(system: System) -> list[Checkpoint]:  # house: silent - a checkpoint speaks of the log's facts
    """Seal everything that is final and new; the checkpoints that were made, none when another process is at it.

    Raises KeyNotHeld, Unreadable.
    """
    batch = system.engine.part(Settings).batch
    made: list[Checkpoint] = []
    while await lag(system):
        key = await signing.current_key(system.scope(PLATFORM_TENANT, "audit"))
        async with system.tx() as tx:
            if not await store.lock(tx):
                return made
            before = await store.newest(tx)
            stretch = await store.next_stretch(tx, before)
            rows = await store.unsealed_rows(tx, stretch, batch)
            if not rows:
                return made
            if before is not None and stretch.epoch > before.epoch:
                _LOG.warning("the database was restored: epoch %d of the audit log begins", stretch.epoch)
            one = model.signed(model.sealed(rows, before, system.now, key.id, stretch), key.private)
            await store.insert_checkpoint(tx, one)
        made.append(one)
    return made


async def lag(system: System) -> timedelta:
    """How long the oldest entry that is not sealed has waited; zero when all are."""
    async with system.tx() as tx:
        return await _lag(system, tx)


async def measure(system: System, tx: Tx) -> Sequence[Figure]:
    """How far sealing is behind: it stays near nothing unless a transaction is left open, or no worker runs."""
    return [Figure(*_UNSEALED, (await _lag(system, tx)).total_seconds())]


async def _lag(system: System, tx: Tx) -> timedelta:
    stretch = await store.next_stretch(tx, await store.newest(tx))
    found = await store.unsealed(tx, stretch)
    if not found["count"]:
        return timedelta()
    oldest: datetime = found["oldest"]
    return max(system.now - oldest, timedelta(microseconds=1))


def _append(file: Path, line: str) -> None:
    with file.open("a", encoding="ascii") as out:
        out.write(line)
