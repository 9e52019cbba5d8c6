"""Facts about products that several shops sell."""

from collections.abc import Mapping
from typing import Any, ClassVar

from isthmus.kit.events import Event

_TEXT: Mapping[str, Any] = {"type": "string"}


class ProductLinked(Event):
    """Listings were made one product."""

    type: ClassVar[str] = "product.linked"
    public: ClassVar[bool] = True
    data: ClassVar[Mapping[str, Any]] = {"productId": _TEXT, "listings": {"type": "array", "items": _TEXT}}


class VariantsLinked(Event):
    """New variants of linked listings were linked with what they are in the other shops, or on their own."""

    type: ClassVar[str] = "product.variants_linked"
    public: ClassVar[bool] = True
    data: ClassVar[Mapping[str, Any]] = {
        "productId": _TEXT,
        "variants": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"listingId": _TEXT, "variant": _TEXT, "itemId": _TEXT, "how": _TEXT},
            },
        },
    }


class ProductUnlinked(Event):
    """A listing was made a product of its own again."""

    type: ClassVar[str] = "product.unlinked"
    public: ClassVar[bool] = True
    data: ClassVar[Mapping[str, Any]] = {"productId": _TEXT, "listingId": _TEXT}


class InventorySet(Event):
    """Somebody said what there is to sell."""

    type: ClassVar[str] = "inventory.set"


class InventoryChanged(Event):
    """What there is to sell has changed, because a shop sold or took back some of it, or somebody said so."""

    type: ClassVar[str] = "inventory.changed"
    public: ClassVar[bool] = True
    audited: ClassVar[bool] = False
    data: ClassVar[Mapping[str, Any]] = {
        "productId": _TEXT,
        "itemId": _TEXT,
        "sku": {"type": ["string", "null"]},
        "stock": {"type": ["integer", "null"]},
    }


class BuffersSet(Event):
    """Somebody set how much of the stock a connection does not show."""

    type: ClassVar[str] = "inventory.buffer_set"


EMITS = (ProductLinked, VariantsLinked, ProductUnlinked, InventorySet, InventoryChanged, BuffersSet)
