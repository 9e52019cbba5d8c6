"""Works many deliveries off once more: counted first, then handed out piece by piece, durably and not too fast."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from isthmus.engine.db import Tx
from isthmus.engine.queue import Wake
from isthmus.features.webhooks_in.errors import ReplayNotFound
from isthmus.features.webhooks_in.events import ReplayCancelled, ReplayRequested
from isthmus.features.webhooks_in.service import planning
from isthmus.features.webhooks_in.service.routing import HANDLE
from isthmus.features.webhooks_in.settings import Settings
from isthmus.features.webhooks_in.store import log as store
from isthmus.features.webhooks_in.store.log import Filters
from isthmus.scope import Scope, System

REPLAY = "webhooks_in.replay"
_PAUSE = timedelta(seconds=1)
_MOST = 100


async def plan(scope: Scope, wanted: Filters) -> int:
    """How many deliveries a replay would take."""
    async with scope.tx() as tx:
        return (await store.count_replayable(tx, scope.tenant_id, wanted))[0]


async def begin(scope: Scope, wanted: Filters) -> Mapping[str, Any]:
    """Write a replay down; it goes on by itself, over restarts too."""
    id_ = scope.id("rpl")
    filters = {name: _text(value) for name, value in asdict(wanted).items()}
    async with scope.tx() as tx:
        found = await store.count_replayable(tx, scope.tenant_id, wanted)
        await store.insert_replay(tx, scope.tenant_id, id_, filters, found, (scope.principal.id, scope.now))
        await tx.enqueue(REPLAY, id_)
        tx.emit(ReplayRequested(subject=id_, after={"filters": filters, "total": found[0]}))
    return await replay(scope, id_)


async def replay(scope: Scope, id_: str) -> Mapping[str, Any]:
    """How far a replay is. Raises ReplayNotFound."""
    async with scope.tx() as tx:
        found = await store.replay(tx, scope.tenant_id, id_)
    if found is None:
        raise ReplayNotFound
    return found


async def cancel(scope: Scope, id_: str) -> Mapping[str, Any]:
    """Stop a replay; what it has handed out already is worked off. Raises ReplayNotFound."""
    await replay(scope, id_)
    async with scope.tx() as tx:
        if await store.update_cancelled(tx, scope.tenant_id, id_, scope.now):
            tx.emit(ReplayCancelled(subject=id_))
    return await replay(scope, id_)


async def carry_on(scope: Scope, id_: str) -> None:  # house: silent - a step of what was announced
    """Hand out one second's worth, and come back for the next."""
    limit = scope.part(Settings).replays_per_second
    lent = await planning.lent(scope)
    async with scope.tx() as tx:
        found = await store.replay(tx, scope.tenant_id, id_, locked=True)
        if found is None or found["state"] != "running":
            return
        wanted = _filters(found["filters"])
        span = (str(found["place"]), str(found["last"]))
        rows = await store.replayable(tx, scope.tenant_id, wanted, span, limit)
        keys = await planning.again(scope, tx, rows, lent) if rows else []
        place = str(rows[-1]["id"]) if rows else None
        state, done_at = ("running", None) if place is not None else ("done", scope.now)
        await store.update_replay(tx, scope.tenant_id, id_, place or span[0], len(rows), state, done_at)
        for key in keys:
            await tx.enqueue(HANDLE, key)
        if place is not None:
            await tx.enqueue(REPLAY, id_, after=_PAUSE)


async def missing(system: System, tx: Tx) -> Sequence[Wake]:  # noqa: ARG001 - the reconciler's own form
    """The wake-ups of replays that run."""
    return [Wake(REPLAY, id_, tenant_id) for tenant_id, id_ in await store.running(tx, _MOST)]


def _text(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value


def _filters(kept: Mapping[str, Any]) -> Filters:
    times = {name: datetime.fromisoformat(kept[name]) for name in ("since", "until")}
    return Filters(**{**kept, **times})
