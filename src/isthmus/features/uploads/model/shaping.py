"""Rows of one product become one canonical listing, or the reasons why not, cell by cell."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar

import msgspec

from isthmus.connect.shapes import (
    Image,
    Inventory,
    Listing,
    ListingStatus,
    Option,
    OptionValue,
    Price,
    Variant,
)
from isthmus.features.uploads.model import cells
from isthmus.features.uploads.model.cells import CellError, Numbers
from isthmus.features.uploads.model.formats import Choice, Column, Format, normal
from isthmus.features.uploads.model.rows import Row
from isthmus.kit import text

PRODUCT: Final = "product"
VARIANT: Final = "variant"
BOTH: Final = "both"
EXTRA: Final = "extra"
SKIPPED: Final = "skipped"
_ID_LENGTH: Final = 200
_PRICES: Final = ("variant.price", "variant.list_price", "variant.sale_price")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RowError:
    """Why a row was refused; `column` and `value` where it was one cell."""

    line: int
    column: str
    value: str
    reason: str


class Refused(Exception):
    """A product that cannot be taken; no part of it is."""

    def __init__(self, errors: Sequence[RowError]) -> None:
        self.errors = tuple(errors)
        super().__init__(errors[0].reason if errors else "")


@dataclass(frozen=True, slots=True)
class Terms:
    """What a file leaves unsaid."""

    currency: str
    numbers: Numbers = field(default_factory=Numbers)


#: Where a value stands, and how it is read.
_Place = tuple[int, Column]


class Shape:
    """One format laid over one header. Raises ValueError when a column that it needs is not there."""

    def __init__(self, form: Format, header: Sequence[str], terms: Terms) -> None:
        self.form = form
        self._terms = terms
        self._at = {normal(name): place for place, name in reversed(list(enumerate(header)))}
        self._names = tuple(header)
        self._places = {
            name: (self._at[normal(column.column)], column)
            for name, column in form.columns().items()
            if normal(column.column) in self._at
        }
        self._shared = self._indexes("product.")
        self._sold = self._indexes("variant.", "product.currency")
        self._key = [self._at[normal(name)] for name in form.key if normal(name) in self._at]
        self._options = [
            (one, self._at[normal(value)], self._at.get(normal(name)) if name else None)
            for one in form.options
            for name, value in (one.columns,)
            if normal(value) in self._at
        ]
        self._kind = self._at.get(normal(form.kinds.column)) if form.kinds else None
        self._variant_if = [self._at[normal(name)] for name in form.variant_if if normal(name) in self._at]
        #: Whether every row is a product and a variant at once, as where no column tells them apart.
        self.uniform = self._kind is None and not form.skipped
        #: Whether every row says something of what is sold.
        self.all_sold = self.uniform and not self._variant_if
        self.has_options = bool(self._options)
        if "product.title" not in self._places:
            raise ValueError(f"the file has no column {form.columns()['product.title'].column!r} for the title")
        if not self._key:
            raise ValueError(f"the file has none of the columns {', '.join(form.key)}, which tell products apart")

    def _indexes(self, *prefixes: str) -> list[tuple[str, int]]:
        return [(name, place) for name, (place, _) in self._places.items() if name.startswith(prefixes)]

    def values(self, row: Row, *, sold: bool) -> dict[str, str]:
        """What a row says of what is sold, or else of the product; by field, without what is empty."""
        cells_, width = row.cells, len(row.cells)
        return {
            name: cell if cell[0] != "'" else text.unguarded(cell)
            for name, place in (self._sold if sold else self._shared)
            if place < width and (cell := cells_[place].strip(cells.PADDING))
        }

    def cell(self, row: Row, column: str) -> str:
        """A cell by its column's name; empty where there is none."""
        place = self._at.get(normal(column))
        return "" if place is None else self.cell_at(row, place)

    def cell_at(self, row: Row, place: int) -> str:
        """A cell by its place; empty where there is none."""
        if place >= len(row.cells):
            return ""
        found = row.cells[place].strip(cells.PADDING)
        return found if found[:1] != "'" else text.unguarded(found)

    def key(self, row: Row) -> str:
        """What the rows of one product have in common; empty: it belongs to the product above."""
        cells_, width = row.cells, len(row.cells)
        for place in self._key:
            if place < width and (found := cells_[place].strip(cells.PADDING)):
                return found if found[0] != "'" else text.unguarded(found)
        return ""

    def role(self, row: Row) -> str:
        """Whether the row is a product, a variant of one, both at once, or neither."""
        for column, values in self.form.skipped.items():
            if self.cell(row, column).casefold() in values:
                return SKIPPED
        if self._kind is None or self.form.kinds is None:
            return BOTH
        kind, kinds = self.cell_at(row, self._kind).casefold(), self.form.kinds
        if kind in kinds.product:
            return PRODUCT
        if kind in kinds.variant:
            return VARIANT
        if kind in kinds.extra:
            return EXTRA
        return SKIPPED if kind in kinds.skipped or "*" in kinds.skipped else BOTH

    def listing(self, key: str, rows: Sequence[Row], extra: Mapping[int, Mapping[str, str]] | None = None) -> Listing:
        """The product of these rows; `extra` holds options by line that another row states. Raises Refused."""
        draft = _Draft(self, key, rows, extra or {})
        return draft.listing()

    def deletes(self, rows: Sequence[Row]) -> bool:
        """Whether these rows say no more than that their product is gone."""
        title, status = self._places["product.title"][0], self._places.get("product.status")
        if status is None or len(rows) != 1 or self.cell_at(rows[0], title):
            return False
        return self.cell_at(rows[0], status[0]).casefold() == ListingStatus.DELETED

    @property
    def places(self) -> Mapping[str, _Place]:
        """Where each value stands."""
        return self._places

    @property
    def terms(self) -> Terms:
        """What the file leaves unsaid."""
        return self._terms

    def choices(self, row: Row, names: Sequence[str]) -> list[tuple[str, str]]:
        """The options of a row, by name; `names` are those that the product's first row gave."""
        found: list[tuple[str, str]] = []
        for number, (choice, place, name) in enumerate(self._options):
            value = self.cell_at(row, place)
            if not value:
                continue
            given = choice.fixed or ("" if name is None else self.cell_at(row, name))
            if choice.between:
                parted = zip(_split(given, choice) or names, _split(value, choice), strict=False)
                found += [(one, other) for one, other in parted if one and other]
            elif given or (number < len(names) and names[number]):
                found.append((given or names[number], value))
        none = self.form.no_option
        return [one for one in found if one[0] not in none or one[1] not in none] if none else found

    def option_names(self, row: Row) -> list[str]:
        """The names of the options as one row states them, by their place."""
        names: list[str] = []
        for choice, _, name in self._options:
            given = choice.fixed or ("" if name is None else self.cell_at(row, name))
            names += _split(given, choice) if choice.between else [given]
        return names

    def has_variant(self, row: Row) -> bool:
        """Whether the row says anything of what is sold; a row with another picture alone does not."""
        return not self._variant_if or any(self.cell_at(row, place) for place in self._variant_if)


def _split(value: str, choice: Choice) -> list[str]:
    return [one.strip() for one in value.split(choice.between) if one.strip()]


class _Draft:
    """A product in the making: collects what is wrong instead of stopping at the first."""

    def __init__(self, shape: Shape, key: str, rows: Sequence[Row], extra: Mapping[int, Mapping[str, str]]) -> None:
        self._shape = shape
        self._key = key
        self._rows = rows
        self._extra = extra
        self._errors: list[RowError] = []

    def listing(self) -> Listing:
        lead, sold = (self._rows[0], self._rows) if self._shape.all_sold else self._cast()
        names = self._shape.option_names(lead) if self._shape.has_options else ()
        variants = _told_apart([self._variant(row, place, names, len(sold)) for place, row in enumerate(sold)])
        listing = self._whole(lead, variants)
        self._check(listing, sold)
        if self._errors:
            raise Refused(self._errors)
        return listing

    def _cast(self) -> tuple[Row, Sequence[Row]]:
        """The row that speaks for the product, and those that are sold."""
        roles = [self._shape.role(row) for row in self._rows]
        lead = _lead(self._rows, roles)
        sold = [
            row
            for row, role in zip(self._rows, roles, strict=True)
            if role not in (PRODUCT, EXTRA) and (row is lead or self._shape.has_variant(row))
        ]
        return lead, sold or [lead]

    def _whole(self, lead: Row, variants: tuple[Variant, ...]) -> Listing:
        values = self._shape.values(lead, sold=False)
        markup = text.storable(values.get("product.description", ""))
        status = self._status(lead, values, "product.status")
        return Listing(
            external_id=self._key,
            title=cells.line(values.get("product.title", "")),
            status=status,
            platform_status=values.get("product.status", status.value),
            variants=variants,
            description_html=markup,
            description_text=text.from_html(markup),
            brand=cells.line(next(iter(self._list(values, "product.brand")), "")) or None,
            category_path=self._list(values, "product.category"),
            tags=self._list(values, "product.tags"),
            options=_options(variants) if self._shape.has_options or self._extra else (),
            images=self._images(),
            weight_kg=self._read(lead, values, "product.weight", cells.weight),
            condition=values.get("product.condition"),
            url=values.get("product.url"),
        )

    def _variant(self, row: Row, place: int, names: Sequence[str], count: int) -> Variant:
        values = self._shape.values(row, sold=True)
        chosen = self._shape.choices(row, names) if self._shape.has_options else []
        if self._extra:
            chosen += self._extra.get(row.line, {}).items()
        sku, barcode = values.get("variant.sku"), values.get("variant.barcode")
        sku = cells.line(sku) or None if sku is not None else None
        barcode = cells.line(barcode) if barcode is not None else None
        own_id, title = values.get("variant.id"), values.get("variant.title")
        for name, found in (("variant.id", own_id), ("variant.sku", sku), ("variant.barcode", barcode)):
            if found is not None and len(found) > _ID_LENGTH:
                column = self._shape.places[name][1].column
                self._wrong(row, CellError(column, values[name], f"this is longer than {_ID_LENGTH} characters"))
        return Variant(
            external_id=own_id or sku or (self._key if count == 1 else f"{self._key}:{place}"),
            sku=sku,
            barcode=barcode,
            title=cells.line(title) if title else None,
            option_values=tuple([OptionValue(cells.label(name), cells.label(value)) for name, value in chosen]),
            image_url=values.get("variant.image"),
            position=place,
            status=self._status(row, values, "variant.status") if "variant.status" in values else ListingStatus.ACTIVE,
            weight_kg=self._read(row, values, "variant.weight", cells.weight) if "variant.weight" in values else None,
            price=self._price(row, values),
            inventory=self._stock(row, values) if "variant.stock" in values else (),
        )

    def _price(self, row: Row, values: Mapping[str, str]) -> Price | None:
        current, regular, sale = [
            self._read(row, values, name, cells.amount) if name in values else None for name in _PRICES
        ]
        paid = sale if sale is not None else current if current is not None else regular
        if paid is None:
            return None
        shown = regular if regular is not None else current
        listed = paid if shown is None or shown < paid else shown
        return Price(self._currency(row, values), listed, paid, paid if paid < listed else None)

    def _currency(self, row: Row, values: Mapping[str, str]) -> str:
        for name in ("variant.currency", "product.currency"):
            cell = values.get(name)
            if cell:
                try:
                    return cells.currency(self._shape.places[name][1], cell)
                except CellError as error:
                    self._wrong(row, error)
        return self._shape.terms.currency

    def _stock(self, row: Row, values: Mapping[str, str]) -> tuple[Inventory, ...]:
        pieces = self._read(row, values, "variant.stock", cells.quantity)
        return () if pieces is None else (Inventory(pieces),)

    def _read(
        self, row: Row, values: Mapping[str, str], name: str, reader: Callable[[Column, str, Numbers], T | None]
    ) -> T | None:
        """A number of the row; None where there is none, or where it is wrong, which is noted."""
        cell = values.get(name)
        if cell is None:
            return None
        try:
            return reader(self._shape.places[name][1], cell, self._shape.terms.numbers)
        except CellError as error:
            self._wrong(row, error)
            return None

    def _status(self, row: Row, values: Mapping[str, str], name: str) -> ListingStatus:
        cell = values.get(name)
        if cell is None:
            return ListingStatus.ACTIVE
        try:
            return cells.status(self._shape.places[name][1], cell)
        except CellError as error:
            self._wrong(row, error)
            return ListingStatus.UNKNOWN

    def _list(self, values: Mapping[str, str], name: str) -> tuple[str, ...]:
        cell = values.get(name)
        return () if cell is None else cells.parts(self._shape.places[name][1], cell)

    def _images(self) -> tuple[Image, ...]:
        place = self._shape.places.get("product.images")
        if place is None:
            return ()
        if len(self._rows) == 1:
            only = cells.parts(place[1], self._shape.cell_at(self._rows[0], place[0]))
            return tuple([Image(url, position=number) for number, url in enumerate(only)])
        written = dict.fromkeys([self._shape.cell_at(row, place[0]) for row in self._rows])
        found = dict.fromkeys(url for cell in written if cell for url in cells.parts(place[1], cell))
        return tuple(Image(url, position=number) for number, url in enumerate(found))

    def _wrong(self, row: Row, error: CellError) -> None:
        self._errors.append(RowError(row.line, error.column, error.value, error.reason))

    def _check(self, listing: Listing, sold: Sequence[Row]) -> None:
        title = self._shape.places["product.title"][1].column
        if not listing.title:
            self._errors.append(RowError(self._rows[0].line, title, "", "the product has no title"))
        if len(listing.external_id) > _ID_LENGTH:
            self._errors.append(
                RowError(self._rows[0].line, "", listing.external_id[:200], "the product's id is too long")
            )
        if len(sold) == 1:
            return
        seen: dict[str, int] = {}
        for variant, row in zip(listing.variants, sold, strict=True):
            first = seen.setdefault(variant.external_id, row.line)
            if first != row.line:
                reason = f"the product already has this variant, in line {first}"
                self._errors.append(RowError(row.line, "", variant.external_id[:200], reason))


def _lead(rows: Sequence[Row], roles: Sequence[str]) -> Row:
    """The row that speaks for the product: its own, else the first that is more than a variant."""
    for wanted in ((PRODUCT,), (PRODUCT, BOTH)):
        for row, role in zip(rows, roles, strict=True):
            if role in wanted:
                return row
    return rows[0]


def _told_apart(variants: list[Variant]) -> tuple[Variant, ...]:
    """Variants that share a SKU and differ in their options have ids of both; lists mark the SKU as a duplicate."""
    if len({variant.external_id for variant in variants}) == len(variants):
        return tuple(variants)
    counts = Counter(variant.external_id for variant in variants)
    return tuple(
        msgspec.structs.replace(
            one, external_id="/".join((one.external_id, *(each.value for each in one.option_values)))
        )
        if counts[one.external_id] > 1
        else one
        for one in variants
    )


def _options(variants: Sequence[Variant]) -> tuple[Option, ...]:
    found: dict[str, dict[str, None]] = {}
    for variant in variants:
        for chosen in variant.option_values:
            found.setdefault(chosen.name, {})[chosen.value] = None
    return tuple([Option(name, tuple(values)) for name, values in found.items()])
