"""What was done is written in batches, behind the fence of the shard's lease, and endpoints are judged by it."""

import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from isthmus.engine.db import DatabaseUnavailable
from isthmus.features.webhooks_out.events import EndpointDisabled, EndpointFailing, EndpointRecovered
from isthmus.features.webhooks_out.model import SCHEDULE, Fare, Outcome, Rules, ends_at, judged, wait_after
from isthmus.features.webhooks_out.service import planning
from isthmus.features.webhooks_out.settings import Settings
from isthmus.features.webhooks_out.store import settling as store
from isthmus.features.webhooks_out.store.settling import Done
from isthmus.kit import ids
from isthmus.kit.events import Event
from isthmus.scope import System

_LOG = logging.getLogger("isthmus.features.webhooks_out")
_PROBE: Final = timedelta(minutes=10)
_ALL: Final = timedelta(seconds=sum(SCHEDULE))


def next_state(
    attempts: int, outcome: Outcome, *, parked: bool, age: timedelta, draw: float
) -> tuple[str, int, timedelta | None]:
    """State, attempts and wait after one more attempt.

    A parked endpoint is probed every ten minutes with one delivery, which does not use up its schedule: it is a dead
    letter once the whole schedule's time has passed.
    """
    if outcome.delivered:
        return "delivered", attempts + 1, None
    if parked and not outcome.gone:
        return ("dead", attempts, None) if age > _ALL else ("pending", attempts, _PROBE * (0.9 + 0.2 * draw))
    wait = wait_after(attempts + 1, outcome, draw)
    return ("dead" if wait is None else "pending"), attempts + 1, wait


async def settle(system: System, owner: str, done: Sequence[Done]) -> bool:
    """Write a batch, without what belongs to another worker by now; whether something else was planned by it."""
    now = system.now
    unnamed = [one for one in done if not one.attempt_id]
    for one, id_ in zip(unnamed, ids.many(len(unnamed), system.clock), strict=True):
        one.attempt_id = f"att_{id_}"
    async with system.tx() as tx:
        mine, fares = done, await store.fare(tx, owner, done, now)
        if fares is None:
            held = await store.fence(tx, owner, {one.due.shard for one in done})
            mine = [one for one in done if held.get(one.due.shard) == one.epoch]
            fares = await store.fare(tx, owner, mine, now) if mine else None
        if fares is not None:
            await store.settle(tx, mine, now, again=len(unnamed) < len(done))
        for row in fares or ():
            if row["ordered"] or row["health"] == "parked":
                await planning.advance(tx, row["tenant_id"], row["id"], now)
    gone = {one.due.endpoint_id for one in mine if one.status == 410}
    for row in fares or ():
        # What is written is written: an endpoint that cannot be judged now is judged with its next attempt.
        with suppress(DatabaseUnavailable):
            await _judge(system, row, now, gone=row["id"] in gone)
    if len(mine) < len(done):
        _LOG.warning("%d deliveries belong to another worker by now", len(done) - len(mine))
    return any(row["ordered"] or row["health"] != "healthy" for row in fares or ())


async def _judge(system: System, row: Mapping[str, Any], now: datetime, *, gone: bool) -> None:
    """Slow, park, disable or free an endpoint, with a notice, in one transaction of its tenant."""
    settings = system.engine.part(Settings)
    rules = Rules(
        slow_after=settings.slow_after,
        park_after=settings.park_after,
        disable_after=settings.disable_after,
        notice=settings.notice,
    )
    fare = Fare(row["health"], row["failures"], row["first_failure_at"], row["last_failure_at"], row["parked_at"])
    wanted = "disabled" if gone else judged(fare, rules, now)
    if row["state"] != "active" or wanted == fare.health:
        return
    reason = None
    if wanted == "disabled":
        reason = "gone" if gone else "failing"
    health, state = ("parked", "disabled") if wanted == "disabled" else (wanted, "active")
    scope = system.scope(row["tenant_id"], "webhooks_out")
    async with scope.tx() as tx:
        parked_at = (now if wanted == "parked" else fare.parked_at) if health == "parked" else None
        if not await store.update_health(tx, row["id"], fare.health, store.Standing(health, state, reason, parked_at)):
            return
        notice = _notice(row, wanted, reason, ends_at(replace(fare, parked_at=now), rules, now))
        if notice is not None:
            tx.emit(notice)
        await planning.advance(tx, row["tenant_id"], row["id"], now)


def _notice(row: Mapping[str, Any], wanted: str, reason: str | None, ends: datetime) -> Event | None:
    since: datetime | None = row["first_failure_at"]
    body: dict[str, Any] = {"url": row["url"], "failures": row["failures"]}
    body["failingSince"] = None if since is None else since.isoformat()
    if wanted == "disabled":
        return EndpointDisabled(subject=row["id"], body={**body, "reason": reason})
    if wanted == "parked" and since is not None:
        about = {**body, "reason": "failing", "disabledAt": ends.isoformat()}
        return EndpointFailing(subject=row["id"], body=about)
    if wanted == "healthy" and row["health"] == "parked":
        return EndpointRecovered(subject=row["id"], body={"url": row["url"]})
    return None
