"""Facts about sync runs."""

from collections.abc import Mapping
from typing import Any, ClassVar

from isthmus.kit.events import Event

_TEXT: Mapping[str, Any] = {"type": "string"}
_COUNT: Mapping[str, Any] = {"type": "integer", "minimum": 0}
_RUN: Mapping[str, Any] = {
    **dict.fromkeys(("runId", "connectionId", "provider", "entity", "mode", "state"), _TEXT),
    **dict.fromkeys(("pages", "records", "listings", "variants", "created", "updated", "unchanged", "failed"), _COUNT),
    "error": {"type": "object", "properties": {"code": _TEXT, "message": {"type": ["string", "null"]}}},
}


class SyncRequested(Event):
    """Somebody, or a schedule, asked for a run."""

    type: ClassVar[str] = "sync.requested"


class SyncResumed(Event):
    """Somebody let a run go on that had failed, was parked or was stopped."""

    type: ClassVar[str] = "sync.resumed"


class SyncCancelRequested(Event):
    """Somebody asked a run to stop."""

    type: ClassVar[str] = "sync.cancel_requested"


class SyncStarted(Event):
    """A worker took a run for the first time."""

    type: ClassVar[str] = "sync.started"
    public: ClassVar[bool] = True
    audited: ClassVar[bool] = False
    data: ClassVar[Mapping[str, Any]] = _RUN


class SyncCompleted(Event):
    """A run read everything it was to read."""

    type: ClassVar[str] = "sync.completed"
    public: ClassVar[bool] = True
    audited: ClassVar[bool] = False
    data: ClassVar[Mapping[str, Any]] = _RUN


class SyncFailed(Event):
    """A run ended with a failure that waiting does not cure."""

    type: ClassVar[str] = "sync.failed"
    public: ClassVar[bool] = True
    audited: ClassVar[bool] = False
    data: ClassVar[Mapping[str, Any]] = _RUN


class SyncParked(Event):
    """A run was set aside: its sign-in died and it waits for a new one, or it ended its worker again and again."""

    type: ClassVar[str] = "sync.parked"
    public: ClassVar[bool] = True
    audited: ClassVar[bool] = False
    data: ClassVar[Mapping[str, Any]] = _RUN


class SyncCancelled(Event):
    """A run stopped because it was asked to."""

    type: ClassVar[str] = "sync.cancelled"
    public: ClassVar[bool] = True
    audited: ClassVar[bool] = False
    data: ClassVar[Mapping[str, Any]] = _RUN


class WatermarkLost(Event):
    """It is no longer known how far a connection was read; the run reads everything instead."""

    type: ClassVar[str] = "sync.watermark_lost"
    public: ClassVar[bool] = True
    audited: ClassVar[bool] = False
    data: ClassVar[Mapping[str, Any]] = _RUN


class SyncEndedEarly(Event):
    """The platform stated a total and gave fewer records; nothing is taken for deleted after such a run."""

    type: ClassVar[str] = "sync.ended_early"
    audited: ClassVar[bool] = False


class DriftFound(Event):
    """A full read found, and repaired, what the reads before it should have told of; `drift` counts the records."""

    type: ClassVar[str] = "sync.drift_found"
    public: ClassVar[bool] = True
    audited: ClassVar[bool] = False
    data: ClassVar[Mapping[str, Any]] = {
        **_RUN,
        "drift": {"type": "object", "properties": dict.fromkeys(("created", "updated", "missing"), _COUNT)},
    }


class SyncRestarted(Event):
    """The platform no longer knew the run's place; the run reads everything instead."""

    type: ClassVar[str] = "sync.restarted"
    audited: ClassVar[bool] = False


class DeletionsWait(Event):
    """Too many records are missing at once: nothing is deleted before somebody approves."""

    type: ClassVar[str] = "sync.deletions_wait"
    public: ClassVar[bool] = True
    data: ClassVar[Mapping[str, Any]] = {**_RUN, "suspects": _COUNT}


class DeletionsDecided(Event):
    """Somebody approved or rejected missing records as deleted."""

    type: ClassVar[str] = "sync.deletions_decided"


class RefreshFailed(Event):
    """A single record that was wanted could not be read or is gone."""

    type: ClassVar[str] = "sync.refresh_failed"
    audited: ClassVar[bool] = False


EMITS: tuple[type[Event], ...] = (
    SyncRequested,
    SyncResumed,
    SyncCancelRequested,
    SyncStarted,
    SyncCompleted,
    SyncFailed,
    SyncParked,
    SyncCancelled,
    WatermarkLost,
    RefreshFailed,
    SyncEndedEarly,
    DriftFound,
    SyncRestarted,
    DeletionsWait,
    DeletionsDecided,
)
