"""Values from outside are read strictly, or refused in a sentence."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.connect import reading
from isthmus.connect.spi import Unmappable

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.decimals(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
READERS = (
    reading.ident,
    reading.optional_ident,
    reading.decimal,
    reading.optional_decimal,
    reading.quantity,
    reading.optional_quantity,
    reading.seconds,
    reading.milliseconds,
    reading.required_line,
)


def _refusal(reader: Callable[[object, str], object], value: object) -> str:
    try:
        reader(value, "value")
    except Unmappable as refused:
        return refused.reason
    return "Answered."


@given(ANYTHING)
def test_a_reader_answers_or_refuses_in_a_sentence(value: object) -> None:
    for reader in READERS:
        assert _refusal(reader, value).endswith(".")
    for plain in (reading.line, reading.optional_line, reading.markup, reading.truth, reading.absent):
        plain(value)


@given(ANYTHING)
def test_a_local_time_is_read_or_refused(value: object) -> None:
    try:
        found = reading.local(value, "time", reading.zone(7))
    except Unmappable:
        return
    assert found is None or (found.tzinfo is UTC and 1970 <= found.year < 2100)


@pytest.mark.parametrize(
    ("value", "expected"),
    [(5, "5"), ("5.00", "5"), (Decimal("59.90"), "59.9"), ("0", "0"), ("1e3", "1000"), ("199000.0", "199000")],
)
def test_equal_amounts_read_equal_and_print_alike(value: object, expected: str) -> None:
    assert str(reading.decimal(value, "price")) in {expected, "1E+3"}
    assert reading.decimal(value, "price") == Decimal(expected)


@pytest.mark.parametrize("value", ["NaN", "-1", "1e999", "9" * 30, 1.5, True, None, "", [], "1,5", "٣"])
def test_what_is_no_amount_is_refused(value: object) -> None:
    with pytest.raises(Unmappable):
        reading.decimal(value, "price")


def test_zero_and_empty_times_are_no_times() -> None:
    for value in (None, "", 0, "0"):
        assert reading.seconds(value, "time") is None
    assert reading.local("0000-00-00 00:00:00", "time", reading.zone(7)) is None


def test_milliseconds_and_local_times_become_utc() -> None:
    moment = datetime(2026, 11, 5, 3, 0, tzinfo=UTC)
    assert reading.milliseconds("1793847600000", "time") == moment
    assert reading.local("2026-11-05 10:00:00", "time", reading.zone(7)) == moment
    assert reading.local("2026-11-05T03:00:00+00:00", "time", reading.zone(7)) == moment


@pytest.mark.parametrize("value", ["9999-12-31 23:59:59", "0001-01-01 00:00:00", "yesterday", "2026-13-01 00:00", 7])
def test_PA_05_times_out_of_reach_are_refused(value: object) -> None:
    with pytest.raises(Unmappable):
        reading.local(value, "time", reading.zone(14))


@pytest.mark.parametrize("unit", [reading.seconds, reading.milliseconds])
@pytest.mark.parametrize(
    "value", [-1, "-86400", 1e20, "1e20", Decimal("1E+20"), 4_102_444_800_000, "soon", True, "NaN"]
)
def test_PA_05_a_count_outside_the_years_is_an_item_error(unit: Callable[..., datetime | None], value: object) -> None:
    large = value * 1000 if unit is reading.milliseconds and type(value) is int else value
    with pytest.raises(Unmappable):
        unit(large, "time")


def test_PA_05_the_unit_is_the_platforms_and_never_guessed_from_the_size() -> None:
    assert reading.seconds(1_793_847_600, "time") == reading.milliseconds(1_793_847_600_000, "time")
    assert reading.milliseconds(1_793_847_600, "time") == datetime(1970, 1, 21, 18, 17, 27, tzinfo=UTC)
    with pytest.raises(Unmappable):
        reading.seconds(1_793_847_600_000, "time")


@pytest.mark.parametrize(
    "value", ["2016-12-31 23:59:60", "0000-13-45", "2026-02-30 00:00", "1969-12-31T23:59:59Z", "2026"]
)
def test_PA_05_a_time_that_no_calendar_holds_is_refused_or_none(value: str) -> None:
    if value.startswith("0000"):
        assert reading.local(value, "time", reading.zone(0)) is None
    else:
        with pytest.raises(Unmappable):
            reading.local(value, "time", reading.zone(0))


class _One(msgspec.Struct):
    text: str = ""
    number: reading.Loose = None


def test_PA_03_one_bad_text_costs_its_letters_and_not_the_page() -> None:
    of = reading.decoder(list[_One])
    page = (
        rb'[{"text":"ok"},{"text":"a\ud800b"},{"text":"\\ud800"},{"text":"\ud83d\ude00"},{"text":"' + b"\xff" + b'"}]'
    )
    assert [one.text for one in reading.lenient(page, of)] == ["ok", "a\ufffdb", "\\ud800", "\U0001f600", "\ufffd"]


def test_PA_04_fractions_stay_exact() -> None:
    assert reading.lenient(b'{"number":0.10}', reading.decoder(_One)).number == Decimal("0.10")


@pytest.mark.parametrize("payload", [b"", b"[]", b'{"text":1}', b"{", b'{"number":' + b"[" * 5000, b"\xff"])
def test_a_record_that_is_none_is_refused_in_words(payload: bytes) -> None:
    with pytest.raises(Unmappable, match=r"^The record .*\.$"):
        reading.record(payload, reading.decoder(_One))


def test_ids_are_texts_and_a_broken_one_costs_its_record_alone() -> None:
    raws = [msgspec.Raw(one) for one in (b'{"number":9007199254740993}', b'{"number":""}', b"3", b'{"number":"a-1"}')]
    found = reading.keys(raws, reading.decoder(_One), lambda one: one.number)
    assert found == ["9007199254740993", "", "", "a-1"]
