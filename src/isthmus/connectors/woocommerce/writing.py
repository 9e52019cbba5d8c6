"""Writing products of WooCommerce: rows of a batch, variations under their parent (marketplaces.md 7.3, 9.4)."""

from collections.abc import Sequence
from decimal import Decimal
from urllib.parse import quote

import msgspec

from isthmus.client import MalformedBody
from isthmus.connect import batching, judging, reading
from isthmus.connect.reading import Loose
from isthmus.connect.spi import Session
from isthmus.connect.writing import Edit, EditField, EditValue, Outcome, Result
from isthmus.kit import money

#: Rows of one batch, whatever is done with them.
_ROWS = 100
#: The status of what buyers do not see, unless the merchant chose another one.
_HIDDEN = "private"


class _Error(msgspec.Struct):
    code: Loose = None
    message: Loose = None


class _Row(msgspec.Struct):
    """What a batch answers for one row: the whole object as it is now, or why it is not."""

    id: Loose = None
    error: _Error | None = None
    status: Loose = None
    regular_price: Loose = None
    sale_price: Loose = None
    stock_quantity: Loose = None


class _Reply(msgspec.Struct):
    update: list[_Row] = []


_REPLY = reading.decoder(_Reply)


def batches(edits: Sequence[Edit]) -> list[list[Edit]]:
    """At most 100 objects together; variations of one product are apart from all others (pure)."""
    return batching.parted(edits, lambda edit: _place(edit)[0], _place, lambda _: _ROWS)


def _place(edit: Edit) -> tuple[str, str]:
    """The parent whose variation it is, empty for a product, and the id of the object."""
    product = edit.listing.external_id
    if edit.variant is None or edit.variant.external_id == product:
        return "", product
    return product, edit.variant.external_id


async def write(session: Session, products: str, batch: Sequence[Edit]) -> list[Outcome]:
    """Send one batch; `products` is the address of the products. Raises client errors."""
    rows: dict[str, list[Edit]] = {}
    for edit in batch:
        rows.setdefault(_place(edit)[1], []).append(edit)
    parent = _place(batch[0])[0]
    path = f"{products}/{quote(parent, safe='')}/variations/batch" if parent else f"{products}/batch"
    hidden = session.account.settings.get("unpublished_as", _HIDDEN)
    body = {"update": [{"id": _number(name), **_fields(edits, hidden)} for name, edits in rows.items()]}
    reply = judging.decoded(await session.client.post(path, body, idempotent=False), _REPLY)
    answers = {str(row.id): row for row in reply.update}
    if not rows.keys() <= answers.keys():
        raise MalformedBody("the answer to a batch leaves rows out", reason="shape")
    return [_outcome(edit, answers[name], hidden) for name, edits in rows.items() for edit in edits]


def _number(text: str) -> int | str:
    return int(text) if text.isascii() and text.isdecimal() else text


def _fields(edits: Sequence[Edit], hidden: str) -> dict[str, object]:
    fields: dict[str, object] = {}
    for edit in edits:
        fields.update(_field(edit, hidden))
    return fields


def _field(edit: Edit, hidden: str) -> dict[str, object]:
    """Prices travel as texts, an empty one for none. Counting is switched on only where nothing was counted yet."""
    match edit.field:
        case EditField.PRICE:
            return {"regular_price": _amount(edit.value)}
        case EditField.SALE_PRICE:
            return {"sale_price": _amount(edit.value)}
        case EditField.STOCK:
            counted = edit.variant is not None and edit.variant.inventory
            return {"stock_quantity": edit.value} if counted else {"manage_stock": True, "stock_quantity": edit.value}
        case EditField.TITLE:
            return {"name": edit.value}
        case EditField.DESCRIPTION:
            return {"description": edit.value}
        case EditField.PUBLISHED:
            return {"status": _status(edit.value, hidden)}


def _status(published: EditValue, hidden: str) -> str:
    return "publish" if published else hidden


def _amount(value: EditValue) -> str:
    return money.plain(value) if isinstance(value, Decimal) else ""


def _outcome(edit: Edit, row: _Row, hidden: str) -> Outcome:
    """The row comes back as it now is: what a plugin or the shop's own rules did not take is seen there."""
    if row.error is not None:
        words = reading.line(row.error.message)[:500]
        return Outcome(edit.key, Result.REFUSED, reading.line(row.error.code)[:80], words)
    shown = _shown(edit, row, hidden)
    if shown is None:
        return Outcome(edit.key)
    return Outcome(edit.key, Result.REFUSED, "not_taken", f"The shop shows {shown or 'nothing'} instead.")


def _shown(edit: Edit, row: _Row, hidden: str) -> str | None:
    """What the shop shows where it is not what was sent; None where it is, and for texts, which shops tidy up."""
    found: Loose = None
    match edit.field:
        case EditField.PRICE:
            found = row.regular_price
        case EditField.SALE_PRICE:
            found = row.sale_price
        case EditField.STOCK:
            found = row.stock_quantity
        case EditField.PUBLISHED:
            return None if row.status == _status(edit.value, hidden) else reading.line(row.status)
        case _:
            return None
    text = "" if reading.absent(found) else str(found)[:40]
    wanted = None if edit.value is None else Decimal(str(edit.value))
    try:
        return None if (money.decimal(text) if text else None) == wanted else text
    except ValueError:
        return text
