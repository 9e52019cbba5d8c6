"""A repeatable, realistically dirty catalogue: product `i` of a seed is always the same, drawn without the others."""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from functools import lru_cache

from isthmus.sandbox.catalogue import words
from isthmus.sandbox.catalogue.model import CatalogueProduct, CatalogueVariant, Status
from isthmus.sandbox.dice import Dice

_STATES: tuple[Status, ...] = ("active",) * 45 + ("inactive",) * 3 + ("review", "banned")
#: How many values the first and the second option have; (0, 0) is a simple product.
_SHAPES = ((0, 0),) * 9 + ((2, 0), (3, 0), (2, 2), (3, 2), (4, 3))


def generate(seed: int, count: int) -> Iterator[CatalogueProduct]:
    """The first `count` products of a seed."""
    source = Drawn(seed, count)
    return (source.product(index) for index in range(count))


class Drawn:
    """A source that draws each product when it is asked for; the last few hundred are kept."""

    def __init__(self, seed: int, count: int) -> None:
        self._seed = seed
        self.count = count
        self.product = lru_cache(maxsize=256)(self._product)

    def shape(self, index: int) -> tuple[Status, int]:
        """State and number of variants of a product; the same two draws open `_product`."""
        dice = Dice(self._seed, index)
        status, (first, second) = dice.pick(_STATES), dice.pick(_SHAPES)
        return status, max(1, first) * max(1, second)

    def _product(self, index: int) -> CatalogueProduct:
        dice = Dice(self._seed, index)
        status, (first, second) = dice.pick(_STATES), dice.pick(_SHAPES)
        family = dice.pick(words.FAMILIES)
        brand = dice.pick(words.BRANDS)
        shared = index > 0 and dice.chance(4)
        sku = f"{family.code}-{index:05d}"
        images = tuple(f"https://img.example/{self._seed}/{index}/{n}.jpg" for n in range(dice.below(4)))
        product = CatalogueProduct(
            title=_title(dice, family, brand, index),
            variants=tuple(_variants(dice, family, sku, first, second)),
            sku=None if dice.chance(5) else sku,
            description=_description(dice, family),
            brand=None if dice.chance(20) else brand,
            category=family.category,
            images=images,
            option_names=family.option_names[: (first > 0) + (second > 0)],
            weight=Decimal(dice.between(5, 500)) / 100,
            status=status,
        )
        return _sharing(product, self.product(index - 1)) if shared else product


def _sharing(product: CatalogueProduct, neighbour: CatalogueProduct) -> CatalogueProduct:
    """The product with SKUs that already stand on its neighbour, as after a careless copy."""
    first = replace(product.variants[0], sku=neighbour.variants[0].sku)
    return replace(product, sku=neighbour.sku, variants=(first, *product.variants[1:]), shared_sku=True)


def _title(dice: Dice, family: words.Family, brand: str, index: int) -> str:
    noun = family.english if dice.chance(30) else family.vietnamese
    title = f"{noun} {dice.pick(words.QUALITIES)} {brand} {index}"
    roll = dice.below(100)
    if roll < 6:
        return f"{dice.pick(words.EMOJI)} {title} {dice.pick(words.EMOJI)}"
    if roll < 10:
        return f"{title} - {' '.join([dice.pick(words.QUALITIES) for _ in range(40)])}"
    if roll < 13:
        return f"  {title.upper()}   (Freeship &amp; quà tặng)"
    return title


def _description(dice: Dice, family: words.Family) -> str:
    sentences = [dice.pick(words.SENTENCES).format(noun=family.vietnamese.lower()) for _ in range(dice.between(1, 5))]
    roll = dice.below(10)
    if roll == 0:
        return ""
    if roll < 6:
        items = "".join([f"<li>{sentence}</li>" for sentence in sentences])
        return f'<h2 style="color:red">{family.vietnamese} &ndash; {family.english}</h2><ul>{items}</ul><p>&nbsp;</p>'
    if roll < 7:
        return f"<p>{' '.join(sentences)}<br><b>Chưa đóng thẻ"
    return "\n".join(sentences)


def _variants(dice: Dice, family: words.Family, sku: str, first: int, second: int) -> Iterator[CatalogueVariant]:
    base = dice.between(19, 1990) * 1000
    missing = dice.chance(6)
    sale = dice.chance(25)
    for one in range(max(1, first)):
        for two in range(max(1, second)):
            names = [family.options[0][one]] if first else []
            names += [family.options[1][two]] if second else []
            suffix = "".join([f"-{words.short(name)}" for name in names])
            price = Decimal(base + two * 10_000 - (1 if dice.chance(10) else 0))
            yield CatalogueVariant(
                sku=None if missing else sku + suffix,
                price=price,
                sale_price=(price * dice.between(60, 95) / 100).quantize(Decimal(1)) if sale else None,
                stock=0 if dice.chance(15) else dice.between(1, 400),
                options=tuple(names),
                image=f"https://img.example/v/{sku}{suffix}.jpg" if names and dice.chance(50) else None,
                barcode=dice.digits(13) if dice.chance(40) else None,
            )
