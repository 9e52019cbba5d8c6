"""Facts about orders; written by sync runs, public, and without anything personal."""

from collections.abc import Mapping
from typing import Any, ClassVar

from isthmus.kit.events import Event

_TEXT: Mapping[str, Any] = {"type": "string"}
_ORDER: Mapping[str, Any] = {
    **dict.fromkeys(("id", "connectionId", "provider", "externalId", "number", "status", "platformStatus"), _TEXT),
    **dict.fromkeys(("currency", "grandTotal"), _TEXT),
    "placedAt": {"type": "string", "format": "date-time"},
}


class OrderCreated(Event):
    """An order was seen for the first time."""

    type: ClassVar[str] = "order.created"
    public: ClassVar[bool] = True
    audited: ClassVar[bool] = False
    data: ClassVar[Mapping[str, Any]] = _ORDER


class OrderUpdated(Event):
    """An order's content changed."""

    type: ClassVar[str] = "order.updated"
    public: ClassVar[bool] = True
    audited: ClassVar[bool] = False
    data: ClassVar[Mapping[str, Any]] = _ORDER


class OrderStatusChanged(Event):
    """An order moved from one state to another."""

    type: ClassVar[str] = "order.status_changed"
    public: ClassVar[bool] = True
    audited: ClassVar[bool] = False
    data: ClassVar[Mapping[str, Any]] = {**_ORDER, "previousStatus": _TEXT}


class OrderStatusUnknown(Event):
    """A platform uses a status that is not known here; told once for each. The order is kept with the word as it is."""

    type: ClassVar[str] = "order.status_unknown"
    audited: ClassVar[bool] = False


class CustomerRedacted(Event):
    """A customer's personal data was erased: their time was up, or somebody asked for it."""

    type: ClassVar[str] = "customer.redacted"
    public: ClassVar[bool] = True
    data: ClassVar[Mapping[str, Any]] = dict.fromkeys(("connectionId", "provider", "externalId"), _TEXT)


class OrdersRedacted(Event):
    """Nothing personal is kept any more of some orders of a connection, because their persons were erased."""

    type: ClassVar[str] = "orders.redacted"


class PersonLookedUp(Event):
    """Somebody asked for everything that is kept of a person."""

    type: ClassVar[str] = "customers.person_looked_up"


EMITS: tuple[type[Event], ...] = (
    OrderCreated,
    OrderUpdated,
    OrderStatusChanged,
    OrderStatusUnknown,
    CustomerRedacted,
    OrdersRedacted,
    PersonLookedUp,
)
