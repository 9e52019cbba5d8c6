"""Facts about sync runs."""

from typing import ClassVar

from isthmus.kit.events import Event


class SyncRequested(Event):
    """Somebody, or a schedule, asked for a run."""

    type: ClassVar[str] = "sync.requested"


class SyncCancelRequested(Event):
    """Somebody asked a run to stop."""

    type: ClassVar[str] = "sync.cancel_requested"


class SyncStarted(Event):
    """A worker took a run for the first time."""

    type: ClassVar[str] = "sync.started"
    public: ClassVar[bool] = True
    audited: ClassVar[bool] = False


class SyncCompleted(Event):
    """A run read everything it was to read."""

    type: ClassVar[str] = "sync.completed"
    public: ClassVar[bool] = True
    audited: ClassVar[bool] = False


class SyncFailed(Event):
    """A run ended with a failure that waiting does not cure."""

    type: ClassVar[str] = "sync.failed"
    public: ClassVar[bool] = True
    audited: ClassVar[bool] = False


class SyncParked(Event):
    """A run was set aside because it ended its worker again and again."""

    type: ClassVar[str] = "sync.parked"
    public: ClassVar[bool] = True
    audited: ClassVar[bool] = False


class SyncCancelled(Event):
    """A run stopped because it was asked to."""

    type: ClassVar[str] = "sync.cancelled"
    public: ClassVar[bool] = True
    audited: ClassVar[bool] = False


class WatermarkLost(Event):
    """It is no longer known how far a connection was read; the run reads everything instead."""

    type: ClassVar[str] = "sync.watermark_lost"
    public: ClassVar[bool] = True
    audited: ClassVar[bool] = False


EMITS: tuple[type[Event], ...] = (
    SyncRequested,
    SyncCancelRequested,
    SyncStarted,
    SyncCompleted,
    SyncFailed,
    SyncParked,
    SyncCancelled,
    WatermarkLost,
)
