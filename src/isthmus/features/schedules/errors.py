"""What can be wrong with a schedule."""

from typing import ClassVar

from isthmus.kit.errors import Invalid, NotFound


class WrongSchedule(Invalid):
    """The schedule cannot be followed.

    The message names the field that is wrong.
    """


class ScheduleNotFound(NotFound):
    """This connection has no schedule for that entity.

    Read the configuration of the connection to see its schedules.
    """

    code: ClassVar[str] = "SCHEDULE_NOT_FOUND"
