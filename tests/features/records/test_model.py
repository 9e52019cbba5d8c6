"""Checks, hashes and merging of canonical records."""

from datetime import UTC, datetime
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st
from tests.given import records as given

from isthmus.connect.shapes import ListingStatus
from isthmus.features.records import Unstorable, item, raw_hash, revision
from isthmus.features.records.model import decode, encode, merge, summary

READING = revision("shop", "1")


def test_equal_content_has_an_equal_hash_whatever_the_order_of_its_attributes() -> None:
    one = given.item(given.listing("a", attributes={"size": "M", "colour": "đỏ"}))
    other = given.item(given.listing("a", attributes={"colour": "đỏ", "size": "M"}), b"other bytes")
    assert one.hash == other.hash
    assert one.raw_hash != other.raw_hash
    assert one.hash != given.item(given.listing("a", attributes={"colour": "đỏ", "size": "L"})).hash


def test_raw_hashes_depend_on_the_way_of_reading() -> None:
    assert raw_hash(b"{}", READING) == raw_hash(b"{}", revision("shop", "1"))
    assert raw_hash(b"{}", READING) != raw_hash(b"{}", revision("shop", "2"))
    assert revision("a", "bc") != revision("ab", "c")


def test_a_record_survives_its_encoding() -> None:
    made = given.listing("a", platform_updated_at=datetime(2026, 1, 2, tzinfo=UTC), weight_kg=Decimal("0.25"))
    assert decode(encode(made)) == made


@pytest.mark.parametrize("text", ["nul \x00 inside", "half \ud83d pair"])
def test_PA_03_text_that_no_store_can_hold_is_refused(text: str) -> None:
    for made in (given.listing("a", title=text), given.listing("a", attributes={"k": text})):
        with pytest.raises(Unstorable):
            given.item(made)


def test_PA_03_a_backslash_before_u0000_is_only_text() -> None:
    assert given.item(given.listing("a", title="\\u0000 and \\\\u0000")).body
    with pytest.raises(Unstorable):
        given.item(given.listing("a", title="\\\x00"))


@pytest.mark.parametrize(
    "made",
    [
        given.listing(""),
        given.listing("x" * 201),
        given.listing("a", title="x" * 2001),
        given.listing("a", given.variant("v"), given.variant("v")),
        given.listing("a", given.variant("")),
        given.listing("a", platform_updated_at=datetime(2026, 1, 1)),  # noqa: DTZ001 - what is refused
        given.listing("a", given.variant("v", price="-1")),
        given.listing("a", given.variant("v", price="NaN")),
        given.listing("a", given.variant("v", stock=10**13)),
        given.listing("a", msgspec.structs.replace(given.variant("v"), sku="s" * 201)),
        given.listing("a", msgspec.structs.replace(given.variant("v"), barcode="8" * 201)),
        msgspec.structs.replace(given.listing("a"), variants=()),
    ],
)
def test_what_would_stand_for_something_else_is_refused(made: object) -> None:
    with pytest.raises(Unstorable) as caught:
        given.item(made)  # type: ignore[arg-type] # a list of parameters has one type
    assert caught.value.reason


def test_figures_are_the_lowest_price_and_the_whole_stock() -> None:
    found = summary((given.variant("1", price="9", stock=2), given.variant("2", "S", price="7.5", stock=-1)))
    assert (found.sku, found.currency, found.price, found.stock) == ("S", "VND", Decimal("7.5"), 1)
    unknown = summary((given.variant("1", price="9", inventory=()), given.variant("2", inventory=())))
    assert unknown.stock is None


FRAGMENTS = [
    given.listing(
        "s",
        given.variant(id_, status=status),
        title=f"of {id_}",
        status=status,
        variants_complete=False,
        platform_updated_at=datetime(2026, 1, day, tzinfo=UTC),
    )
    for id_, status, day in (
        ("9", ListingStatus.INACTIVE, 3),
        ("10", ListingStatus.ACTIVE, 1),
        ("11", ListingStatus.INACTIVE, 2),
    )
]


@for_all(st.lists(st.sampled_from(range(3)), min_size=1, max_size=8))
def test_fragments_make_the_same_listing_in_whatever_order_they_come(order: list[int]) -> None:
    def put(numbers: list[int]) -> bytes:
        made = FRAGMENTS[numbers[0]]
        for number in numbers[1:]:
            made = merge(made, FRAGMENTS[number])
        return encode(made) if len(set(numbers)) > 1 else b""

    assert put(order) == put(sorted(set(order)))


def test_a_merged_listing_is_active_when_one_of_its_variants_is() -> None:
    merged = merge(merge(FRAGMENTS[2], FRAGMENTS[1]), FRAGMENTS[0])
    assert (merged.status, merged.title) == (ListingStatus.ACTIVE, "of 9")
    assert merged.platform_updated_at == datetime(2026, 1, 3, tzinfo=UTC)
    assert merge(FRAGMENTS[0], FRAGMENTS[2]).status is ListingStatus.INACTIVE


def test_a_fragment_from_before_what_is_stored_brings_nothing_back() -> None:
    whole = merge(merge(FRAGMENTS[2], FRAGMENTS[1]), FRAGMENTS[0])
    sold = msgspec.structs.replace(
        FRAGMENTS[2], variants=(given.variant("11", stock=1),), platform_updated_at=datetime(2026, 1, 9, tzinfo=UTC)
    )
    written = merge(whole, sold)
    late = merge(written, FRAGMENTS[2])
    assert [one.available for one in late.variants] == [5, 5, 1]
    assert encode(late) == encode(written)
    other = msgspec.structs.replace(FRAGMENTS[1], variants=(given.variant("10", stock=2),))
    assert [one.available for one in merge(written, other).variants] == [5, 2, 1], (
        "its own time counts, not the whole's"
    )


def test_the_times_of_variants_are_no_news() -> None:
    one = given.variant("1")
    dated = msgspec.structs.replace(one, changed_at=datetime(2026, 1, 9, tzinfo=UTC))
    assert given.item(given.listing("a", one)).hash == given.item(given.listing("a", dated)).hash


def test_an_item_keeps_the_bytes_that_were_sent() -> None:
    made = item(given.listing("a"), b'{"id": 1.0}', b"h")
    assert (made.raw, made.raw_hash) == (b'{"id": 1.0}', b"h")
