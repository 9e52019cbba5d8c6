"""Which connections this process writes to just now, and which of their records' news may be our own."""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Final

from isthmus.connect.edits import Edit
from isthmus.features.pushes.service.backlog import Backlog
from isthmus.features.pushes.service.shops import ENTITY
from isthmus.features.pushes.store import edits
from isthmus.scope import Scope, System

#: A tenant and one of its connections.
Place = tuple[str, str]
#: Writes of one connection that are remembered; news of older ones are read at once.
_MOST: Final = 20_000
#: Fewer edits than this are sent before anybody reads.
_FEW: Final = 100
#: What one more edit may take; platforms let fifty calls a second through, or more.
_EACH: Final = timedelta(milliseconds=20)
_LONGEST: Final = timedelta(minutes=1)
#: So many take as long as anybody waits.
_MANY: Final = _LONGEST // _EACH
_NONE: Final[tuple[frozenset[str], timedelta]] = (frozenset(), timedelta(0))


class Lines:
    """The connections that this process writes to, each by one line, and what was written; `app.py` makes one."""

    def __init__(self) -> None:
        self._written: dict[Place, OrderedDict[str, str]] = {}
        self.backlog = Backlog()

    @property
    def busy(self) -> bool:
        """Whether any of them is open."""
        return bool(self._written)

    def take(self, place: Place) -> bool:
        """Whether nobody else here had it."""
        if place in self._written:
            return False
        self._written[place] = OrderedDict()
        return True

    def leave(self, place: Place) -> None:
        """The next one may have it."""
        self._written.pop(place, None)

    def writes(self, place: Place, several: Iterable[tuple[str, Edit]]) -> None:
        """These edits, with the ids of their listings, are about to be sent by the line that has the place."""
        known = self._written.get(place)
        if known is None:
            return
        for listing_id, edit in several:
            for name in {edit.listing.external_id, edit.variant.external_id if edit.variant is not None else ""} - {""}:
                known[name] = listing_id
                known.move_to_end(name)
        while len(known) > _MOST:
            known.popitem(last=False)

    def written(self, place: Place, names: Iterable[str]) -> dict[str, str]:
        """Those of these records that are being written, with our ids of their listings; each is answered once."""
        known = self._written.get(place)
        return {} if not known else {name: known.pop(name) for name in names if name in known}


def lines(scope: Scope) -> Lines:
    """The part of this process; without it each caller is a process of its own."""
    given = scope.engine.parts.get(Lines)
    return given if isinstance(given, Lines) else Lines()


def sends(system: System) -> bool:
    """Whether this process sends values to far sides just now."""
    given = system.engine.parts.get(Lines)
    return isinstance(given, Lines) and given.busy


async def echoes(
    scope: Scope, connection_id: str, entity: str, names: Sequence[str]
) -> tuple[frozenset[str], timedelta]:
    """Records of whose changes we are told because we write them, and how long reading them anew may wait.

    While many values are on their way, reading each of them back takes every second call from those that still wait. A
    second message about a record, and one about a listing of which something else is to be sent, waits for nobody.
    """
    found = lines(scope).written((scope.tenant_id, connection_id), names) if entity == ENTITY else {}
    if not found:
        return _NONE
    async with scope.tx() as tx:
        left, busy = await edits.left(tx, connection_id, sorted(set(found.values())), scope.now, _MANY)
    if left < _FEW:
        return _NONE
    return frozenset(name for name, id_ in found.items() if id_ not in busy), left * _EACH
