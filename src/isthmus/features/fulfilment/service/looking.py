"""What people see of actions."""

from collections.abc import Sequence

from isthmus.features.fulfilment import store
from isthmus.features.fulfilment.errors import ActionNotFound
from isthmus.features.fulfilment.model import Item, OrderAction
from isthmus.features.fulfilment.store import ActionFilter
from isthmus.kit.paging import Ask, Page
from isthmus.scope import Scope


async def actions(scope: Scope, wanted: ActionFilter, ask: Ask) -> Page[OrderAction]:
    """Actions, newest first."""
    async with scope.tx() as tx:
        return await store.actions(tx, wanted, ask)


async def action(scope: Scope, id_: str) -> tuple[OrderAction, Sequence[Item]]:
    """One action with what became of its lines. Raises ActionNotFound."""
    async with scope.tx() as tx:
        found = await store.action(tx, id_)
        if found is None:
            raise ActionNotFound
        return found, await store.items(tx, id_)
