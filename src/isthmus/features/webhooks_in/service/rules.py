"""Handlers that a tenant sets up: which deliveries are forwarded to its endpoints, filtered and reshaped."""

from collections.abc import Mapping
from typing import Any

from isthmus.features.webhooks_in.errors import HandlerChangedMeanwhile, HandlerNotFound, TooManyHandlers
from isthmus.features.webhooks_in.events import HandlerAdded, HandlerChanged, HandlerRemoved
from isthmus.features.webhooks_in.model.handling import Action
from isthmus.features.webhooks_in.service import managing
from isthmus.features.webhooks_in.settings import Settings
from isthmus.features.webhooks_in.store import handlers as store
from isthmus.kit.errors import Invalid
from isthmus.kit.etags import etag
from isthmus.kit.paging import Ask, Page
from isthmus.scope import Scope

_MOST_RETRIES = 20
_LONGEST_PAUSE = 7 * 86_400
_CHANGING = ("name", "pattern", "priority", "filter", "transform", "retries", "ordered_by", "paused")


def etag_of(handler: Mapping[str, Any]) -> str:
    """Stands for what can be changed of a handler."""
    return etag(handler["id"], [handler[name] for name in _CHANGING])


def _check(values: Mapping[str, Any]) -> None:
    managing.check_expressions(values)
    if not values["pattern"]:
        raise Invalid.field("pattern", "A pattern such as order.* or *.")
    retries = values["retries"]
    if retries is not None and (len(retries) > _MOST_RETRIES or any(not 0 < one <= _LONGEST_PAUSE for one in retries)):
        raise Invalid.field("retries", f"At most {_MOST_RETRIES} pauses, each of up to a week, in seconds.")


async def add(scope: Scope, values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Set one up. Raises Invalid, SourceNotFound, TooManyHandlers."""
    _check(values)
    if values["source_id"] is not None:
        await managing.own(scope, values["source_id"])
    made = {
        **{name: values[name] for name in _CHANGING},
        "id": scope.id("hdl"),
        "source_id": values["source_id"],
        "action": Action.FORWARD,
        "version": 1,
        "created_at": scope.now,
        "updated_at": scope.now,
    }
    async with scope.tx() as tx:
        most = scope.part(Settings).handlers
        if await store.count(tx, scope.tenant_id) >= most:
            raise TooManyHandlers(details={"limit": most})
        await store.insert_handler(tx, scope.tenant_id, made)
        tx.emit(HandlerAdded(subject=made["id"], after={name: made[name] for name in _CHANGING}))
    return made


async def handlers(scope: Scope, ask: Ask) -> Page[Mapping[str, Any]]:
    """The tenant's handlers, oldest first."""
    async with scope.tx() as tx:
        return await store.handlers(tx, scope.tenant_id, ask)


async def handler(scope: Scope, id_: str) -> Mapping[str, Any]:
    """One handler. Raises HandlerNotFound."""
    async with scope.tx() as tx:
        found = await store.handler(tx, scope.tenant_id, id_)
    if found is None:
        raise HandlerNotFound
    return dict(found)


async def change(scope: Scope, id_: str, changes: Mapping[str, Any]) -> Mapping[str, Any]:
    """Change what is named; what already waits is worked off as the handler is then.

    Raises Invalid, HandlerNotFound, HandlerChangedMeanwhile.
    """
    async with scope.tx() as tx:
        found = await store.handler(tx, scope.tenant_id, id_, locked=True)
        if found is None:
            raise HandlerNotFound
        values = {name: changes.get(name, found[name]) for name in _CHANGING}
        _check(values)
        if any(values[name] != found[name] for name in _CHANGING):
            scope.check_seen(etag_of(found), HandlerChangedMeanwhile)
        changed = await store.update_handler(tx, scope.tenant_id, id_, values, scope.now)
        if changed is None:
            raise HandlerNotFound
        before, after = ({name: one[name] for name in sorted(changes)} for one in (found, values))
        tx.emit(HandlerChanged(subject=id_, before=before, after=after))
    return dict(changed)


async def remove(scope: Scope, id_: str) -> None:
    """Remove one; what it still had to do is dropped. Raises HandlerNotFound."""
    async with scope.tx() as tx:
        found = await store.handler(tx, scope.tenant_id, id_, locked=True)
        if found is None or not await store.delete_handler(tx, scope.tenant_id, id_):
            raise HandlerNotFound
        tx.emit(HandlerRemoved(subject=id_, before={name: found[name] for name in _CHANGING}))
