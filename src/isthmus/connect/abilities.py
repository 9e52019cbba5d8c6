"""What a manifest says of writing: fields of listings that can be changed, and what can be done with orders."""

from enum import StrEnum
from typing import Literal

from isthmus.connect.strict import Strict


class EditField(StrEnum):
    """What can be changed at a marketplace. Money and stock belong to a variant, the rest to the listing."""

    #: The regular price, or the only one; which canonical price that is, is a fact of the manifest.
    PRICE = "price"
    #: What is asked for just now beside the regular price; None takes it away.
    SALE_PRICE = "salePrice"
    #: What can still be sold (marketplaces.md 9.1), at one location where there are several.
    STOCK = "stock"
    TITLE = "title"
    #: HTML; a platform of plain text gets it as text.
    DESCRIPTION = "description"
    #: Whether buyers can see the listing.
    PUBLISHED = "published"


#: The setting by which a merchant names the location that holds the rest of a shared stock, where a shop has several.
STOCK_LOCATION = "stock_location"
#: Fields of a variant; the others are of the whole listing.
OF_VARIANT = frozenset({EditField.PRICE, EditField.SALE_PRICE, EditField.STOCK})


class Writing(Strict, frozen=True):
    """What a manifest says of writing: the fields, and whether `price` is the list price or the current one.

    `description = "text"`: the platform keeps plain text, and markup is lost on the way there.
    """

    fields: tuple[EditField, ...]
    price: Literal["list", "current"] = "list"
    description: Literal["html", "text"] = "html"


class ActionKind(StrEnum):
    """What can be done with an order (marketplaces.md 2.6, 3.6, 4.5, 6.6, 7.4)."""

    #: The seller has the goods and will send them.
    CONFIRM = "confirm"
    #: Arrange the parcel: carrier, package number, tracking number.
    PACK = "pack"
    #: The parcel waits for its carrier.
    READY_TO_SHIP = "ready_to_ship"
    #: The seller sent it with a carrier of their own: tell the number.
    TRACK = "track"
    #: A delivery by the seller themselves has ended.
    DELIVERED = "delivered"
    CANCEL = "cancel"
    #: Answer a buyer who wants to cancel.
    ACCEPT_CANCELLATION = "accept_cancellation"
    REJECT_CANCELLATION = "reject_cancellation"


#: Details that an action may bear where the manifest names none of its own.
USUAL_DETAILS = ("carrier", "trackingNumber", "pickupTime", "warehouse")


class Acting(Strict, frozen=True):
    """What a manifest says of acting on orders: the kinds, and the reasons that a cancellation must name, if any.

    `details` names what an action may say beside its lines, by its kind; a kind that is not in it takes none. Without
    the table every kind takes the usual ones.
    """

    kinds: tuple[ActionKind, ...]
    cancel_reasons: tuple[str, ...] = ()
    details: dict[ActionKind, tuple[str, ...]] | None = None

    def details_of(self, kind: ActionKind) -> tuple[str, ...]:
        """The details that an action of this kind may bear."""
        return USUAL_DETAILS if self.details is None else self.details.get(kind, ())
