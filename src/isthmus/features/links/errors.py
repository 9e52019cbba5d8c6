"""What can be wrong with links."""

from typing import ClassVar

from isthmus.kit.errors import Conflict, Invalid, NotFound


class NotLinkable(Conflict):
    """These listings cannot be one product.

    `details` names the reason: two variants of one connection under the same SKU are never merged, and a listing that
    is deleted sells nothing. Correct the SKUs in the shop, or link the listings by hand one by one.
    """

    code: ClassVar[str] = "LINK_NOT_POSSIBLE"


class NotLinked(NotFound):
    """This listing is linked with no other one.

    `GET /api/products/{id}` shows the listings of a product.
    """

    code: ClassVar[str] = "LINK_NOT_FOUND"


class InventoryChangedMeanwhile(Conflict):
    """The stock has changed since it was read, by somebody or by a sale; `details.etag` is the present tag.

    Read the stock again, and repeat the change with the tag of now if it still makes sense.
    """

    code: ClassVar[str] = "INVENTORY_CHANGED"


class BuffersChangedMeanwhile(Conflict):
    """What is kept back was changed by somebody else since it was read; `details.etag` is the present tag.

    Read the buffers again, and repeat the change with the tag of now if it still makes sense.
    """

    code: ClassVar[str] = "BUFFERS_CHANGED"


class WrongInventory(Invalid):
    """The stock cannot be set.

    The message names the item and what is wrong with it.
    """
