"""What is to become of a field that two sides may have changed: three values and a rule (pure)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final

from isthmus.connect.edits import EditField, EditValue


class Rule(StrEnum):
    """Who wins where both sides changed a field since they last agreed."""

    MARKETPLACE = "marketplace"
    LOCAL = "local"
    NEWEST = "newest"
    HIGHEST = "highest"
    LOWEST = "lowest"
    MANUAL = "manual"


#: Stock that is sold twice costs more than stock that is not offered; all else waits for a person.
DEFAULTS: Final[Mapping[EditField, Rule]] = {
    **dict.fromkeys(EditField, Rule.MANUAL),
    EditField.STOCK: Rule.LOWEST,
}
#: Rules that compare amounts, and the fields that have some.
_COMPARING: Final = frozenset({Rule.HIGHEST, Rule.LOWEST})
_AMOUNTS: Final = frozenset({EditField.PRICE, EditField.SALE_PRICE, EditField.STOCK})


class Step(StrEnum):
    """What is done next with an edit."""

    #: The far side has the value already: nothing was to be done, or our own write is seen again.
    AGREED = "agreed"
    SEND = "send"
    #: The far side's value stays.
    YIELD = "yield"
    #: A person decides.
    ASK = "ask"


@dataclass(frozen=True, slots=True)
class Standing:
    """Both sides of a field. `base` is what they last agreed on and `sent` what may have been written since.

    Either may be unknown; what is known is a tuple of one value.
    """

    ours: EditValue
    theirs: EditValue
    base: tuple[EditValue] | None = None
    sent: tuple[EditValue] | None = None
    ours_at: datetime | None = None
    theirs_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """The next step; `rule` is what decided between two changes, None where only one side had changed."""

    step: Step
    rule: Rule | None = None


def decide(standing: Standing, rule: Rule) -> Decision:
    """The next step of an edit, by what the far side shows."""
    if standing.theirs == standing.ours:
        return Decision(Step.AGREED)
    ours_alone = standing.base is None or standing.theirs in standing.base
    if ours_alone or (standing.sent is not None and standing.theirs in standing.sent):
        return Decision(Step.SEND)
    return Decision(_by_rule(standing, rule), rule)


def _by_rule(standing: Standing, rule: Rule) -> Step:
    if rule is Rule.MANUAL:
        return Step.ASK
    if rule is Rule.LOCAL:
        return Step.SEND
    if rule is Rule.NEWEST:
        return _newest(standing)
    if rule in _COMPARING:
        return _compared(standing, highest=rule is Rule.HIGHEST)
    return Step.YIELD


def _newest(standing: Standing) -> Step:
    if standing.ours_at is None or standing.theirs_at is None:
        return Step.ASK
    return Step.SEND if standing.ours_at > standing.theirs_at else Step.YIELD


def _compared(standing: Standing, *, highest: bool) -> Step:
    ours, theirs = standing.ours, standing.theirs
    if not (isinstance(ours, int | Decimal) and isinstance(theirs, int | Decimal)):
        return Step.ASK
    return Step.SEND if (ours > theirs) == highest else Step.YIELD


def fits(field: EditField, rule: Rule) -> bool:
    """Whether a rule can decide over a field: only amounts can be compared."""
    return rule not in _COMPARING or field in _AMOUNTS
