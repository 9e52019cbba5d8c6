"""The audit log is read, never written: what it shows was written in the transaction of its cause."""

from isthmus.features.audit import model, store
from isthmus.features.audit.model import Entry, Filters
from isthmus.kit.paging import Ask, Page
from isthmus.scope import Scope


async def entries(scope: Scope, ask: Ask, filters: Filters) -> Page[Entry]:
    """The tenant's changes, the newest first. Raises Invalid."""
    wanted, place = model.check(filters), model.check_place(ask.after)
    async with scope.tx() as tx:
        found = await store.entries(tx, wanted, before=place, offset=ask.offset, limit=ask.limit + 1)
    kept, more = found[: ask.limit], len(found) > ask.limit
    return Page(kept, next_after=kept[-1].id if more else None, has_more=more)
