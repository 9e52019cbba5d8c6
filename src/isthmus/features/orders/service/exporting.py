"""Orders written out, page by page, so that memory stays flat: as CSV, or one canonical document a line."""

import csv
import io
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import msgspec

from isthmus.connect.shapes import Order
from isthmus.features import vault
from isthmus.features.orders import model, store
from isthmus.features.orders.model import OrderFilter
from isthmus.features.orders.service import sheets
from isthmus.features.orders.service.places import PERSONAL
from isthmus.scope import Scope, Tx

#: Written in one go: some milliseconds of the event loop.
_PAGE: Final = 50


@dataclass(frozen=True, slots=True)
class Export:
    """What is written out: which orders, as what, and whether with names, addresses and notes."""

    form: Literal["csv", "ndjson"]
    wanted: OrderFilter
    personal: bool = False

    @property
    def header(self) -> Sequence[str]:
        """The columns of the file."""
        return sheets.PERSONAL_HEADER if self.personal else sheets.HEADER


async def exported(scope: Scope, export: Export) -> AsyncIterator[bytes]:
    """The orders in pieces, in the order they came in."""
    if export.form == "csv":
        yield _written([export.header])
    after = ""
    while True:
        async with scope.tx() as tx:
            rows = await store.whole_orders(tx, export.wanted, after, _PAGE)
            found = [await _whole(scope, tx, row, personal=export.personal) for row in rows]
        if not rows:
            return
        after = rows[-1]["id"]
        if export.form == "csv":
            yield _written([row for one in found for row in sheets.rows_of(one, export.header)])
        else:
            yield b"".join(msgspec.json.encode(one) + b"\n" for one in found)


async def _whole(scope: Scope, tx: Tx, row: Any, *, personal: bool) -> Order:  # noqa: ANN401 - a row
    order = model.decode(row["body"].encode())
    if not personal or row["personal"] is None:
        return order
    clear = await vault.open(scope, tx, row["personal"], owner=row["id"], field=PERSONAL)
    return model.whole(order, model.personal_of(clear.reveal()))


def _written(rows: Sequence[Sequence[str]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\r\n").writerows(rows)
    return text.getvalue().encode()
