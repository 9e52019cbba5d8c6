"""What both ways of writing Shopify share: prices that hang together, and what is said of a refusal (pure)."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from isthmus.connect.writing import Edit, EditField, EditValue, Outcome, Result
from isthmus.kit import money

PRICES = frozenset({EditField.PRICE, EditField.SALE_PRICE})
UNCLEAR = "The shop has several locations, or does not tell which; name the one that is meant."
NOWHERE = "The shop keeps no stock of this variant at such a location."


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is paid, None where it stays; with `compared`, also what is struck through, None for nothing."""

    price: str | None
    compare_at: str | None = None
    compared: bool = True

    def named(self, price: str, compare_at: str) -> dict[str, str | None]:
        """The two as an interface names them; what stays as it is is left out."""
        paid: dict[str, str | None] = {} if self.price is None else {price: self.price}
        return {**paid, compare_at: self.compare_at} if self.compared else paid


def row(edit: Edit) -> tuple[str, str]:
    """What an edit is of: the variant, empty for the product itself, and the place."""
    return edit.variant.external_id if edit.variant is not None else "", edit.location


def call(edit: Edit) -> tuple[str, str]:
    """Which call carries an edit: its kind, and the product where it is of one."""
    if edit.field is EditField.STOCK:
        return "stock", ""
    return "prices" if edit.field in PRICES else "texts", edit.listing.external_id


def price(edits: Sequence[Edit]) -> Wanted | None:
    """What is paid and what is struck through, of a variant after its edits; None where the sale is not below.

    Only what the edits move is sent, so that nothing is set back that changed at the platform meanwhile.
    """
    known = edits[0].variant.price if edits[0].variant is not None else None
    regular: EditValue = known.list_price if known is not None else None
    sale: EditValue = known.sale_price if known is not None else None
    fields = {edit.field: edit.value for edit in edits}
    regular, sale = fields.get(EditField.PRICE, regular), fields.get(EditField.SALE_PRICE, sale)
    if not isinstance(regular, Decimal):
        return None
    if not isinstance(sale, Decimal):
        return Wanted(money.plain(regular), compared=EditField.SALE_PRICE in fields)
    if sale >= regular:
        return None
    return Wanted(money.plain(sale) if EditField.SALE_PRICE in fields else None, money.plain(regular))


def senseless(edit: Edit) -> Outcome:
    """The refusal of a sale that is none."""
    text = "The sale price must be below the regular price, and the regular price must be known."
    return Outcome(edit.key, Result.REFUSED, "sale_not_below", text)
