"""A real shop's invoices as orders of an emulated one, and what they must come to.

The file's dirt, and what becomes of it: an invoice number that begins with C is a cancellation, whose quantities are
negative: it becomes a cancelled order of as many pieces. A negative quantity elsewhere is a correction of the stock and
worth nothing: such a line is no line of an order, and an invoice of nothing else no order. Lines of one invoice do not
always stand together. A number that begins with A
writes off a debt and sells nothing. Times have no zone and are taken as UTC, some years later.
"""

import csv
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import islice
from pathlib import Path

from isthmus.sandbox import Book, Bought, Buyer, Placed
from isthmus.sandbox.orders import State

#: The file ends here; it is moved so that it ends two months before the day of the test.
_END = datetime(2010, 5, 23, tzinfo=UTC)
_AGO = timedelta(days=60)
#: Country, month, and whether the invoice was a cancellation.
Cell = tuple[str, str, bool]


@dataclass(frozen=True)
class Invoice:
    """One invoice with what an order can say of it."""

    number: str
    at: datetime
    country: str
    customer: str
    lines: tuple[tuple[str, str, int, Decimal], ...]

    @property
    def cancelled(self) -> bool:
        """Whether it takes an earlier one back."""
        return self.number.startswith("C")

    @property
    def total(self) -> Decimal:
        """What it comes to, without a sign."""
        return sum((price * quantity for _, _, quantity, price in self.lines), Decimal(0))

    @property
    def cell(self) -> Cell:
        """Where it is counted."""
        return self.country, self.at.strftime("%Y-%m"), self.cancelled


def invoices(path: Path, now: datetime, most: int | None = None) -> list[Invoice]:
    """The first invoices of the file that sell or take back something, as if it ended shortly before `now`."""
    shift = timedelta(days=(now - _AGO - _END).days)
    rows: dict[str, list[dict[str, str]]] = {}
    with path.open(encoding="utf-8-sig", newline="") as file:
        lines = csv.reader(file)
        names = next(lines)
        for line in lines:
            rows.setdefault(line[0], []).append(dict(zip(names, line, strict=True)))
    made = [_invoice(number, found, shift) for number, found in islice(rows.items(), most)]
    return [one for one in made if one is not None]


def _invoice(number: str, rows: list[dict[str, str]], shift: timedelta) -> Invoice | None:
    sign = -1 if number.startswith("C") else 1
    sold = [row for row in rows if sign * int(row["Quantity"]) > 0]
    if not sold or number.startswith("A"):
        return None
    first = sold[0]
    moment = datetime.fromisoformat(first["InvoiceDate"]).replace(tzinfo=UTC)
    lines = tuple(
        (row["StockCode"].strip(), row["Description"].strip(), abs(int(row["Quantity"])), Decimal(row["UnitPrice"]))
        for row in sold
    )
    customer = first["CustomerID"].partition(".")[0]
    return Invoice(number, moment + shift, first["Country"], customer, lines)


def place(book: Book, found: list[Invoice]) -> None:
    """Put the invoices into a shop's book."""
    for one in found:
        at = int(one.at.timestamp())
        state: State = "cancelled" if one.cancelled else "completed"
        book.add(
            Placed(
                serial=0,
                key=f"{one.at:%y%m%d}{one.number:0>8}",
                placed=at,
                updated=at,
                state=state,
                lines=tuple(_line(place, *line) for place, line in enumerate(one.lines)),
                buyer=Buyer(one.customer or "1", f"Buyer {one.customer}", "0900000012", "1", "", "", "", one.country),
                currency="GBP",
                history=((state, at),),
            )
        )


def _line(place: int, sku: str, title: str, quantity: int, price: Decimal) -> Bought:
    return Bought(1_000_000 + place, 0, title, (), sku, None, quantity, price, price)


def expected(found: list[Invoice]) -> dict[Cell, tuple[int, Decimal]]:
    """Number and worth of the invoices by country, month and kind."""
    cells: dict[Cell, tuple[int, Decimal]] = {}
    for one in found:
        count, total = cells.get(one.cell, (0, Decimal(0)))
        cells[one.cell] = (count + 1, total + one.total)
    return cells
