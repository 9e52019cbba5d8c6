"""What can be wrong with a schedule."""

from typing import ClassVar

from isthmus.kit.errors import Conflict, Invalid, NotFound


class WrongSchedule(Invalid):
    """The schedule cannot be followed.

    The message names the field that is wrong.
    """


class SchedulesChangedMeanwhile(Conflict):
    """The schedules were changed by somebody else since they were read; `details.etag` is the present tag.

    Read the schedules again, and repeat the change with the tag of now if it still makes sense.
    """

    code: ClassVar[str] = "SCHEDULES_CHANGED"


class TooManySchedules(Conflict):
    """A tenant may have only so many schedules.

    Remove those of connections that need none; `ISTHMUS_SCHEDULES__SCHEDULES` sets the limit.
    """

    code: ClassVar[str] = "TOO_MANY_SCHEDULES"


class ScheduleNotFound(NotFound):
    """This connection has no schedule for that entity.

    Read the configuration of the connection to see its schedules.
    """

    code: ClassVar[str] = "SCHEDULE_NOT_FOUND"
