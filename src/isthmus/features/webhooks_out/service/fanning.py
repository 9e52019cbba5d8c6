"""From the committed event log to deliveries: once per event and endpoint, in the transaction that moves the cursor."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from isthmus.engine.db import Tx
from isthmus.features.webhooks_out.model import Catalogue, matches, message_of, shard_of
from isthmus.features.webhooks_out.service import planning
from isthmus.features.webhooks_out.service.sending import Sender
from isthmus.features.webhooks_out.store import deliveries as store
from isthmus.features.webhooks_out.store import endpoints
from isthmus.features.webhooks_out.store.deliveries import NewDelivery
from isthmus.kit import ids
from isthmus.scope import System

LISTENER: Final = "webhooks_out"
_BATCH: Final = 500
_QUIET: Final = 1.0
#: What the log's bell could not tell is found after so long.
_POLL: Final = 5.0
_MOST_ROWS: Final = 5_000
#: What becomes of a message in each state of an endpoint; unverified ones get nothing (WH-10).
_STATES: Final = {"active": "pending", "paused": "pending", "disabled": "missed"}


async def fan_out_once(system: System, limit: int = _BATCH) -> int:
    """Write the deliveries of the next events; how many events."""
    types = system.engine.part(Catalogue).types

    async def write(tx: Tx, rows: Sequence[Mapping[str, Any]]) -> None:
        await _write(system, tx, rows)

    return await system.engine.bus.deliver_many(LISTENER, types, write, limit=limit)


async def run(system: System, stop: asyncio.Event) -> None:
    """Fan out until `stop` is set, woken by the log; while nobody has an endpoint, events are passed over."""
    with system.engine.bus.heard() as bell:
        while not stop.is_set():
            bell.clear()
            if await system.engine.bus.skip(LISTENER, endpoints.any_endpoint):
                await _first(stop, None, _QUIET)
                continue
            if await _told(system):
                continue
            # The event that rang may be behind an older transaction that still runs.
            for pause in (0.01, 0.04, 0.16, _POLL):
                await _first(stop, bell, pause)
                if stop.is_set() or bell.is_set() or await _told(system):
                    break


async def _told(system: System) -> bool:
    """Fan out, and tell this process's own sender."""
    if not await fan_out_once(system):
        return False
    system.engine.part(Sender).planned.set()
    return True


async def _first(stop: asyncio.Event, bell: asyncio.Event | None, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await (bell or stop).wait()


async def _write(system: System, tx: Tx, rows: Sequence[Mapping[str, Any]]) -> None:
    wanting: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in await store.wants(tx, sorted({row["tenant_id"] for row in rows})):
        wanting[row["tenant_id"]].append({**row, "conditions": endpoints.conditions(row["conditions"])})
    new: list[NewDelivery] = []
    for row in rows:
        if row["public"] and wanting[row["tenant_id"]]:
            new += _deliveries(row, wanting[row["tenant_id"]])
    named = [
        NewDelivery(one.tenant_id, f"dlv_{id_}", one.endpoint_id, one.event_id, one.type, one.state, one.due, one.shard)
        for one, id_ in zip(new, sorted(ids.many(len(new), system.clock)), strict=True)
    ]
    for start in range(0, len(named), _MOST_ROWS):
        waiting = await store.fan_out(tx, named[start : start + _MOST_ROWS], system.now)
        for tenant_id, endpoint_id in waiting:
            await planning.advance(tx, tenant_id, endpoint_id, system.now)


def _deliveries(row: Mapping[str, Any], wanting: Sequence[Mapping[str, Any]]) -> list[NewDelivery]:
    """One for each endpoint that wants the event."""
    message = message_of(row)
    made = []
    for one in wanting:
        state = _STATES.get(one["state"])
        if state is None or not matches(one["types"], one["conditions"], message.type, message.shape):
            continue
        if row["subject"] == one["id"] and one["state"] != "active":
            continue  # an endpoint is not told of its own end
        due = one["state"] == "active" and not one["ordered"] and one["health"] != "parked"
        shard = shard_of(one["id"])
        made.append(NewDelivery(row["tenant_id"], "", one["id"], row["id"], message.type, state, due, shard))
    return made
