"""Reads product files as two common shop systems export them, told apart by their header."""

import csv
import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Protocol

from isthmus.kit.errors import Invalid
from isthmus.kit.money import decimal, quantity
from isthmus.sandbox.catalogue.model import CatalogueProduct, CatalogueVariant

_SIZE_LIMIT = 50 << 20
_SHOWN = 20
_POUND = Decimal("0.45359237")
#: Stock of a product that its shop does not count.
_UNCOUNTED = 100

_PARENT_HEADER = frozenset({"Type", "SKU", "Name", "Regular price"})
_HANDLE_HEADER = frozenset({"Handle", "Title", "Variant Price"})


class CatalogueUnreadable(Invalid):
    """The file is not a catalogue that can be read; `details.fields` names line, column and reason.

    Save the file as UTF-8 CSV with the header of a product export that the sandbox guide names.
    """

    code = "CATALOG_UNREADABLE"


class _Rows(Protocol):
    @property
    def line_num(self) -> int: ...

    def __iter__(self) -> Iterator[list[str]]: ...


@dataclass(slots=True)
class _Line:
    """One record of the file, with the number of the line that it ends on."""

    number: int
    cells: Mapping[str, str]
    rejected: list[dict[str, object]] = field(repr=False)

    def text(self, column: str) -> str:
        return self.cells.get(column, "").strip()

    def reject(self, column: str, reason: str) -> None:
        self.rejected.append({"path": f"line {self.number}, column {column!r}", "message": reason})

    def amount(self, column: str) -> Decimal | None:
        text = self.text(column)
        if not text:
            return None
        try:
            number = decimal(text)
        except ValueError as error:
            self.reject(column, f"{text[:40]!r} is {error}")
            return None
        if number < 0:
            self.reject(column, f"{text[:40]!r} is below 0")
            return None
        return number

    def count(self, column: str, default: int) -> int:
        text = self.text(column)
        try:
            return max(0, quantity(text)) if text else default
        except ValueError as error:
            self.reject(column, f"{text[:40]!r} is {error}")
            return default


def read_csv(path: Path, *, currency: str = "USD") -> list[CatalogueProduct]:
    """Read a product file; its prices are taken as `currency`, which such files do not name.

    Raises `CatalogueUnreadable` when the file cannot be opened, is no catalogue, or has rows that make no sense.
    """
    rows = csv.reader(io.StringIO(_text(path), newline=""), strict=True)
    rejected: list[dict[str, object]] = []
    try:
        header = [name.strip() for name in next(rows, [])]
        form = _form(header, path)
        lines = list(_lines(rows, header, rejected))
    except csv.Error as error:
        raise _unreadable(f"{path.name}: line {rows.line_num}: {error}") from error
    products = form(lines)
    if rejected:
        first = rejected[0]
        message = f"{path.name}: {len(rejected)} cells make no sense; the first: {first['path']}: {first['message']}"
        raise CatalogueUnreadable(message, details={"fields": rejected[:_SHOWN]})
    if not products:
        raise _unreadable(f"{path.name} has a header and no products")
    return [replace(product, currency=currency) for product in products]


def _unreadable(message: str) -> CatalogueUnreadable:
    return CatalogueUnreadable(message, details={"fields": [{"path": "file", "message": message}]})


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > _SIZE_LIMIT:
            raise _unreadable(f"{path.name} is larger than {_SIZE_LIMIT >> 20} MiB")
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise _unreadable(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise _unreadable(
            f"{path.name} is not UTF-8 text: byte {error.start} is {error.object[error.start]:#04x}"
        ) from error


_Form = Callable[[list[_Line]], list[CatalogueProduct]]


def _form(header: list[str], path: Path) -> _Form:
    if set(header) >= _PARENT_HEADER:
        return _with_parents
    if set(header) >= _HANDLE_HEADER:
        return _with_handles
    raise _unreadable(
        f"{path.name} is no product file: line 1 has neither the columns {', '.join(sorted(_PARENT_HEADER))} "
        f"nor {', '.join(sorted(_HANDLE_HEADER))}"
    )


def _lines(rows: _Rows, header: list[str], rejected: list[dict[str, object]]) -> list[_Line]:
    found = []
    for cells in rows:
        line = _Line(rows.line_num, dict(zip(header, cells, strict=False)), rejected)
        if len(cells) > len(header):
            line.reject(header[-1], f"{len(cells)} cells under {len(header)} headings")
        if any(cells):
            found.append(line)
    return found


def _with_parents(lines: list[_Line]) -> list[CatalogueProduct]:
    """Rows of a `Type`; a `variation` names its parent by SKU or as `id:NN`."""
    children: dict[str, list[_Line]] = {}
    for line in lines:
        if line.text("Type") == "variation":
            children.setdefault(line.text("Parent"), []).append(line)
    products = []
    for line in lines:
        kind = line.text("Type").partition(",")[0]
        if kind in {"simple", "external", "variable"}:
            own = children.pop(line.text("SKU"), []) + children.pop(f"id:{line.text('ID')}", [])
            products.append(_parent(line, own))
        elif kind not in {"variation", "grouped"}:
            line.reject("Type", f"{line.text('Type')[:40]!r} is no type of a product")
    for parent, orphans in children.items():
        for orphan in orphans:
            orphan.reject("Parent", f"no product {parent[:40]!r} in this file")
    return products


def _parent(line: _Line, children: list[_Line]) -> CatalogueProduct:
    if not line.text("Name"):
        line.reject("Name", "is empty")
    names = [line.text(f"Attribute {n} name") for n in (1, 2)] if children else []
    numbers = [n for n, name in enumerate(names, 1) if name]
    variants = [_variation(child, numbers) for child in children] or [_variation(line, [])]
    pounds, kilos = line.amount("Weight (lbs)"), line.amount("Weight (kg)")
    return CatalogueProduct(
        title=line.text("Name"),
        variants=tuple(variants),
        sku=line.text("SKU") or None,
        description=line.text("Description") or line.text("Short description"),
        category=line.text("Categories").partition(",")[0].rpartition(">")[2].strip() or "Other",
        images=tuple(part.strip() for part in line.text("Images").split(",") if part.strip()),
        option_names=tuple(names[n - 1] for n in numbers),
        weight=kilos or ((pounds or Decimal(1)) * _POUND).quantize(Decimal("0.001")),
        status="active" if line.text("Published") in {"", "1"} else "inactive",
    )


def _variation(line: _Line, numbers: list[int]) -> CatalogueVariant:
    regular, sale = line.amount("Regular price"), line.amount("Sale price")
    return CatalogueVariant(
        sku=line.text("SKU") or None,
        price=regular if regular is not None else sale or Decimal(0),
        sale_price=sale if regular is not None else None,
        stock=line.count("Stock", 0 if line.text("In stock?") == "0" else _UNCOUNTED),
        options=tuple(line.text(f"Attribute {n} value(s)") or "Any" for n in numbers),
        image=line.text("Images").partition(",")[0].strip() or None,
    )


def _with_handles(lines: list[_Line]) -> list[CatalogueProduct]:
    """Rows that share a `Handle` are one product; those without a price only add a picture."""
    groups: dict[str, list[_Line]] = {}
    for line in lines:
        if line.text("Handle"):
            groups.setdefault(line.text("Handle"), []).append(line)
        else:
            line.reject("Handle", "is empty")
    return [_handle(group) for group in groups.values()]


def _handle(group: list[_Line]) -> CatalogueProduct:
    head = group[0]
    if not head.text("Title"):
        head.reject("Title", "is empty")
    names = [head.text(f"Option{n} Name") for n in (1, 2, 3)]
    plain = names[0] in {"", "Title"} and head.text("Option1 Value") in {"", "Default Title"}
    numbers = [] if plain else [n for n, name in enumerate(names, 1) if name]
    variants = [_priced(line, numbers) for line in group if line.text("Variant Price")]
    if not variants:
        head.reject("Variant Price", "is empty on every row of this product")
    grams = head.amount("Variant Grams") or Decimal(500)
    hidden = head.text("Status") not in {"", "active"} or head.text("Published").lower() == "false"
    return CatalogueProduct(
        title=head.text("Title"),
        variants=tuple(variants),
        sku=head.text("Handle"),
        description=head.text("Body (HTML)"),
        brand=head.text("Vendor") or None,
        category=head.text("Type") or "Other",
        images=tuple(line.text("Image Src") for line in group if line.text("Image Src")),
        option_names=tuple(names[n - 1] for n in numbers),
        weight=grams / 1000,
        status="inactive" if hidden else "active",
    )


def _priced(line: _Line, numbers: list[int]) -> CatalogueVariant:
    price, before = line.amount("Variant Price") or Decimal(0), line.amount("Variant Compare At Price")
    reduced = before is not None and before > price
    return CatalogueVariant(
        sku=line.text("Variant SKU") or None,
        price=before if reduced and before is not None else price,
        sale_price=price if reduced else None,
        stock=line.count("Variant Inventory Qty", 0),
        options=tuple(line.text(f"Option{n} Value") for n in numbers),
        image=line.text("Variant Image") or None,
        barcode=line.text("Variant Barcode") or None,
    )
