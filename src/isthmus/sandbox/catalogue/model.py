"""A product as a merchant keeps it, before any platform gives it its own form."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_UP, Decimal
from typing import Literal, Protocol, get_args

from isthmus.kit.errors import Invalid
from isthmus.kit.money import WHOLE_CURRENCIES, decimal, quantity

Status = Literal["active", "inactive", "review", "banned", "deleted"]

#: VND for one unit, fixed so that a catalogue looks the same on every run.
_RATES = {"VND": "1", "USD": "25000", "SGD": "19000", "MYR": "5700", "THB": "720", "PHP": "440", "IDR": "1.6"}
_IN_VND = {code: Decimal(rate) for code, rate in _RATES.items()}


@dataclass(frozen=True, slots=True)
class CatalogueVariant:
    """One thing that can be bought; `options` follow the product's `option_names`."""

    sku: str | None
    price: Decimal
    sale_price: Decimal | None = None
    stock: int = 0
    options: tuple[str, ...] = ()
    image: str | None = None
    barcode: str | None = None
    #: What can be sold at each of the seller's warehouses, in their order; nothing where it is spread evenly.
    places: tuple[int, ...] = ()
    #: When the lower price begins and ends, in seconds since 1970, where a seller has said so.
    sale_from: int | None = None
    sale_to: int | None = None

    def spread(self, warehouses: int) -> tuple[int, ...]:
        """What can be sold at each of so many warehouses; what cannot be shared evenly lies at the first."""
        if len(self.places) == warehouses:
            return self.places
        share, rest = divmod(self.stock, max(1, warehouses))
        return (share + rest, *[share] * (warehouses - 1))


@dataclass(frozen=True, slots=True)
class CatalogueProduct:
    """A product with at least one variant; a simple product has one without options."""

    title: str
    variants: tuple[CatalogueVariant, ...]
    sku: str | None = None
    description: str = ""
    brand: str | None = None
    category: str = "Other"
    images: tuple[str, ...] = ()
    option_names: tuple[str, ...] = ()
    weight: Decimal = Decimal("0.5")
    status: Status = "active"
    currency: str = "VND"
    #: The SKUs of this product also stand on another one.
    shared_sku: bool = False
    #: The seller has written a description of plain text, where the platform drew one of another kind.
    plain: bool = False


class Source(Protocol):
    """Products by number, drawn one at a time."""

    @property
    def count(self) -> int:
        """How many there are."""
        ...

    def product(self, index: int) -> CatalogueProduct:
        """The product at `index`."""
        ...

    def shape(self, index: int) -> tuple[Status, int]:
        """Its state and how many variants it has, cheaply."""
        ...


class Listed:
    """A source over products that are already there."""

    def __init__(self, products: Sequence[CatalogueProduct]) -> None:
        self._products = products

    @property
    def count(self) -> int:
        return len(self._products)

    def product(self, index: int) -> CatalogueProduct:
        return self._products[index]

    def shape(self, index: int) -> tuple[Status, int]:
        product = self._products[index]
        return product.status, len(product.variants)


def in_currency(amount: Decimal, source: str, target: str) -> Decimal:
    """An amount in another currency at the fixed rates of the sandbox, rounded to the money that is in use."""
    if source != target:
        amount = amount * _IN_VND.get(source, Decimal(1)) / _IN_VND.get(target, Decimal(1))
    return amount.quantize(Decimal(1) if target in WHOLE_CURRENCIES else Decimal("0.01"), ROUND_HALF_UP)


def converted(product: CatalogueProduct, currency: str) -> CatalogueProduct:
    """The same product with its prices in another currency, as the sandboxes show them."""
    if product.currency == currency:
        return product

    def amount(value: Decimal) -> Decimal:
        return in_currency(value, product.currency, currency)

    variants = [
        replace(v, price=amount(v.price), sale_price=None if v.sale_price is None else amount(v.sale_price))
        for v in product.variants
    ]
    return replace(product, currency=currency, variants=tuple(variants))


def folded(product: CatalogueProduct) -> CatalogueProduct:
    """The same product with at most two options: a third is written behind the second, as sellers do."""
    if len(product.option_names) <= 2:
        return product
    names = (product.option_names[0], " / ".join(product.option_names[1:]))
    variants = [replace(v, options=(v.options[0], " / ".join(v.options[1:]))) for v in product.variants]
    return replace(product, option_names=names, variants=tuple(variants))


_TEXTS = frozenset({"title", "description", "brand", "category"})
_OF_VARIANT = frozenset({"sku", "price", "sale_price", "stock"})


def edited(product: CatalogueProduct, changes: Mapping[str, object]) -> CatalogueProduct:
    """A product after an edit.

    `title`, `description`, `brand`, `category` and `status` belong to the product; `sku`, `price`, `sale_price` and
    `stock` to its variants: to all, or to the one at the index `variant`. Raises `Invalid` for anything else.
    """
    for name, value in changes.items():
        if name in _TEXTS and isinstance(value, str):
            product = replace(product, **{name: value})  # type: ignore[arg-type]  # mypy cannot see that name is one of _TEXTS
        elif name == "status" and value in get_args(Status):
            product = replace(product, status=value)  # type: ignore[arg-type]  # checked the line above
        elif name not in _OF_VARIANT and name != "variant":
            raise Invalid.field(name, "no such property of a product, or not a value for it")
    of_variant = {name: value for name, value in changes.items() if name in _OF_VARIANT}
    if not of_variant:
        return product
    only = changes.get("variant")
    variants = [
        _edited_variant(variant, of_variant) if only is None or only == number else variant
        for number, variant in enumerate(product.variants)
    ]
    return replace(product, variants=tuple(variants))


def _edited_variant(variant: CatalogueVariant, changes: Mapping[str, object]) -> CatalogueVariant:
    sku, sale = changes.get("sku", variant.sku), changes.get("sale_price", variant.sale_price)
    try:
        return replace(
            variant,
            sku=None if sku is None else str(sku),
            price=decimal(changes.get("price", variant.price)),
            sale_price=None if sale is None else decimal(sale),
            stock=quantity(changes.get("stock", variant.stock)),
            places=() if "stock" in changes else variant.places,
        )
    except ValueError as error:
        raise Invalid.field("price, sale_price or stock", str(error)) from error
