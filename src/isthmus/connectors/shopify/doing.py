"""What can be done with an order of Shopify, whichever way it is told, and when it makes no sense (pure; 6.6)."""

from collections.abc import Iterable

from isthmus.connect.acting import Action, ActionKind, WrongDetail, units
from isthmus.connect.reading import Loose
from isthmus.connect.shapes import FulfilmentStatus, Order, OrderStatus
from isthmus.connect.writing import Outcome, Result

_GONE = frozenset({FulfilmentStatus.FULFILLED, FulfilmentStatus.DELIVERED, FulfilmentStatus.RETURNED})
_ANSWERS = {"": True, "true": True, "false": False}
_TRACKING = {"trackingNumber": "number", "carrier": "company", "trackingUrl": "url"}


def check(action: Action) -> str:
    """Why it would not be allowed; empty where it would. Raises WrongDetail."""
    order = action.order
    if action.kind not in {ActionKind.TRACK, ActionKind.CANCEL}:
        return f"Shopify has no action {action.kind.value}."
    if order.status is OrderStatus.CANCELLED:
        return "The order is cancelled."
    if action.kind is ActionKind.TRACK:
        return _check_parcel(action)
    if order.shipments or order.fulfilment_status in _GONE:
        return "A part of the order has been sent."
    if action.lines:
        raise WrongDetail("lines", "Shopify cancels orders as a whole; leave the lines out.")
    if action.details.get("refund", "") not in _ANSWERS:
        raise WrongDetail("refund", "Whether the buyer is paid back is said by true or false.")
    return ""


def _check_parcel(action: Action) -> str:
    if action.order.fulfilment_status in _GONE:
        return "Everything in the order has been sent."
    if not action.details.get("trackingNumber"):
        raise WrongDetail("trackingNumber", "A tracking number is missing.")
    if len(units(action)) < len(set(action.lines)):
        raise WrongDetail("lines", "The order has no such line.")
    return ""


def refunds(action: Action) -> bool:
    """Whether the buyer of a cancelled order is paid back: unless somebody says no."""
    return _ANSWERS[action.details.get("refund", "")]


def tracking(action: Action) -> dict[str, str]:
    """What is told of a parcel, as both interfaces name it."""
    return {_TRACKING[name]: value for name, value in action.details.items() if name in _TRACKING and value}


def bears(action: Action, numbers: Iterable[Loose]) -> bool:
    """Whether a parcel bears the number already: then it is not told again."""
    number = action.details.get("trackingNumber")
    return bool(number) and number in {str(one) for one in numbers}


def nothing_left(action: Action) -> Outcome:
    """The refusal of a parcel in which nothing would be."""
    return Outcome(action.key, Result.REFUSED, "nothing_left", "Nothing of this is left to be sent.")


def shows(action: Action, order: Order) -> bool | None:
    """Whether a parcel bears the number, or the order is cancelled."""
    if action.kind is ActionKind.CANCEL:
        return order.status is OrderStatus.CANCELLED
    return bears(action, (parcel.tracking_number for parcel in order.shipments))
