"""The audit log is read, never written: what it shows was written in the transaction of its cause."""

from collections.abc import AsyncIterator

from isthmus.features.audit.model import entries as model
from isthmus.features.audit.model import exports
from isthmus.features.audit.model.entries import Entry, Filters
from isthmus.features.audit.model.exports import Form
from isthmus.features.audit.store import entries as store
from isthmus.kit.paging import Ask, Page
from isthmus.scope import Scope

#: Entries that an export reads at a time.
_EXPORTED = 500


async def entries(scope: Scope, ask: Ask, filters: Filters) -> Page[Entry]:
    """The tenant's changes, the newest first. Raises Invalid."""
    wanted, place = model.check(filters), model.check_place(ask.after)
    async with scope.tx() as tx:
        found = await store.entries(tx, wanted, before=place, offset=ask.offset, limit=ask.limit + 1)
    kept, more = found[: ask.limit], len(found) > ask.limit
    return Page(kept, next_after=kept[-1].id if more else None, has_more=more)


async def export(scope: Scope, form: Form, filters: Filters) -> AsyncIterator[bytes]:
    """The tenant's changes as lines of a file, the newest first, page by page. Raises Invalid before the first."""
    wanted = model.check(filters)
    return _pages(scope, form, wanted)


async def _pages(scope: Scope, form: Form, wanted: Filters) -> AsyncIterator[bytes]:
    place: str | None = None
    yield exports.head(form).encode()
    while True:
        async with scope.tx() as tx:
            found = await store.entries(tx, wanted, before=place, offset=0, limit=_EXPORTED)
        if found:
            yield exports.lines(form, found).encode()
        if len(found) < _EXPORTED:
            return
        place = found[-1].id
