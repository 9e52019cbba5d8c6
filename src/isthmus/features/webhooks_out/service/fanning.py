"""From the committed event log to deliveries: once per event and endpoint, in the transaction that moves the cursor."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from isthmus.engine.bus import hides_of
from isthmus.engine.db import DatabaseUnavailable, Tx
from isthmus.features.webhooks_out.model import Catalogue, matches, message_of, shard_of
from isthmus.features.webhooks_out.service import planning
from isthmus.features.webhooks_out.service.sending import Handed, Sender
from isthmus.features.webhooks_out.settings import Settings
from isthmus.features.webhooks_out.store import deliveries as store
from isthmus.features.webhooks_out.store import endpoints
from isthmus.features.webhooks_out.store.deliveries import NewDelivery
from isthmus.features.webhooks_out.store.dispatch import Due
from isthmus.kit import ids
from isthmus.scope import System

LISTENER: Final = "webhooks_out"
_BATCH: Final = 500
#: Between two looks whether anybody has an endpoint by now, and between two that nobody called for.
_QUIET: Final = 1.0
_UNCALLED: Final = 60.0
#: For so long whoever has an endpoint is taken to have it still.
_SURE: Final = 5.0
#: After so many events at once the next ones are waited for; after fewer where much waits to be sent.
_MANY: Final = 64
_SOME: Final = 24
_GATHER: Final = 0.02
_MOST_ROWS: Final = 5_000
#: What becomes of a message in each state of an endpoint; unverified ones get nothing (WH-10).
_STATES: Final = {"active": "pending", "paused": "pending", "disabled": "missed"}


async def fan_out_once(system: System, limit: int = _BATCH) -> int:
    """Write the deliveries of the next events; how many events."""
    types = system.engine.part(Catalogue).types
    handed: list[Handed] = []
    look = False

    async def write(tx: Tx, rows: Sequence[Mapping[str, Any]]) -> None:
        nonlocal look
        look = await _write(system, tx, rows, handed)

    count = await system.engine.bus.deliver_many(LISTENER, types, write, limit=limit)
    if count:
        # Not before it is committed: what was undone is never sent.
        system.engine.part(Sender).hand_over(handed, look=look)
    return count


async def run(system: System, stop: asyncio.Event) -> None:
    """Fan out until `stop` is set, woken by the log; while nobody has an endpoint, events are passed over."""
    ask_at = 0.0
    with system.engine.bus.heard() as bell:
        while not stop.is_set():
            try:
                if system.clock.monotonic() >= ask_at:
                    if await system.engine.bus.skip(LISTENER, endpoints.any_endpoint):
                        await _first(stop, None, _QUIET)
                        await _first(stop, bell, _UNCALLED)
                        bell.clear()
                        continue
                    # Somebody has one, and will have it for a while: what nobody wants costs little until then.
                    ask_at = system.clock.monotonic() + _SURE
                await _round(system, stop, bell)
            except DatabaseUnavailable:
                await _first(stop, None, _QUIET)


async def _round(system: System, stop: asyncio.Event, bell: asyncio.Event) -> None:
    """Fan out what there is, then wait for more."""
    rung = bell.is_set()
    bell.clear()
    if await _told(system):
        bell.set()
        return
    # The event that rang may be behind an older transaction that still runs.
    for pause in (0.01, 0.04, 0.16, _UNCALLED) if rung else (_UNCALLED,):
        await _first(stop, bell, pause)
        if stop.is_set() or bell.is_set():
            return
        if await _told(system):
            bell.set()
            return


async def _told(system: System) -> bool:
    """Fan out, and hand what is due over to this process's own sender; under load what follows gathers for a moment.

    A batch costs as much for ten events as for fifty, and what its sender has no room for is read anew.
    """
    count = await fan_out_once(system)
    if _MANY <= count < _BATCH or (count >= _SOME and system.engine.part(Sender).is_crowded()):
        await asyncio.sleep(_GATHER)
    return count > 0


async def _first(stop: asyncio.Event, bell: asyncio.Event | None, seconds: float) -> None:
    """Wait for the bell, or for the stop alone. The bus rings once more after the stop, which is seen here before."""
    if stop.is_set():
        return
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await (bell or stop).wait()


async def _write(system: System, tx: Tx, rows: Sequence[Mapping[str, Any]], handed: list[Handed]) -> bool:
    """Write the deliveries of these events; whether some were planned beside those that are handed over."""
    wanting: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in await store.wants(tx, sorted({row["tenant_id"] for row in rows})):
        wanting[row["tenant_id"]].append({**row, "conditions": endpoints.conditions(row["conditions"])})
    hidden = await hides_of(system.engine.parts, tx, wanting)
    new: list[_New] = []
    for row in rows:
        tenant_id = row["tenant_id"]
        if row["public"] and tenant_id in wanting and not hidden[tenant_id](row):
            new += _deliveries(row, wanting[tenant_id])
    named = [f"dlv_{id_}" for id_ in sorted(ids.many(len(new), system.clock))]
    room, look = system.engine.part(Settings).waiting, False
    for start in range(0, len(new), _MOST_ROWS):
        now, part = system.now, slice(start, start + _MOST_ROWS)
        written = await store.fan_out(tx, [one.row for one in new[part]], named[part], now)
        for one, id_, (number, place) in zip(new[part], named[part], written, strict=True):
            if place is not None and len(handed) < room:
                handed.append(one.handed(id_, number, now, place))
        look = await _advance(system, tx, new[part], written) or look
    return look or len(handed) < sum(one.row.due for one in new)


async def _advance(system: System, tx: Tx, new: Sequence["_New"], written: Sequence[tuple[int, Any]]) -> bool:
    """Plan what waits without a time, from the lowest number of each endpoint on; whether anything was."""
    lowest: dict[tuple[str, str], int] = {}
    for one, (number, _) in zip(new, written, strict=True):
        if one.row.state == "pending" and not one.row.due:
            lowest.setdefault((one.row.tenant_id, one.row.endpoint_id), number)
    for (tenant_id, endpoint_id), number in sorted(lowest.items()):
        await store.note_waiting(tx, tenant_id, endpoint_id, number)
        await planning.advance(tx, tenant_id, endpoint_id, system.now)
    return bool(lowest)


@dataclass(slots=True)
class _New:
    """A delivery on its way into the database."""

    row: NewDelivery
    body: bytes
    born: datetime
    endpoint: Mapping[str, Any]
    event: Mapping[str, Any]

    def handed(self, delivery_id: str, number: int, at: datetime, place: tuple[int, int]) -> Handed:
        """The same for the dispatcher."""
        row, endpoint = self.row, self.endpoint
        due = Due(row.shard, at, number, row.tenant_id, row.endpoint_id, delivery_id, 0, place)
        slow, doubtful = endpoint["health"] == "slow", endpoint["failures"] > 0
        return Handed(due, row.event_id, self.body, self.born, endpoint["version"], slow, doubtful, self.event)


def _deliveries(row: Mapping[str, Any], wanting: Sequence[Mapping[str, Any]]) -> list[_New]:
    """One for each endpoint that wants the event; its body is written out once for all of them."""
    message = message_of(row)
    body = b""
    made = []
    for one in wanting:
        state = _STATES.get(one["state"])
        if state is None or not matches(one["types"], one["conditions"], message.type, message.shape):
            continue
        if row["subject"] == one["id"] and one["state"] != "active":
            continue  # an endpoint is not told of its own end
        due = one["state"] == "active" and not one["ordered"] and one["health"] != "parked"
        body = body or message.encoded()
        new = NewDelivery(row["tenant_id"], one["id"], row["id"], message.type, state, due, shard_of(one["id"]))
        made.append(_New(new, body, row["at"], one, row))
    return made
