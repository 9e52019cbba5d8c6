"""Pushes as they stand, and taken back."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from isthmus.features.pushes.errors import PushNotFound
from isthmus.features.pushes.events import PushCancelled
from isthmus.features.pushes.model.edits import ItemState
from isthmus.features.pushes.service.settling import finish
from isthmus.features.pushes.store import conflicts
from isthmus.features.pushes.store import pushes as store
from isthmus.features.pushes.store.edits import cancel as cancel_edits
from isthmus.features.pushes.store.pushes import Closed
from isthmus.kit.paging import Ask, Page
from isthmus.scope import Scope

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Push:
    """A push, and how many of its items stand how."""

    row: Row
    counts: Mapping[str, int]


async def pushes(scope: Scope, ask: Ask) -> Page[Push]:
    """Newest first."""
    async with scope.tx() as tx:
        page = await store.many(tx, ask)
        counts = await store.counts(tx, [row["id"] for row in page.items]) if page.items else {}
    items = [Push(row, counts.get(row["id"], {})) for row in page.items]
    return Page(items, page.next_after, None, page.has_more)


async def push(scope: Scope, id_: str) -> Push:
    """One push. Raises PushNotFound."""
    async with scope.tx() as tx:
        page = await store.many(tx, Ask(1), id_)
        counts = await store.counts(tx, [id_]) if page.items else {}
    if not page.items:
        raise PushNotFound
    return Push(page.items[0], counts.get(id_, {}))


async def items(scope: Scope, push_id: str, state: str | None, ask: Ask) -> Page[Row]:
    """The items of a push in their order. Raises PushNotFound."""
    await push(scope, push_id)
    async with scope.tx() as tx:
        return await store.items(tx, push_id, state, ask)


async def cancel(scope: Scope, push_id: str) -> Push:
    """Take back what has not been sent; what has stays. Raises PushNotFound."""
    await push(scope, push_id)
    async with scope.tx() as tx:
        gone = await cancel_edits(tx, push_id)
        closed = [Closed(id_, version, ItemState.CANCELLED) for id_, version in gone]
        await finish(tx, scope, await store.close(tx, closed, scope.now))
        await conflicts.drop_open(tx, scope.tenant_id, [id_ for id_, _ in gone], scope.now)
        tx.emit(PushCancelled(subject=push_id, body={"items": len(gone)}))
    return await push(scope, push_id)
