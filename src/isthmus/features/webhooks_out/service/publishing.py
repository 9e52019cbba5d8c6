"""Event types, a tenant's own events, and the log as those read it who cannot receive."""

import asyncio
import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final

from isthmus.engine.bus import Place, hides, place_of
from isthmus.features.webhooks_out.errors import (
    EventsForgotten,
    EventTypeChangedMeanwhile,
    EventTypeNotFound,
    TooManyTypes,
)
from isthmus.features.webhooks_out.events import EventPublished, EventTypeRegistered, EventTypeRemoved
from isthmus.features.webhooks_out.model import (
    Catalogue,
    Message,
    check_data,
    check_schema,
    matches,
    message_of,
    weight,
)
from isthmus.features.webhooks_out.model.message import schema_of
from isthmus.features.webhooks_out.service.daily import Daily
from isthmus.features.webhooks_out.settings import Settings
from isthmus.features.webhooks_out.store import endpoints as store
from isthmus.kit.errors import Invalid
from isthmus.kit.etags import etag
from isthmus.scope import Scope, Tx

_LOOKS: Final = 20
#: Data of so many values is held against its schema at once.
_AT_ONCE: Final = 500
_NAME: Final = re.compile(r"custom(\.[a-z0-9_]{1,40}){1,4}", re.ASCII)


async def event_types(scope: Scope) -> list[dict[str, Any]]:
    """Every type that an endpoint may ask for, with its JSON schema."""
    async with scope.tx() as tx:
        own = await store.event_types(tx)
    found = [
        {"type": name, "version": version, "description": text, "own": False, "schema": schema, "etag": None}
        for name, version, text, schema in scope.part(Catalogue).described()
    ]
    return found + [_own(row["id"], row["version"], row["description"], row["schema"]) for row in own]


async def register(scope: Scope, name: str, description: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    """Register a type of the tenant's own, or change it: another schema is another version.

    Raises Invalid, WrongSchema, TooManyTypes, EventTypeChangedMeanwhile.
    """
    if not _NAME.fullmatch(name):
        raise Invalid.field("type", "A name such as custom.order.paid: small letters, digits, _ and dots.")
    await asyncio.to_thread(check_schema, schema)
    async with scope.tx() as tx:
        before = await store.registered(tx, name)
        if before != {"description": description, "schema": schema}:
            present = None if before is None else _tag(name, before["description"], before["schema"])
            scope.check_seen(present, EventTypeChangedMeanwhile)
        most = scope.part(Settings).event_types
        if before is None and await store.count_event_types(tx) >= most:
            raise TooManyTypes(details={"limit": most})
        version = await store.put_event_type(tx, name, description, schema, scope.now)
        was = None if before is None else {"schema": before["schema"]}
        tx.emit(EventTypeRegistered(subject=name, body={"version": version}, before=was, after={"schema": schema}))
    return _own(name, version, description, schema)


async def remove(scope: Scope, name: str) -> None:
    """Remove a type of the tenant's own. Raises EventTypeNotFound."""
    async with scope.tx() as tx:
        before = await store.event_type(tx, name)
        if not await store.delete_event_type(tx, name):
            raise EventTypeNotFound
        tx.emit(EventTypeRemoved(subject=name, before={"schema": before}))


async def publish(scope: Scope, type_: str, subject: str, data: Mapping[str, Any]) -> str:
    """Publish an event of a registered type, and answer its id, which receivers see as `webhook-id`.

    Raises EventTypeNotFound; WrongEvent for data that breaks its schema; WrongSchema for one that counts no more;
    TooManyEvents.
    """
    daily = scope.engine.parts.get(Daily)
    if not isinstance(daily, Daily):
        return await _published(scope, type_, subject, data)
    with daily.spent(await daily.take(scope.tenant_id)):
        return await _published(scope, type_, subject, data)


async def _published(scope: Scope, type_: str, subject: str, data: Mapping[str, Any]) -> str:
    async with scope.tx() as tx:
        schema = await _schema(tx, type_)
        if weight(data) <= _AT_ONCE:
            check_data(schema, data)
            return await _put(tx, type_, subject, data)
    # What takes long is looked at beside everybody else's requests, and holds no connection meanwhile.
    await asyncio.to_thread(check_data, schema, data)
    async with scope.tx() as tx:
        await _schema(tx, type_)
        return await _put(tx, type_, subject, data)


async def _schema(tx: Tx, type_: str) -> Mapping[str, Any]:
    schema = await store.event_type(tx, type_)
    if schema is None:
        raise EventTypeNotFound
    return schema


async def _put(tx: Tx, type_: str, subject: str, data: Mapping[str, Any]) -> str:
    tx.emit(EventPublished(subject=subject, body={"type": type_, "data": dict(data)}))
    return (await tx.flush())[-1]


def _own(name: str, version: int, description: str, data: Mapping[str, Any]) -> dict[str, Any]:
    schema = schema_of(name, {})
    if data:
        schema["properties"]["data"] = dict(data)
    tag = _tag(name, description, data)
    return {"type": name, "version": version, "description": description, "own": True, "schema": schema, "etag": tag}


def _tag(name: str, description: str, data: Mapping[str, Any]) -> str:
    """Stands for what can be changed of a type of the tenant's own."""
    return etag(name, description, data)


@dataclass(frozen=True, slots=True)
class Polled:
    """Some messages in commit order, and where to go on."""

    messages: list[Message]
    next: str
    has_more: bool


async def poll(scope: Scope, after: str | None, types: Sequence[str], limit: int) -> Polled:
    """The tenant's public events behind a place, without those about records that may not be read any more.

    Raises Invalid for a place that was never given out, EventsForgotten where what followed it is no longer kept.
    """
    place = _place(after)
    found: list[Message] = []
    bus = scope.engine.bus
    async with scope.tx() as tx:
        await _check(scope, tx, place)
        end = await bus.end(tx)
        hidden = await hides(scope.engine.parts, tx)
        for _ in range(_LOOKS):
            rows = await bus.read(tx, scope.tenant_id, place, limit)
            for row in rows:
                if len(found) == limit:
                    return Polled(found, str(place), has_more=True)
                place = place_of(row)
                if _wanted(row, types) and not hidden(row):
                    found.append(message_of(row))
            if len(rows) < limit:
                return Polled(found, str(await bus.kept_up(tx, place, end)), has_more=False)
    return Polled(found, str(place), has_more=True)


async def follow(scope: Scope, after: str | None, types: Sequence[str]) -> AsyncGenerator[tuple[str, Message], None]:
    """The tenant's public events from a place, or from now, on, for ever. Raises Invalid, EventsForgotten."""
    place = _place(after) if after is not None else await _now(scope)
    async with scope.tx() as tx:
        await _check(scope, tx, place)
    async with aclosing(scope.engine.bus.follow(scope.tenant_id, place)) as batches:
        async for rows in batches:
            async with scope.tx() as tx:
                hidden = await hides(scope.engine.parts, tx)
            for row in rows:
                if _wanted(row, types) and not hidden(row):
                    yield str(place_of(row)), message_of(row)


async def _check(scope: Scope, tx: Tx, place: Place) -> None:
    if await scope.engine.bus.is_forgotten(tx, place):
        raise EventsForgotten


async def _now(scope: Scope) -> Place:
    async with scope.tx() as tx:
        return await scope.engine.bus.end(tx)


def _wanted(row: Mapping[str, Any], types: Sequence[str]) -> bool:
    return bool(row["public"]) and (not types or matches(types, (), message_of(row).type, {}))


def _place(text: str | None) -> Place:
    if text is None:
        return Place()
    try:
        return Place.of(text)
    except ValueError:
        raise Invalid.field("after", "This is not a place in the event log.") from None
