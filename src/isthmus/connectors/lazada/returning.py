"""What buyers of Lazada want taken back, as it stands on the units of an order (marketplaces.md 3.6, 10.4); pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from isthmus.connect.shapes import PaymentStatus, Return, ReturnStatus

#: Reverse states by their words.
_STATUS = {
    **dict.fromkeys(("REQUEST_INITIATE", "CANCEL_INIT", "RTM_INIT", "RTW_INIT", "REFUND_INIT"), ReturnStatus.REQUESTED),
    **dict.fromkeys(("RTM_SHIPPING_BACK", "RTW_SHIPPING_BACK"), ReturnStatus.ACCEPTED),
    "RTM_RECEIVE_ITEM": ReturnStatus.RECEIVED,
    **dict.fromkeys(("RTW_REJECT", "REFUND_REJECTED"), ReturnStatus.REJECTED),
    **dict.fromkeys(
        ("CANCEL_SUCCESS", "CANCEL_REFUND_ISSUED", "RTW_REFUND_PENDING", "REFUND_PENDING", "REFUND_SUCCESS"),
        ReturnStatus.CLOSED,
    ),
    **dict.fromkeys(("RTM_CANCELED", "RTW_CANCELED"), ReturnStatus.CANCELLED),
}
#: States in which the buyer has the money back.
_GIVEN_BACK = frozenset({"CANCEL_REFUND_ISSUED", "REFUND_SUCCESS"})


@dataclass(frozen=True, slots=True)
class Back:
    """One unit: the return it belongs to, if any, and how far that is, in the platform's word."""

    unit: str
    reverse: str | None
    word: str
    reason: str | None


def of(units: Sequence[Back], line_of: Mapping[str, str]) -> tuple[Return, ...]:
    """Returns with the lines they are about; how much goes back only another call says."""
    groups: dict[str, list[Back]] = {}
    for one in units:
        if one.reverse is not None and one.word:
            groups.setdefault(one.reverse, []).append(one)
    return tuple(_return(reverse, found, line_of) for reverse, found in groups.items())


def _return(reverse: str, units: Sequence[Back], line_of: Mapping[str, str]) -> Return:
    word = units[0].word
    return Return(
        external_id=reverse,
        kind=_kind(word),
        status=_STATUS.get(word, ReturnStatus.UNKNOWN),
        platform_status=word,
        reason=units[0].reason,
        lines=tuple(dict.fromkeys(line_of[one.unit] for one in units)),
    )


def _kind(word: str) -> str:
    """The state's own family says what it is about."""
    if word.startswith("CANCEL"):
        return "cancel"
    return "refund_only" if word.startswith("REFUND") else "return"


def payment(units: Sequence[Back]) -> PaymentStatus:
    """What became of the money of an order that was paid, unit by unit."""
    gone = [one.word in _GIVEN_BACK for one in units]
    if all(gone):
        return PaymentStatus.REFUNDED
    return PaymentStatus.PARTIALLY_REFUNDED if any(gone) else PaymentStatus.PAID
