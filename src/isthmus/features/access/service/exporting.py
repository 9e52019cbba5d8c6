"""Everything that a tenant has here, as one file of lines of JSON: each row of each table, in the clear (ER-03)."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import msgspec

from isthmus.engine.bus import hides
from isthmus.features import vault
from isthmus.features.access.events import TenantExported
from isthmus.features.access.model.exports import WRITTEN, Rule, seen_of
from isthmus.features.access.store import exports as store
from isthmus.features.vault import Sealed
from isthmus.scope import Scope, Tx

_PAGE = 500
#: The log also tells of records that may not be read any more, and that are in no other table by then.
_EVENTS = "events"


async def export_tenant(scope: Scope) -> AsyncIterator[bytes]:
    """The lines, in pieces. It is told before the first one goes out: what was read can have been kept.

    Tables are read page by page, each in a moment of its own: what changes meanwhile is in it as it was or as it is.
    """
    async with scope.tx() as tx:
        tx.emit(TenantExported(subject=scope.tenant_id))
    return _lines(scope)


async def _lines(scope: Scope) -> AsyncIterator[bytes]:
    counts: dict[str, int] = {}
    for name in store.tables():
        if name not in WRITTEN:
            continue
        counts[name] = 0
        async for page in _pages(scope, name):
            counts[name] += len(page)
            yield b"".join(msgspec.json.encode({"table": name, "row": row}) + b"\n" for row in page)
    # without this line the file is not whole
    yield msgspec.json.encode({"end": True, "rows": counts}) + b"\n"


async def _pages(scope: Scope, name: str) -> AsyncIterator[list[dict[str, Any]]]:
    keys = store.key_of(name)
    after: tuple[object, ...] | None = None
    while True:
        async with scope.tx() as tx:
            found = await store.rows(tx, name, after, _PAGE)
            hidden = await hides(scope.engine.parts, tx) if name == _EVENTS else None
            shown = [row for row in found if hidden is None or not hidden(row)]
            page = await _opened(scope, tx, WRITTEN[name], shown) if shown else []
        if page:
            yield page
        if len(found) < _PAGE or not keys:
            return
        after = tuple(found[-1][key] for key in keys)


async def _opened(scope: Scope, tx: Tx, rule: Rule, found: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rows with their seals opened and their bytes as text; what is no text has U+FFFD in its place."""
    sealed = [
        (row, column, Sealed(row[column], row["id"], place))
        for row in found
        for column, place in rule.sealed.items()
        if row[column] is not None
    ]
    texts = await vault.open_many(scope, tx, [one for *_, one in sealed]) if sealed else []
    clear = {(row["id"], column): text.reveal() for (row, column, _), text in zip(sealed, texts, strict=True)}
    return [
        {
            name: _shown(value, clear.get((row["id"], name)) if name in rule.sealed else None)
            for name, value in seen_of(rule, row).items()
        }
        for row in found
    ]


def _shown(value: object, clear: str | None) -> object:
    if clear is not None:
        return clear.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
