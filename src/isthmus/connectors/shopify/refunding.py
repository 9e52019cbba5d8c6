"""Refunds of an order of Shopify as canonical returns (marketplaces.md 6.6; shopify.dev, the Refund resource); pure.

A refund is money that went back, pieces that came back or were taken off the order, or both.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from isthmus.connect import reading
from isthmus.connect.shapes import Return, ReturnStatus
from isthmus.connectors.shopify import rows

#: How pieces are put back that had not been sent.
_CANCEL = "cancel"


@dataclass(frozen=True, slots=True)
class Pieces:
    """How many pieces of which line were paid back: before they were sent, and after."""

    cancelled: dict[str, int]
    returned: dict[str, int]


def pieces(refunds: Sequence[rows.Refund]) -> Pieces:
    """All refunds of an order together. Raises Unmappable."""
    found = Pieces({}, {})
    for one in (line for refund in refunds for line in refund.refund_line_items or ()):
        line, into = reading.ident(one.line_item_id, "line id"), found.cancelled if _off(one) else found.returned
        into[line] = into.get(line, 0) + reading.quantity(one.quantity, "quantity")
    return found


def of(raw: rows.Refund) -> Return:
    """One refund; while none of its money has gone back it is accepted. Raises Unmappable."""
    lines = raw.refund_line_items or ()
    amount = sum(map(_amount, raw.transactions or ()), Decimal(0))
    done = bool(amount) or not raw.transactions
    kind = "refund_only" if not lines else "cancel" if all(map(_off, lines)) else "return"
    return Return(
        external_id=reading.ident(raw.id, "refund id"),
        kind=kind,
        status=ReturnStatus.CLOSED if done else ReturnStatus.ACCEPTED,
        platform_status="refunded" if done else "pending",
        reason=reading.optional_line(raw.note),
        amount=amount,
        lines=tuple(dict.fromkeys(reading.ident(one.line_item_id, "line id") for one in lines)),
    )


def _off(line: rows.RefundLine) -> bool:
    return reading.line(line.restock_type) == _CANCEL


def _amount(one: rows.Transaction) -> Decimal:
    gone = one.kind == "refund" and one.status == "success"
    return (reading.optional_decimal(one.amount, "refund") or Decimal(0)) if gone else Decimal(0)
