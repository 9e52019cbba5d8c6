"""What becomes of a field that two sides may have changed."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.connect.abilities import EditField
from isthmus.features.pushes.errors import WrongEdit
from isthmus.features.pushes.model.edits import MOST_ATTEMPTS, locked_pause, pause
from isthmus.features.pushes.model.merging import Rule, Standing, Step, decide, fits
from isthmus.features.pushes.model.values import checked, kept, read, shown

_NOON = datetime(2026, 11, 5, 12, tzinfo=UTC)
_AMOUNTS = st.integers(0, 5)
_MAYBE = st.none() | st.tuples(_AMOUNTS)


def _standing(ours: object, theirs: object, base: object = None, **more: object) -> Standing:
    return Standing(ours, theirs, None if base is None else (base,), **more)  # type: ignore[arg-type]


@given(_AMOUNTS, _AMOUNTS, _MAYBE, _MAYBE, st.sampled_from(Rule))
def test_a_rule_speaks_only_where_both_sides_changed(
    ours: int, theirs: int, base: tuple[int] | None, sent: tuple[int] | None, rule: Rule
) -> None:
    decision = decide(Standing(ours, theirs, base, sent), rule)
    both_changed = base is not None and theirs not in (ours, base[0]) and (sent is None or theirs != sent[0])
    assert (decision.rule is not None) == both_changed
    assert (decision.step is Step.AGREED) == (ours == theirs)


@given(_AMOUNTS, _AMOUNTS, st.sampled_from([Rule.HIGHEST, Rule.LOWEST, Rule.LOCAL, Rule.MARKETPLACE]))
def test_rules_choose_the_value_that_they_name(ours: int, theirs: int, rule: Rule) -> None:
    step = decide(Standing(ours, theirs, (9,)), rule).step
    left = {Step.AGREED: ours, Step.SEND: ours, Step.YIELD: theirs}[step]
    wanted = {
        Rule.HIGHEST: max(ours, theirs),
        Rule.LOWEST: min(ours, theirs),
        Rule.LOCAL: ours,
        Rule.MARKETPLACE: theirs,
    }
    assert left == wanted[rule]


def test_the_newest_wins_by_the_times_of_both_sides_and_waits_where_one_is_unknown() -> None:
    later = _NOON + timedelta(seconds=1)
    assert decide(_standing("a", "b", "c", ours_at=later, theirs_at=_NOON), Rule.NEWEST).step is Step.SEND
    assert decide(_standing("a", "b", "c", ours_at=_NOON, theirs_at=later), Rule.NEWEST).step is Step.YIELD
    assert decide(_standing("a", "b", "c", ours_at=_NOON), Rule.NEWEST).step is Step.ASK


def test_texts_are_not_compared_by_amount() -> None:
    assert decide(_standing("a", "b", "c"), Rule.LOWEST).step is Step.ASK
    assert not fits(EditField.TITLE, Rule.HIGHEST)
    assert fits(EditField.STOCK, Rule.HIGHEST)


def test_an_empty_sale_price_is_a_value_and_an_unknown_base_is_none() -> None:
    assert decide(Standing(Decimal(5), None, (None,)), Rule.MANUAL).step is Step.SEND
    assert decide(Standing(Decimal(5), Decimal(4), (None,)), Rule.MANUAL).step is Step.ASK
    assert decide(Standing(Decimal(5), Decimal(4), None), Rule.MANUAL).step is Step.SEND


@given(st.decimals(min_value="0.000001", max_value=10**14, places=6))
def test_money_is_kept_to_the_last_digit(amount: Decimal) -> None:
    assert read(EditField.PRICE, kept(checked(EditField.PRICE, amount))) == amount
    assert Decimal(str(shown(amount))) == amount


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (EditField.PRICE, "0"),
        (EditField.PRICE, "-1"),
        (EditField.PRICE, "NaN"),
        (EditField.PRICE, "1e30"),
        (EditField.PRICE, "0.0000001"),
        (EditField.PRICE, None),
        (EditField.PRICE, "abc"),
        (EditField.PRICE, True),
        (EditField.STOCK, -1),
        (EditField.STOCK, "1"),
        (EditField.STOCK, True),
        (EditField.STOCK, 10**13),
        (EditField.TITLE, " "),
        (EditField.TITLE, "a\x00b"),
        (EditField.TITLE, "a" * 2_001),
        (EditField.PUBLISHED, 1),
    ],
)
def test_values_that_no_platform_could_take_are_refused_by_name(field: EditField, value: object) -> None:
    with pytest.raises(WrongEdit) as refused:
        checked(field, value)
    assert refused.value.details["fields"][0]["path"] == field


@given(st.integers(0, 100), st.none() | st.floats(0, 10**6))
def test_waits_grow_and_end(attempts: int, asked: float | None) -> None:
    assert timedelta(seconds=2) <= pause(attempts, asked) <= timedelta(hours=8)
    assert pause(attempts) <= pause(attempts + 1)
    assert locked_pause(attempts) <= locked_pause(attempts + 1) <= timedelta(hours=8)


def test_an_edit_is_tried_for_about_a_day_at_least() -> None:
    assert sum((pause(one) for one in range(MOST_ATTEMPTS)), timedelta()) > timedelta(hours=8)
