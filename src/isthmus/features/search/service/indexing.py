"""From the committed event log into the index: a batch of changes is read anew and written in one transaction.

The cursor of the log moves in that transaction, so what a sync has committed is searched once and soon, and the sync
itself pays nothing for it (adr/search-index).
"""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from isthmus.engine.db import DatabaseUnavailable, Tx
from isthmus.features import pushes
from isthmus.features.search import model
from isthmus.features.search.service.sources import SOURCES, Source
from isthmus.features.search.store import index
from isthmus.scope import System

LISTENER: Final = "search.index"
DISCONNECTED: Final = "connection.disconnected"
LIMITED: Final = "integration.types_forbidden"
_TYPES: Final = (DISCONNECTED, LIMITED, *(kind for source in SOURCES for kind in source.events))
_BATCH: Final = 1_000
_POLL: Final = 5.0
_SOON: Final = (0.01, 0.04, 0.16)
_OUTAGE: Final = 1.0
#: How often is looked whether values are still being sent, in seconds, and how often that is waited for.
_LOOKS: Final = 0.25
_WAITS: Final = 16
#: Documents that are made in one go.
_PART: Final = 200


async def run(system: System, stop: asyncio.Event) -> None:
    """Keep the index in step until `stop` is set, woken by the log; builds are looked for while the log is quiet."""
    with system.engine.bus.heard() as bell:
        while not stop.is_set():
            rung = bell.is_set()
            bell.clear()
            await _give_way(system, stop)
            try:
                if await index_once(system) or await build_once(system):
                    continue
                # The event that rang may be behind an older transaction that still runs; where none rang, none is.
                for pause in (*_SOON, _POLL) if rung else (_POLL,):
                    await _first(bell, pause)
                    if stop.is_set() or await index_once(system):
                        break
            except DatabaseUnavailable:
                await _first(stop, _OUTAGE)


async def _give_way(system: System, stop: asyncio.Event) -> None:
    """While this process sends values to far sides it indexes now and then: that can wait, and what is sold cannot.

    Other processes index meanwhile.
    """
    for _ in range(_WAITS):
        if stop.is_set() or not pushes.sends(system):
            return
        await _first(stop, _LOOKS)


async def index_once(system: System, limit: int = _BATCH) -> int:
    """Index the next changes of the log; how many events were read."""
    return await system.engine.bus.deliver_many(LISTENER, _TYPES, _write, limit=limit)


async def build_once(system: System, limit: int = _BATCH) -> int:
    """Carry a build on by one batch; how many records it read. A source that nobody has built yet begins here."""
    for source in SOURCES:
        async with system.tx() as tx:
            place = await index.building(tx, source.name, system.now)
            if place is None:
                continue
            rows = await source.behind(tx, *place, limit)
            await _keep(tx, rows)
            end = (rows[-1]["tenant_id"], rows[-1]["id"]) if rows else place
            await index.built(tx, source.name, end, system.now, done=len(rows) < limit)
            return max(1, len(rows))
    return 0


async def rebuild(system: System) -> None:
    """Have the whole index made anew by whoever works; searches find what is there meanwhile."""
    async with system.tx() as tx:
        await index.rebuild(tx, system.now)


async def _write(tx: Tx, rows: Sequence[Mapping[str, Any]]) -> None:
    changed: dict[tuple[str, str], dict[str, None]] = defaultdict(dict)
    ended, limited = [], []
    for row in rows:
        if row["type"] == DISCONNECTED:
            ended.append((row["tenant_id"], row["subject"]))
        elif row["type"] == LIMITED:
            limited.append((row["tenant_id"], row["body"]))
        else:
            changed[row["type"].partition(".")[0], row["tenant_id"]][row["subject"]] = None
    for source in SOURCES:
        for (kind, tenant_id), ids in changed.items():
            if kind == source.events[0].partition(".")[0]:
                await _refresh(tx, source, tenant_id, list(ids))
    for tenant_id, body in limited:
        await _limit(tx, tenant_id, body)
    for tenant_id, connection_id in ended:
        await index.forget(tx, tenant_id, connection_id)


async def _limit(tx: Tx, tenant_id: str, body: Mapping[str, Any]) -> None:
    """What may not pass any more is not found any more; what may pass again is, as far as it is still there."""
    await index.forbid(tx, tenant_id, body["connectionIds"], body["forbidden"])
    if not body["allowedAgain"]:
        return
    for source in SOURCES:
        ids = await source.through(tx, tenant_id, body["connectionIds"])
        for start in range(0, len(ids), _BATCH):
            await _refresh(tx, source, tenant_id, ids[start : start + _BATCH])


async def _refresh(tx: Tx, source: Source, tenant_id: str, ids: Sequence[str]) -> None:
    found = await source.named(tx, tenant_id, ids)
    await index.remove(tx, tenant_id, sorted({*ids} - {row["id"] for row in found}))
    await _keep(tx, found)


async def _keep(tx: Tx, rows: Sequence[Mapping[str, Any]]) -> None:
    by_tenant: dict[str, list[model.Document]] = defaultdict(list)
    for number, row in enumerate(rows, 1):
        by_tenant[row["tenant_id"]].append(model.document(row))
        if not number % _PART:
            await asyncio.sleep(0)
    for tenant_id, documents in by_tenant.items():
        await index.write(tx, tenant_id, documents)


async def _first(bell: asyncio.Event, seconds: float) -> None:
    """Wait for the bell, which also rings at the end, or so many seconds."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await bell.wait()
