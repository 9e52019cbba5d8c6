"""Facts about actions on orders."""

from collections.abc import Mapping
from typing import Any, ClassVar

from isthmus.kit.events import Event

_TEXT: Mapping[str, Any] = {"type": "string"}
_COUNT: Mapping[str, Any] = {"type": "integer", "minimum": 0}
_ACTION: Mapping[str, Any] = {
    **dict.fromkeys(("actionId", "orderId", "connectionId", "provider", "externalId", "number"), _TEXT),
    **dict.fromkeys(("action", "state"), _TEXT),
    "done": _COUNT,
    "failed": _COUNT,
    "items": {
        "type": "array",
        "items": {"type": "object", "properties": dict.fromkeys(("externalId", "result", "code", "reason"), _TEXT)},
    },
    "error": {"type": "object", "properties": {"code": _TEXT, "message": {"type": ["string", "null"]}}},
}


class ActionRequested(Event):
    """Somebody asked for something to be done with an order at its marketplace."""

    type: ClassVar[str] = "order.action_requested"


class ActionDone(Event):
    """The marketplace has done it; `items` name the lines of which it has not."""

    type: ClassVar[str] = "order.action_done"
    public: ClassVar[bool] = True
    data: ClassVar[Mapping[str, Any]] = _ACTION


class ActionRefused(Event):
    """It was not done: the marketplace said no, or could not be reached for too long."""

    type: ClassVar[str] = "order.action_refused"
    public: ClassVar[bool] = True
    data: ClassVar[Mapping[str, Any]] = _ACTION


class ActionUnsure(Event):
    """Nobody can tell whether it was done; a person has to look, and retries or dismisses it."""

    type: ClassVar[str] = "order.action_unsure"
    public: ClassVar[bool] = True
    data: ClassVar[Mapping[str, Any]] = _ACTION


class ActionCancelled(Event):
    """Somebody took it back before it was sent, or dismissed it; or its connection has ended."""

    type: ClassVar[str] = "order.action_cancelled"


class ActionRetried(Event):
    """Somebody had it done once more."""

    type: ClassVar[str] = "order.action_retried"


EMITS: tuple[type[Event], ...] = (
    ActionRequested,
    ActionDone,
    ActionRefused,
    ActionUnsure,
    ActionCancelled,
    ActionRetried,
)
