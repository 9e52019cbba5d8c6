"""Batches are a partition of the edits within the limits; a refused call means one thing for all of its edits."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.client.errors import CallerMistake, Missing, PlatformFailed
from isthmus.connect import batching
from isthmus.connect.shapes import Listing, ListingStatus, Variant
from isthmus.connect.writing import Edit, EditField, Result

FIELDS = st.sampled_from([EditField.PRICE, EditField.STOCK])


def edit(number: int, listing: int, variant: int, field: EditField) -> Edit:
    sold = Variant(f"{listing}-{variant}")
    return Edit(str(number), field, None, Listing(str(listing), "T", ListingStatus.ACTIVE, "", (sold,)), sold)


def by_listing(one: Edit) -> str:
    return one.listing.external_id


def by_variant(one: Edit) -> str:
    assert one.variant is not None
    return one.variant.external_id


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 8), FIELDS), max_size=60), st.integers(1, 5))
def test_batches_are_a_partition_within_the_limits(given: list[tuple[int, int, EditField]], most: int) -> None:
    edits = [edit(number, *one) for number, one in enumerate(given)]
    batches = batching.parted(edits, by_listing, by_variant, lambda _: most)
    assert sorted(int(one.key) for batch in batches for one in batch) == list(range(len(edits)))
    for batch in batches:
        assert batch
        assert len({by_listing(one) for one in batch}) == 1
        assert len({by_variant(one) for one in batch}) <= most
        said = [(by_variant(one), one.field) for one in batch]
        assert len(set(said)) == len(said)


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 2), FIELDS), max_size=30))
def test_a_later_value_of_a_field_leaves_in_a_later_batch(given: list[tuple[int, int, EditField]]) -> None:
    edits = [edit(number, *one) for number, one in enumerate(given)]
    at = {one.key: place for place, batch in enumerate(batching.parted(edits, by_listing, by_variant, lambda _: 2))
          for one in batch}  # fmt: skip
    for first in edits:
        for second in edits[int(first.key) + 1 :]:
            if (by_variant(first), first.field) == (by_variant(second), second.field):
                assert at[first.key] < at[second.key]


def test_all_edits_of_a_row_leave_together() -> None:
    prices = [edit(number, 1, number, EditField.PRICE) for number in range(5)]
    stocks = [edit(number + 5, 1, number, EditField.STOCK) for number in range(5)]
    batches = batching.parted([*prices, *stocks], by_listing, by_variant, lambda _: 2)
    assert [[one.key for one in batch] for batch in batches] == [["0", "5", "1", "6"], ["2", "7", "3", "8"], ["4", "9"]]


def test_a_refused_call_is_a_no_a_lock_or_an_error() -> None:
    one = [edit(1, 1, 1, EditField.PRICE)]
    locks = frozenset({"campaign"})
    assert batching.refused(one, CallerMistake("no", code="campaign"), locks)[0].result is Result.LOCKED
    said = batching.refused(one, Missing("gone", code="item"), locks)[0]
    assert (said.result, said.code, said.reason) == (Result.REFUSED, "item", "gone")
    with pytest.raises(PlatformFailed):
        batching.refused(one, PlatformFailed("later", code="campaign"), locks)


def test_numbers_leave_with_all_their_digits() -> None:
    shown = [bytes(batching.exact(Decimal(text))) for text in ("199000", "1.99E+5", "19.90", "0.10")]
    assert shown == [b"199000", b"199000", b"19.9", b"0.1"]
    with pytest.raises(batching.Unwritable):
        batching.amount(edit(1, 1, 1, EditField.PRICE))
    with pytest.raises(batching.Unwritable):
        batching.count(edit(1, 1, 1, EditField.STOCK))
