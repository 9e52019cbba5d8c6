"""Facts about endpoints and deliveries; no secret and no header value is ever in one."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from isthmus.kit.events import Event

_REASON: Mapping[str, Any] = {
    "url": {"type": "string"},
    "reason": {"type": "string"},
    "failures": {"type": "integer"},
    "failingSince": {"type": ["string", "null"], "format": "date-time"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointCreated(Event):
    """An endpoint was made; `verified` is false while its ping is unanswered, `overridden` when none was wanted."""

    type: ClassVar[str] = "webhook.endpoint_created"


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointVerified(Event):
    """An endpoint answered its ping: from now on it gets messages."""

    type: ClassVar[str] = "webhook.endpoint_verified"


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointChanged(Event):
    """An endpoint was changed, paused or activated."""

    type: ClassVar[str] = "webhook.endpoint_changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointDeleted(Event):
    """An endpoint was deleted with its deliveries."""

    type: ClassVar[str] = "webhook.endpoint_deleted"


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretRotated(Event):
    """An endpoint got a new secret; the old one signs beside it until the overlap ends."""

    type: ClassVar[str] = "webhook.secret_rotated"


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointFailing(Event):
    """An endpoint is parked: it gets one delivery at a time, and is disabled if it goes on failing."""

    type: ClassVar[str] = "webhook.endpoint_failing"
    public: ClassVar[bool] = True
    audited: ClassVar[bool] = False
    data: ClassVar[Mapping[str, Any]] = {**_REASON, "disabledAt": {"type": "string", "format": "date-time"}}


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointDisabled(Event):
    """An endpoint is disabled; what it misses can be recovered once it is active again."""

    type: ClassVar[str] = "webhook.endpoint_disabled"
    public: ClassVar[bool] = True
    data: ClassVar[Mapping[str, Any]] = _REASON


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointPaused(Event):
    """An endpoint was paused without its owner's doing; what is for it waits until somebody activates it."""

    type: ClassVar[str] = "webhook.endpoint_paused"
    public: ClassVar[bool] = True
    data: ClassVar[Mapping[str, Any]] = {
        "url": {"type": "string"},
        "reason": {"type": "string", "enum": ["maker_left", "tenant_suspended"]},
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointRecovered(Event):
    """An endpoint that was parked answers again."""

    type: ClassVar[str] = "webhook.endpoint_recovered"
    public: ClassVar[bool] = True
    audited: ClassVar[bool] = False
    data: ClassVar[Mapping[str, Any]] = {"url": {"type": "string"}}


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryRetried(Event):
    """Somebody asked for one more attempt of a delivery."""

    type: ClassVar[str] = "webhook.delivery_retried"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryStarted(Event):
    """Somebody asked for everything that an endpoint missed in a time."""

    type: ClassVar[str] = "webhook.recovery_started"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryCancelled(Event):
    """Somebody stopped a recovery; what it had found by then is sent."""

    type: ClassVar[str] = "webhook.recovery_cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class EventTypeRegistered(Event):
    """A tenant registered an event type of its own."""

    type: ClassVar[str] = "webhook.event_type_registered"


@dataclass(frozen=True, slots=True, kw_only=True)
class EventTypeRemoved(Event):
    """A tenant's own event type was removed."""

    type: ClassVar[str] = "webhook.event_type_removed"


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionChanged(Event):
    """A tenant chose for how many days its deliveries and its events are kept."""

    type: ClassVar[str] = "webhook.retention_changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class EventPublished(Event):
    """A tenant's own event; its public type and data stand in the body."""

    type: ClassVar[str] = "webhook.event_published"
    public: ClassVar[bool] = True
    audited: ClassVar[bool] = False


EMITS: tuple[type[Event], ...] = (
    EndpointCreated,
    EndpointVerified,
    EndpointChanged,
    EndpointDeleted,
    SecretRotated,
    EndpointFailing,
    EndpointDisabled,
    EndpointPaused,
    EndpointRecovered,
    DeliveryRetried,
    RecoveryStarted,
    RecoveryCancelled,
    EventTypeRegistered,
    EventTypeRemoved,
    RetentionChanged,
    EventPublished,
)
