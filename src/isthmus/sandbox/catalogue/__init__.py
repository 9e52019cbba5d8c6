"""What the emulated shops sell: drawn from a seed, or read from a file that a real shop exported."""

from isthmus.sandbox.catalogue.generator import Drawn, generate
from isthmus.sandbox.catalogue.model import (
    CatalogueProduct,
    CatalogueVariant,
    Listed,
    Source,
    Status,
    converted,
    edited,
    folded,
    in_currency,
)
from isthmus.sandbox.catalogue.reader import CatalogueUnreadable, read_csv

__all__ = [
    "CatalogueProduct",
    "CatalogueUnreadable",
    "CatalogueVariant",
    "Drawn",
    "Listed",
    "Source",
    "Status",
    "converted",
    "edited",
    "folded",
    "generate",
    "in_currency",
    "read_csv",
]
