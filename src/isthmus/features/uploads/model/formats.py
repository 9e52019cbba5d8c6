"""What a file's columns mean: read from a provider's `upload.toml`, or from a mapping that a tenant saved.

A format names the columns of a kind of file; `recognised` finds the one whose columns are all there.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from isthmus.connect.strict import Strict

#: The id of a mapping that the configuration names: used where it fits, and not asked for by the file's sender.
CONFIGURED = "configured"


class Column(Strict, frozen=True):
    """One value of a product: its column, and how the cell is read.

    `split` parts a list; `values` translates (by lower-cased cell, `*` for every other one); `unit` is what a weight is
    given in; `each` keeps of each part only what follows this text.
    """

    column: str
    split: str = ""
    values: Mapping[str, str] = {}
    unit: Literal["", "g", "kg", "lb", "oz"] = ""
    each: str = ""


class Choice(Strict, frozen=True):
    """Columns of one option, such as size: where its name stands and where a row's value does.

    With `split` both cells hold several, in the same order. `fixed` is a name that the file does not state. In files
    whose records name their own values, every one that begins with one of `each` is an option, named by the rest.
    """

    value: str = ""
    name: str = ""
    fixed: str = ""
    split: str = ""
    each: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, str]:
        """The columns of names and values; of `each` the two that its columns are gathered in."""
        return (f"{self.each[0]}*names", f"{self.each[0]}*values") if self.each else (self.name, self.value)

    @property
    def between(self) -> str:
        """What parts several options in one cell."""
        return "\n" if self.each else self.split


class Kinds(Strict, frozen=True):
    """The column that says what a row is, and which of its values mean a product, one variant, or both at once.

    `extra` rows belong to a product as variants do and are not sold, such as its pictures.
    """

    column: str
    product: tuple[str, ...] = ()
    variant: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()


class Children(Strict, frozen=True):
    """A cell of the product's row that names its variants and their options: `sku=A,size=M|sku=B,size=L`."""

    column: str
    key: str
    between: str = "|"
    pairs: str = ","


class Format(Strict, frozen=True):
    """How the rows of one kind of file become products.

    `adjacent` rows of a product stand together: they share the value of `group`, or leave it empty. `scattered` ones
    stand anywhere: a variant names its product in `parent`, or the product names its variants in `children`.
    `id` lists the columns that may hold the product's id, the first filled one counts.
    """

    id: str
    name: str
    header: tuple[str, ...]
    key: tuple[str, ...]
    of: Literal["csv", "json", "xml", "any"] = "any"
    rows: Literal["adjacent", "scattered"] = "adjacent"
    kinds: Kinds | None = None
    #: Columns with values whose rows are passed over.
    skipped: Mapping[str, tuple[str, ...]] = {}
    parent: str = ""
    parent_prefix: str = ""
    children: Children | None = None
    variant_if: tuple[str, ...] = ()
    product: Mapping[str, Column | str] = {}
    variant: Mapping[str, Column | str] = {}
    options: tuple[Choice, ...] = ()
    #: Names and values of an option that means: there is none.
    no_option: tuple[str, ...] = ()

    def columns(self) -> dict[str, Column]:
        """Every value by `product.<name>` and `variant.<name>`."""
        both = (("product", self.product), ("variant", self.variant))
        return {f"{part}.{name}": _column(given) for part, fields in both for name, given in fields.items()}


class _Written(Strict, frozen=True):
    format: tuple[Format, ...]


PRODUCT_FIELDS = frozenset(
    {
        *("title", "description", "brand", "category", "tags", "images", "status", "url", "currency"),
        *("weight", "condition"),
    }
)
VARIANT_FIELDS = frozenset(
    {
        *("id", "title", "sku", "barcode", "price", "list_price", "sale_price", "stock", "weight", "image", "currency"),
        "status",
    }
)


def _column(given: Column | str) -> Column:
    return Column(column=given) if isinstance(given, str) else given


def written(content: bytes) -> tuple[Format, ...]:
    """The formats of an `upload.toml`. Raises ValueError for an unknown field or key."""
    try:
        found = msgspec.toml.decode(content, type=_Written).format
    except msgspec.MsgspecError as error:
        raise ValueError(f"upload.toml: {error}") from error
    for one in found:
        check(one)
    return found


def check(one: Format) -> None:
    """Refuse a format that could not be followed. Raises ValueError."""
    for part, fields, known in (("product", one.product, PRODUCT_FIELDS), ("variant", one.variant, VARIANT_FIELDS)):
        if unknown := set(fields) - known:
            raise ValueError(f"there is no {part} field {min(unknown)!r}; there are {', '.join(sorted(known))}")
    if "title" not in one.product:
        raise ValueError("a mapping names the column of the product's title")
    if not one.key:
        raise ValueError("a mapping names the column that tells one product from another")


def shipped(folders: Iterable[Path]) -> tuple[Format, ...]:
    """Our own template and the formats in the providers' folders."""
    files = [folder / "upload.toml" for folder in folders]
    found = [one for file in files if file.is_file() for one in written(file.read_bytes())]
    return (*written(Path(__file__).with_name("template.toml").read_bytes()), *found)


def normal(name: str) -> str:
    """A column's name as it is compared: without padding and case."""
    return " ".join(name.split()).casefold()


def recognised(header: Sequence[str], formats: Iterable[Format], of: str) -> Format | None:
    """The format for CSV, JSON or XML whose columns are all in the header; of several the one that asks for most."""
    names = {normal(name) for name in header}
    able = [one for one in formats if one.of in (of, "any")]
    fitting = [one for one in able if all(normal(name) in names for name in one.header)]
    return max(fitting, key=lambda one: len(one.header), default=None)


def fits(one: Format, header: Sequence[str]) -> bool:
    """Whether the header has the columns without which this format makes no product: a title, and one of its keys."""
    names = {normal(name) for name in header}
    title = one.columns()["product.title"].column
    return normal(title) in names and any(normal(name) in names for name in one.key)


#: Our own files of orders, by what their records are called in CSV and in JSON.
ORDERS: Format = Format(
    id="isthmus-orders",
    name="Orders, as the export writes them",
    header=("order_id", "line_id", "totals_grand_total"),
    key=("order_id",),
)
_ORDER_DOCUMENT = ("external_id", "totals.grand_total", "lines")


def of_orders(header: Sequence[str]) -> bool:
    """Whether these are the columns, or the names, of orders."""
    names = {normal(name) for name in header}
    return names.issuperset(ORDERS.header) or names.issuperset(_ORDER_DOCUMENT)


#: What shops call things; for a file that no format fits, a first guess that a person confirms.
_ALIASES: Mapping[str, tuple[str, ...]] = {
    "product.id": ("product id", "product_id", "item id", "handle", "slug", "id"),
    "product.title": ("title", "name", "product name", "product_name", "item name", "tên sản phẩm"),
    "product.description": ("description", "body", "body_html", "details", "mô tả"),
    "product.brand": ("brand", "vendor", "manufacturer", "thương hiệu"),
    "product.category": ("category", "categories", "product type", "type", "danh mục"),
    "product.images": ("image", "images", "image url", "image_url", "picture", "hình ảnh"),
    "variant.sku": ("sku", "seller sku", "item number", "stock code", "stockcode", "mã sản phẩm"),
    "variant.barcode": ("barcode", "ean", "upc", "gtin", "mã vạch"),
    "variant.price": ("price", "unit price", "unitprice", "selling price", "giá", "giá bán"),
    "variant.list_price": ("list price", "compare at price", "regular price", "msrp", "giá gốc"),
    "variant.stock": ("stock", "quantity", "qty", "inventory", "available", "tồn kho", "số lượng"),
}


def guessed(header: Sequence[str]) -> Format | None:
    """A mapping by the usual names of columns; None when no title, or nothing that tells products apart, is found."""
    there = {normal(name): name for name in header}
    found = {
        field: there[alias] for field, aliases in _ALIASES.items() for alias in reversed(aliases) if alias in there
    }
    key = found.get("product.id") or found.get("variant.sku")
    if "product.title" not in found or key is None:
        return None
    parts: dict[str, dict[str, Column | str]] = {"product": {}, "variant": {}}
    found.pop("product.id", None)
    for field, column in found.items():
        part, name = field.split(".")
        parts[part][name] = column
    return Format(
        id="guessed",
        name="By the names of its columns",
        header=(key, *found.values()),
        key=(key,),
        product=parts["product"],
        variant=parts["variant"],
    )
