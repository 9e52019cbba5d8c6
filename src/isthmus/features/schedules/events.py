"""Facts about schedules."""

from typing import ClassVar

from isthmus.kit.events import Event


class ScheduleSet(Event):
    """Somebody set when an entity of a connection is read, or stopped that."""

    type: ClassVar[str] = "schedule.set"


class SchedulePaused(Event):
    """Somebody paused a schedule."""

    type: ClassVar[str] = "schedule.paused"


class ScheduleResumed(Event):
    """Somebody let a paused schedule go on."""

    type: ClassVar[str] = "schedule.resumed"


class ScheduleParked(Event):
    """A schedule waits until its connection can be signed in to again; told once."""

    type: ClassVar[str] = "schedule.parked"
    public: ClassVar[bool] = True
    audited: ClassVar[bool] = False


EMITS = (ScheduleSet, SchedulePaused, ScheduleResumed, ScheduleParked)
