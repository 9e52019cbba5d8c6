"""The walk over a changing list: nothing that nobody touched is lost, and it always ends."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.connect.spi import Window
from isthmus.connect.walk import Rules, Walk, after, begin

RULES = Rules(page=5, most=20)
START = datetime(2026, 1, 1, tzinfo=UTC)
BASE = int(START.timestamp())


@dataclass
class Platform:
    """A list ordered by time of change that is edited between two reads."""

    rows: dict[str, int]
    reads: int = 0
    edits: list[tuple[int, str]] = field(default_factory=list)
    reorder: bool = False

    def read(self, walk: Walk, size: int) -> tuple[list[str], int]:
        self.reads += 1
        for at, row in self.edits:
            if at == self.reads:
                self.rows[row] = BASE + 10**6
        inside = sorted((at, row) for row, at in self.rows.items() if walk.start <= at <= walk.stop)
        if self.reorder and self.reads % 2:
            inside = inside[-1:] + inside[:-1]
        return [row for _, row in inside[walk.offset : walk.offset + size]], len(inside)


def pull(platform: Platform, rules: Rules = RULES, limit: int = 5_000) -> list[str]:
    """Every row handed over, in order, with the cursor taken through its text at each step."""
    window = Window(None, START + timedelta(days=1))
    cursor: str | None = None
    found: list[str] = []
    for _ in range(limit):
        walk = begin(window, cursor, rules)
        ids, total = platform.read(walk, rules.page)
        step = after(walk, rules, ids, total=total, last=walk.offset + rules.page >= total)
        if step.keep:
            found += ids
        cursor = step.cursor
        if cursor is None:
            return found
    raise AssertionError("the walk does not end")


times = st.lists(st.integers(BASE - 3_000, BASE + 3_000), max_size=120)


@settings(max_examples=60, deadline=None)
@given(times)
def test_a_quiet_list_is_read_whole(moments: list[int]) -> None:
    rows = {f"r{at}-{n}": at for n, at in enumerate(moments)}
    assert set(pull(Platform(dict(rows)))) == set(rows)


@settings(max_examples=120, deadline=None)
@given(times, st.lists(st.tuples(st.integers(1, 60), st.integers(0, 119)), max_size=12), st.booleans())
def test_rows_that_nobody_touched_survive_edits_and_turned_pages(
    moments: list[int], edits: list[tuple[int, int]], reorder: bool
) -> None:
    rows = {f"r{n}": at for n, at in enumerate(moments)}
    touched = {f"r{n}" for _, n in edits if f"r{n}" in rows}
    crowded = max((moments.count(at) + moments.count(at + 1) for at in moments), default=0) > RULES.page
    if reorder and crowded:
        return  # more rows than a page within two seconds, on a list without an order: no reader can be sure
    platform = Platform(dict(rows), edits=[(at, f"r{n}") for at, n in edits if f"r{n}" in rows], reorder=reorder)
    assert set(rows) - touched <= set(pull(platform))


def test_a_small_shop_costs_no_more_than_its_pages() -> None:
    platform = Platform({f"r{n}": BASE + n for n in range(18)})
    pull(platform)
    assert platform.reads == 4


def test_a_large_shop_costs_little_more_than_its_pages() -> None:
    platform = Platform({f"r{n}": BASE - 40 * n for n in range(2_000)})
    assert len(set(pull(platform))) == 2_000
    assert platform.reads < 1.4 * 2_000 / RULES.page


def test_a_count_that_is_always_too_high_does_not_hold_the_walk() -> None:
    class Boasting(Platform):
        def read(self, walk: Walk, size: int) -> tuple[list[str], int]:
            ids, total = super().read(walk, size)
            return ids, total + 1

    platform = Boasting({f"r{n}": BASE + n for n in range(40)})
    assert set(pull(platform)) == set(platform.rows)
    assert platform.reads < 100


def test_equal_times_beyond_a_page_are_paged_through() -> None:
    platform = Platform({f"r{n}": BASE for n in range(33)})
    assert set(pull(platform)) == set(platform.rows)


def test_no_window_is_longer_than_the_platform_allows() -> None:
    rules = Rules(page=5, most=20, floor=START - timedelta(days=30), longest=86_400)
    walk = begin(Window(None, START), None, rules)
    assert walk.stop - walk.start == 86_400
    step = after(walk, rules, [], total=0, last=True)
    assert step.walk is not None
    assert step.walk.stop - step.walk.start == 86_400


def test_the_second_list_begins_where_the_first_began() -> None:
    rules = Rules(page=5, most=20, lists=2)
    walk = begin(Window(START, START + timedelta(hours=1)), None, rules)
    step = after(walk, rules, ["a"], total=1, last=True)
    assert step.walk is not None
    assert (step.walk.list, step.walk.start, step.walk.total) == (1, walk.start, 1)
    assert after(step.walk, rules, [], total=0, last=True).walk is None


def test_the_count_of_the_whole_pull_travels_in_the_cursor() -> None:
    walk = begin(Window(None, START), None, RULES)
    step = after(walk, RULES, [], total=1_000, last=False)
    assert not step.keep
    assert begin(Window(None, START), step.cursor, RULES).total == 1_000


@pytest.mark.parametrize("cursor", ["", "{}", "nonsense", '{"start":1}', '{"x":1}'])
def test_a_foreign_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(ValueError, match="cursor"):
        begin(Window(None, START), cursor, RULES)


def test_the_platform_may_say_where_the_next_page_begins() -> None:
    walk = begin(Window(None, START), None, RULES)
    for said, expected in ((3, 3), (None, 5), (0, 5)):
        step = after(walk, RULES, ["a", "b", "c"], total=10, last=False, next_offset=said)
        assert step.walk is not None
        assert step.walk.offset == expected
