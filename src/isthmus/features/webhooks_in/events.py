"""Facts about inbound webhooks."""

from collections.abc import Mapping
from typing import Any, ClassVar

from isthmus.kit.events import Event

_TEXT: Mapping[str, Any] = {"type": "string"}


class SourceAdded(Event):
    """Somebody made an address for a provider's pushes."""

    type: ClassVar[str] = "webhook_source.added"


class SourceChanged(Event):
    """Somebody renamed, paused or resumed a source."""

    type: ClassVar[str] = "webhook_source.changed"


class SourceRotated(Event):
    """Somebody gave a source a new address or a new secret."""

    type: ClassVar[str] = "webhook_source.rotated"


class SourceRemoved(Event):
    """Somebody removed a source; its address answers nothing any more."""

    type: ClassVar[str] = "webhook_source.removed"


class DeliveryDied(Event):
    """A handler could not work a delivery off within its schedule."""

    type: ClassVar[str] = "webhook.dead"
    public: ClassVar[bool] = True
    audited: ClassVar[bool] = False
    data: ClassVar[Mapping[str, Any]] = {"handler": _TEXT, "reason": {"type": ["string", "null"]}}


class WebhookReceived(Event):
    """A platform pushed something that a handler forwards; `payload` is its body, or what was made of it."""

    type: ClassVar[str] = "webhook.received"
    public: ClassVar[bool] = True
    audited: ClassVar[bool] = False
    data: ClassVar[Mapping[str, Any]] = {
        **dict.fromkeys(("provider", "sourceId", "event", "topic", "object"), _TEXT),
        **{key: {"type": ["string", "null"]} for key in ("connectionId", "shardType")},
        "hops": {"type": "integer", "description": "How often it has passed through a forwarder like this one."},
        "simulated": {"type": "boolean", "description": "Sent by the simulator and not by the platform."},
        "replayed": {"type": "boolean", "description": "Worked off once more because somebody asked for it."},
        "payload": {},
        "payloadOmitted": {"type": "boolean", "description": "The body was too large to be forwarded whole."},
        "receivedAt": {"type": "string", "format": "date-time"},
        "occurredAt": {"type": ["string", "null"], "format": "date-time"},
    }


class LoopStopped(Event):
    """A message had passed through here so often that it was dropped: two forwarders send to each other."""

    type: ClassVar[str] = "webhook.loop_stopped"
    public: ClassVar[bool] = True
    audited: ClassVar[bool] = False
    data: ClassVar[Mapping[str, Any]] = {"hops": {"type": "integer"}, "sourceId": _TEXT}


class HandlerAdded(Event):
    """Somebody set up what is to happen with deliveries."""

    type: ClassVar[str] = "webhook_handler.added"


class HandlerChanged(Event):
    """Somebody changed, paused or resumed a handler."""

    type: ClassVar[str] = "webhook_handler.changed"


class HandlerRemoved(Event):
    """Somebody removed a handler; what it still had to do is dropped."""

    type: ClassVar[str] = "webhook_handler.removed"


_FUNCTION: Mapping[str, Any] = {
    "name": {"type": "string", "description": "What the service has named it.", "examples": ["on_order"]}
}


class FunctionAdded(Event):
    """A service registered a function for what is pushed, for the first time or once more after it was retired."""

    type: ClassVar[str] = "webhook_function.added"


class FunctionChanged(Event):
    """A service registered a function for other events than before; it is called for those of `pattern` alone now.

    `contested` says that a running process still has it for those of `previous`. Where that is no older version of the
    same service, give one of the two functions another name: what fits only the previous pattern comes to none.
    """

    type: ClassVar[str] = "webhook_function.changed"
    public: ClassVar[bool] = True
    data: ClassVar[Mapping[str, Any]] = {
        **_FUNCTION,
        "pattern": {"type": "string", "description": "What it is called for.", "examples": ["order.*"]},
        "previous": {"type": "string", "description": "What it was called for before.", "examples": ["order.created"]},
        "contested": {
            "type": "boolean",
            "description": "Whether a running process has it for that.",
            "examples": [True],
        },
    }


class FunctionMissed(Event):
    """No running process has a function that a service registered: what comes in for it waits.

    Start the service, or retire the function.
    """

    type: ClassVar[str] = "webhook_function.missed"
    public: ClassVar[bool] = True
    audited: ClassVar[bool] = False
    data: ClassVar[Mapping[str, Any]] = _FUNCTION


class FunctionBack(Event):
    """A running process has the function again that nobody had."""

    type: ClassVar[str] = "webhook_function.back"
    public: ClassVar[bool] = True
    audited: ClassVar[bool] = False
    data: ClassVar[Mapping[str, Any]] = _FUNCTION


class FunctionRetired(Event):
    """A function is planned for no more, and what waited for it is dropped.

    Somebody retired it, or nobody had it for as long as deliveries are kept.
    """

    type: ClassVar[str] = "webhook_function.retired"
    public: ClassVar[bool] = True
    data: ClassVar[Mapping[str, Any]] = _FUNCTION


class SubscriptionMade(Event):
    """A platform was asked to push to us, or asked again because it had stopped; `repaired` says which."""

    type: ClassVar[str] = "webhook_subscription.made"
    audited: ClassVar[bool] = False


class SubscriptionFailed(Event):
    """A platform could not be asked whether it still pushes to us; it is asked again."""

    type: ClassVar[str] = "webhook_subscription.failed"
    audited: ClassVar[bool] = False


class SubscriptionRemoved(Event):
    """The last connection of an app has ended, so nothing is asked for any more."""

    type: ClassVar[str] = "webhook_subscription.removed"
    audited: ClassVar[bool] = False


class DeliveryRetried(Event):
    """Somebody asked to work a delivery off once more."""

    type: ClassVar[str] = "webhook.retried"


class ReplayRequested(Event):
    """Somebody asked to work many deliveries off once more."""

    type: ClassVar[str] = "webhook_replay.requested"


class ReplayCancelled(Event):
    """Somebody stopped a replay."""

    type: ClassVar[str] = "webhook_replay.cancelled"


class DataRequested(Event):
    """A person wants to know what a shop keeps of them; the orders that are kept here can be read by their ids."""

    type: ClassVar[str] = "privacy.data_requested"
    public: ClassVar[bool] = True
    data: ClassVar[Mapping[str, Any]] = {
        **dict.fromkeys(("provider", "connectionId", "customer"), _TEXT),
        "customerId": {"type": ["string", "null"]},
        "orderIds": {"type": "array", "items": _TEXT},
        "requestedOrders": {"type": "array", "items": _TEXT},
    }


class DataErased(Event):
    """A platform wanted a person, or a whole shop, to be forgotten, and that was done. `what` is customer or shop."""

    type: ClassVar[str] = "privacy.erased"
    public: ClassVar[bool] = True
    data: ClassVar[Mapping[str, Any]] = {
        **dict.fromkeys(("provider", "connectionId", "what", "customer"), _TEXT),
        "orders": {"type": "integer", "description": "Orders of which something was erased; 0 for a shop."},
    }


class Simulated(Event):
    """Somebody sent a sample through a source."""

    type: ClassVar[str] = "webhook.simulated"


EMITS: tuple[type[Event], ...] = (
    SourceAdded,
    SourceChanged,
    SourceRotated,
    SourceRemoved,
    WebhookReceived,
    LoopStopped,
    HandlerAdded,
    HandlerChanged,
    HandlerRemoved,
    FunctionAdded,
    FunctionChanged,
    FunctionMissed,
    FunctionBack,
    FunctionRetired,
    SubscriptionMade,
    SubscriptionFailed,
    SubscriptionRemoved,
    DeliveryDied,
    DeliveryRetried,
    ReplayRequested,
    ReplayCancelled,
    DataRequested,
    DataErased,
    Simulated,
)
