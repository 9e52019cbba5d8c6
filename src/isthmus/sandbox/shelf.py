"""A seller's listings: thousands of rows that are drawn only when a page shows them, and the edits made to them."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from isthmus.kit.errors import NotFound
from isthmus.sandbox.catalogue import CatalogueProduct, Source, Status, edited

_DAY = 86_400
#: First edits lie this far back, the last just before the anchor.
_SPAN = 60 * _DAY
#: So many neighbours share a second: equal times at the edge of a page or window are the normal case.
_CLUMP = 3
_VIEWS = 16
#: The distance between two ids, so that no client takes them for positions.
_STRIDE = 7

#: Times of the last change and ids, side by side.
_View = tuple[list[int], list[int]]


@dataclass(frozen=True, slots=True)
class Row:
    """One listing as the seller keeps it; `variant` is set where each variant is a listing of its own."""

    id: int
    index: int
    product: CatalogueProduct
    variant: int | None
    created: int
    updated: int


class Shelf:
    """Listings in a stable order, edited in place. Times are whole seconds since 1970."""

    def __init__(self, source: Source, now: datetime, *, first_id: int, per_variant: bool = False) -> None:
        """Rows of `source`, dated so that the newest is from the midnight (UTC) before `now`."""
        self._source = source
        self._first_id = first_id
        self._per_variant = per_variant
        self._anchor = int(now.timestamp()) // _DAY * _DAY
        self._units: list[tuple[int, int | None]] = []
        self._status: list[Status] = []
        for index in range(source.count):
            status, variants = source.shape(index)
            self._append(index, status, variants)
        self._updated = [self._first_update(unit) for unit in range(len(self._units))]
        self._products = source.count
        self._rows: dict[int, Row] = {}
        self._views: dict[object, _View] = {}

    def _append(self, index: int, status: Status, variants: int) -> None:
        for variant in range(variants) if self._per_variant else (None,):
            self._units.append((index, variant))
            self._status.append(status)

    def _first_update(self, unit: int) -> int:
        count = max(1, len(self._units))
        return self._anchor - _SPAN + (unit // _CLUMP * _CLUMP) * _SPAN // count

    def _unit(self, row_id: int) -> int | None:
        unit, rest = divmod(row_id - self._first_id, _STRIDE)
        return unit if rest == 0 and 0 <= unit < len(self._units) else None

    @property
    def size(self) -> int:
        """How many listings there are, deleted ones included."""
        return len(self._units)

    def row(self, row_id: int) -> Row | None:
        """One listing, drawn now."""
        unit = self._unit(row_id)
        if unit is None:
            return None
        known = self._rows.get(unit)
        if known is not None:
            return known
        index, variant = self._units[unit]
        updated = self._updated[unit]
        created = self._anchor - 2 * _SPAN + index % _SPAN
        return Row(row_id, index, self._source.product(index), variant, created, updated)

    def rows(self, ids: list[int]) -> list[Row]:
        """Several listings, unknown ones left out."""
        return [row for row in map(self.row, ids) if row is not None]

    def status(self, row_id: int) -> Status | None:
        """The state of a listing without drawing it."""
        unit = self._unit(row_id)
        return None if unit is None else self._status[unit]

    def siblings(self, row: Row) -> list[int]:
        """The ids of all listings of the same product."""
        unit = self._unit(row.id) or 0
        first = unit - (row.variant or 0)
        found = []
        while first < len(self._units) and self._units[first][0] == row.index:
            found.append(self._id(first))
            first += 1
        return found

    def _id(self, unit: int) -> int:
        return self._first_id + unit * _STRIDE

    def ids(
        self,
        statuses: frozenset[Status] | None = None,
        *,
        updated: tuple[int | None, int | None] = (None, None),
        by_id: bool = False,
    ) -> list[int]:
        """Ids by last change (or by id), of some states, changed in a closed window; never change the list."""
        low, high = updated
        key = (statuses, low, high, by_id)
        if key not in self._views:
            times, ids = self._view(statuses)
            start = 0 if low is None else bisect_left(times, low)
            end = len(ids) if high is None else bisect_right(times, high)
            self._keep(key, ([], sorted(ids[start:end]) if by_id else ids[start:end]))
        return self._views[key][1]

    def matching(self, ids: list[int], test: Callable[[Row], bool]) -> list[int]:
        """Those of the ids whose rows pass a test; draws every row, so it is slow on a large shelf."""
        return [row.id for row in self.rows(ids) if test(row)]

    def _view(self, statuses: frozenset[Status] | None) -> _View:
        view = self._views.get(statuses)
        if view is None:
            states, times = self._status, self._updated
            wanted = [u for u in range(len(states)) if statuses is None or states[u] in statuses]
            wanted.sort(key=times.__getitem__)
            view = ([times[unit] for unit in wanted], [self._id(unit) for unit in wanted])
            self._keep(statuses, view)
        return view

    def _keep(self, key: object, view: _View) -> None:
        if len(self._views) >= _VIEWS:
            del self._views[next(iter(self._views))]
        self._views[key] = view

    def add(self, product: CatalogueProduct, now: int) -> list[int]:
        """Put a product on the shelf; returns the ids of its listings."""
        first, index = len(self._units), self._products
        self._products += 1
        self._append(index, product.status, len(product.variants))
        added = []
        for unit in range(first, len(self._units)):
            self._updated.append(now)
            row_id = self._id(unit)
            self._rows[unit] = Row(row_id, index, product, self._units[unit][1], now, now)
            added.append(row_id)
        self._views.clear()
        return added

    def edit(self, row_id: int, now: int, changes: Mapping[str, object]) -> Row:
        """Change a listing (`catalogue.edited` names what can change) and move its update time to `now`."""
        row = self.row(row_id)
        if row is None:
            raise NotFound(f"no listing {row_id}")
        if row.variant is not None and "variant" not in changes:
            changes = {**changes, "variant": row.variant}
        return self.put(row, edited(row.product, changes), now)

    def put(self, row: Row, product: CatalogueProduct, now: int) -> Row:
        """Have a listing show another product from `now` on."""
        row_id, changed = row.id, replace(row, product=product, updated=now)
        unit = (row_id - self._first_id) // _STRIDE
        self._rows[unit] = changed
        self._updated[unit] = now
        self._status[unit] = changed.product.status
        self._views.clear()
        return changed

    def remove(self, row_id: int, now: int) -> Row:
        """Delete a listing: it stays on the shelf in the state `deleted`."""
        return self.edit(row_id, now, {"status": "deleted"})
