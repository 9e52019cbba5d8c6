"""Facts about inbound webhooks."""

from typing import ClassVar

from isthmus.kit.events import Event


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
    """A delivery could not be worked off within its schedule."""

    type: ClassVar[str] = "webhook.dead"
    public: ClassVar[bool] = True
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


class Simulated(Event):
    """Somebody sent a sample through a source."""

    type: ClassVar[str] = "webhook.simulated"


EMITS: tuple[type[Event], ...] = (
    SourceAdded,
    SourceChanged,
    SourceRotated,
    SourceRemoved,
    DeliveryDied,
    DeliveryRetried,
    ReplayRequested,
    ReplayCancelled,
    Simulated,
)
