"""Deliveries: listed, looked at, sent once more."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from isthmus.engine.bus import hides
from isthmus.features.webhooks_out.errors import (
    DeliveryNotFound,
    DeliveryUnderWay,
    EndpointIdle,
)
from isthmus.features.webhooks_out.events import DeliveryRetried
from isthmus.features.webhooks_out.model import message_of, shard_of
from isthmus.features.webhooks_out.service import planning, sending
from isthmus.features.webhooks_out.store import deliveries as store
from isthmus.features.webhooks_out.store.deliveries import DeliveryFilters as DeliveryFilters
from isthmus.kit import ids
from isthmus.kit.errors import Invalid
from isthmus.kit.paging import Ask, Page
from isthmus.scope import Scope, System


@dataclass(frozen=True, slots=True)
class Inspected:
    """A delivery with what was to be sent and every attempt."""

    delivery: Mapping[str, Any]
    message: Mapping[str, Any] | None
    attempts: Sequence[Mapping[str, Any]]


async def listing(scope: Scope, ask: Ask, filters: DeliveryFilters) -> Page[Mapping[str, Any]]:
    """The newest first."""
    before = _place(ask.after, of_endpoint=filters.by_number)
    async with scope.tx() as tx:
        rows = await store.page(tx, filters, before, ask.offset, ask.limit + 1)
    kept: list[Mapping[str, Any]] = [dict(row) for row in rows[: ask.limit]]
    more, key = len(rows) > ask.limit, "number" if filters.by_number else "id"
    return Page(kept, next_after=str(kept[-1][key]) if more else None, has_more=more)


def _place(text: str | None, *, of_endpoint: bool) -> str | int | None:
    if text is None:
        return None
    if of_endpoint and text.isascii() and text.isdecimal() and len(text) < 19:
        return int(text)
    if not of_endpoint and ids.is_id(text, "dlv"):
        return text
    raise Invalid.field("cursor", "This is not a place in this list.")


async def inspect(scope: Scope, delivery_id: str) -> Inspected:
    """One delivery with its attempts and its message, but for one about a record that may not be read any more.

    Raises DeliveryNotFound.
    """
    async with scope.tx() as tx:
        row = await store.delivery(tx, delivery_id)
        if row is None:
            raise DeliveryNotFound
        event = await store.event(tx, row["event_id"])
        hidden = event is not None and (await hides(scope.engine.parts, tx))(event)
        attempts = [_shown(row["event_id"], one) for one in await store.attempts(tx, delivery_id)]
    return Inspected(dict(row), message_of(event).shape if event and not hidden else None, attempts)


def _shown(message_id: str, row: Mapping[str, Any]) -> dict[str, Any]:
    """An attempt with the headers that were sent."""
    return {**row, "request_headers": sending.sent_headers(message_id, row)}


async def retry(scope: Scope, delivery_id: str) -> Mapping[str, Any]:
    """Send a delivery once more, now: a dead or delivered one begins anew, one that waits goes before its time.

    Raises DeliveryNotFound, DeliveryUnderWay, EndpointIdle.
    """
    now = scope.now
    async with scope.tx() as tx:
        row = await store.delivery(tx, delivery_id)
        if row is None:
            raise DeliveryNotFound
        endpoint = await store.stands(tx, scope.tenant_id, row["endpoint_id"])
        if endpoint is None or endpoint["state"] != "active":
            raise EndpointIdle
        if row["state"] == "pending" and row["next_at"] is not None:
            shard = shard_of(row["endpoint_id"])
            if await store.hasten(tx, delivery_id, now, shard) is None:
                raise DeliveryUnderWay
        else:
            back = await store.put_back(tx, delivery_id)
            if back is not None:
                await store.note_waiting(tx, scope.tenant_id, back["endpoint_id"], back["number"])
                await planning.advance(tx, scope.tenant_id, back["endpoint_id"], now)
        tx.emit(DeliveryRetried(subject=delivery_id, body={"endpointId": row["endpoint_id"]}))
    async with scope.tx() as tx:
        again = await store.delivery(tx, delivery_id)
    return dict(again) if again else dict(row)


async def catch_up(system: System) -> None:
    """Plan deliveries that wait without being planned: after a pause, a recovery, or a crash in between."""
    async with system.tx() as tx:
        rows = await store.behind(tx, 200)
    for row in rows:
        more = True
        while more:
            async with system.tx() as tx:
                more = await planning.advance(tx, row["tenant_id"], row["id"], system.now)
