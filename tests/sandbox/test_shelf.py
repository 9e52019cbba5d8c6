"""A shelf keeps a stable order, answers windows of changes, and takes edits while it is read."""

from datetime import UTC, datetime

import pytest

from isthmus.kit.errors import NotFound
from isthmus.sandbox.catalogue import Drawn
from isthmus.sandbox.shelf import Row, Shelf

NOW = datetime(2026, 5, 4, 15, 30, tzinfo=UTC)
LATER = int(NOW.timestamp())


def shelf(count: int = 50, *, per_variant: bool = False) -> Shelf:
    return Shelf(Drawn(3, count), NOW, first_id=1000, per_variant=per_variant)


def updated(each: Shelf) -> list[int]:
    return [row.updated for row in each.rows(each.ids())]


def test_rows_come_by_change_with_equal_times_among_neighbours() -> None:
    times = updated(shelf())
    assert times == sorted(times)
    assert len(set(times)) < len(times) == 50
    assert max(times) < int(datetime(2026, 5, 4, tzinfo=UTC).timestamp())


def test_the_same_day_gives_the_same_rows() -> None:
    morning = Shelf(Drawn(3, 50), NOW.replace(hour=1), first_id=1000)
    assert morning.rows(morning.ids()) == shelf().rows(shelf().ids())


def test_a_window_is_closed_at_both_ends() -> None:
    each = shelf()
    times = updated(each)
    found = each.rows(each.ids(updated=(times[10], times[20])))
    assert [row.updated for row in found] == [time for time in times if times[10] <= time <= times[20]]
    assert each.ids(updated=(times[-1] + 1, None)) == []


def test_an_edited_row_moves_to_the_end_and_an_added_one_behind_it() -> None:
    each = shelf()
    first = each.ids()[0]
    each.edit(first, LATER, {"title": "New"})
    [added] = each.add(Drawn(9, 1).product(0), LATER + 1)
    assert each.ids()[-2:] == [first, added]
    assert each.ids(updated=(LATER, None)) == [first, added]
    assert each.ids(by_id=True)[0] == first
    row = each.row(first)
    assert isinstance(row, Row)
    assert (row.product.title, row.updated) == ("New", LATER)


def test_a_removed_row_stays_as_deleted() -> None:
    each = shelf()
    gone = each.ids()[5]
    each.remove(gone, LATER)
    assert gone not in each.ids(frozenset({"active", "inactive", "review", "banned"}))
    assert each.ids(frozenset({"deleted"})) == [gone]
    assert each.status(gone) == "deleted"


def test_unknown_ids_are_no_rows() -> None:
    each = shelf(3)
    assert [each.row(i) for i in (0, 1001, 1000 + 7 * 3, -6)] == [None] * 4
    with pytest.raises(NotFound):
        each.edit(1, LATER, {"title": "x"})


def test_each_variant_can_be_a_row_of_its_own() -> None:
    each = shelf(per_variant=True)
    rows = each.rows(each.ids(by_id=True))
    assert len(rows) == sum(len(product.variants) for product in (Drawn(3, 50).product(i) for i in range(50)))
    varied = next(row for row in rows if len(row.product.variants) > 1)
    siblings = each.rows(each.siblings(varied))
    assert [row.variant for row in siblings] == list(range(len(varied.product.variants)))
    each.edit(siblings[1].id, LATER, {"price": 5})
    prices = [row.product.variants[row.variant or 0].price for row in each.rows(each.siblings(varied))]
    assert [price == 5 for price in prices[:2]] == [False, True]
