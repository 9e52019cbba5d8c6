"""Orders as rows of a file: one row for each line, the order's own values in each, and back again without a difference.

The columns are the canonical shape's own names: `order_id`, the order's fields, `totals_*`, `line_*` and, for those who
may see them, `customer_*`, `shipping_address_*`, `billing_address_*` and the notes. Lists and maps are JSON in a cell.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from isthmus.connect.shapes import Address, Customer, Order, OrderLine, Totals
from isthmus.kit.text import guarded, unguarded

_NUMBER: Final = re.compile(r"-?[0-9]+(?:\.[0-9]+)?", re.ASCII)
_PARTS: Final[Mapping[str, type[msgspec.Struct]]] = {
    "totals": Totals,
    "customer": Customer,
    "shipping_address": Address,
    "billing_address": Address,
}
_PERSONAL: Final = frozenset({"customer", "shipping_address", "billing_address", "buyer_note", "seller_note"})
#: What a cell holds as JSON.
_JSON: Final = frozenset({"external_ids", "shipment_ids", "codes", "cancellation", "related", "shipments", "returns"})
_LINE: Final = "line_"
_Cells = dict[str, str]


def _names(shape: type[msgspec.Struct]) -> tuple[str, ...]:
    return tuple(one.name for one in msgspec.structs.fields(shape))


def _header(*, personal: bool) -> tuple[str, ...]:
    found: list[str] = []
    for name in _names(Order):
        if name == "lines" or (name in _PERSONAL and not personal):
            continue
        part = _PARTS.get(name)
        found += [f"{name}_{inner}" for inner in _names(part)] if part else [_shown(name)]
    return (*found, *(_LINE + _shown(name, "id") for name in _names(OrderLine)))


def _shown(name: str, id_: str = "order_id") -> str:
    return id_ if name == "external_id" else name


#: The columns without and with what names a person.
HEADER: Final = _header(personal=False)
PERSONAL_HEADER: Final = _header(personal=True)


def rows_of(order: Order, header: Sequence[str]) -> list[list[str]]:
    """The order's rows under this header, safe to open in a spreadsheet (security.md CS-01)."""
    document: dict[str, object] = msgspec.to_builtins(order)
    lines = document.pop("lines", [])
    shared: _Cells = {}
    for name, value in document.items():
        if name in _PARTS and isinstance(value, Mapping):
            shared |= {f"{name}_{inner}": _cell(one) for inner, one in value.items()}
        else:
            shared[_shown(name)] = _cell(value)
    found = lines if isinstance(lines, list | tuple) and lines else [{}]
    each = [shared | {_LINE + _shown(name, "id"): _cell(value) for name, value in line.items()} for line in found]
    return [[cells.get(name, "") for name in header] for cells in each]


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping | list | tuple):
        return msgspec.json.encode(value).decode()
    text = str(value)
    return text if _NUMBER.fullmatch(text) else guarded(text)


def order_of(rows: Sequence[Mapping[str, str]]) -> Order:
    """The order whose rows these are, by column; the first one speaks for it. Raises ValueError."""
    document: dict[str, object] = {}
    parts: dict[str, object] = {}
    for name in _names(Order):
        part = _PARTS.get(name)
        if part is None:
            document |= _value(name, rows[0].get(_shown(name), ""))
        elif found := _values(part, f"{name}_", rows[0]):
            parts[name] = found
    lines = [_values(OrderLine, _LINE, row) for row in rows]
    try:
        return msgspec.convert({**document, **parts, "lines": [one for one in lines if one]}, Order, strict=False)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from None


def _values(shape: type[msgspec.Struct], prefix: str, row: Mapping[str, str]) -> dict[str, object]:
    found: dict[str, object] = {}
    for name in _names(shape):
        shown = _shown(name, "id") if prefix == _LINE else name
        found |= _value(name, row.get(prefix + shown, ""))
    return found


def _value(name: str, cell: str) -> dict[str, object]:
    if not cell:
        return {}
    try:
        return {name: msgspec.json.decode(cell) if name in _JSON else unguarded(cell)}
    except msgspec.DecodeError:
        raise ValueError(f"the column {name} holds no JSON") from None
