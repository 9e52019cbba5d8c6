"""Times that callers give: with their zone, in UTC, and none at the ends of the calendar.

Clocks of some languages write `0001-01-01` and `9999-12-31` for no limit at all. What is reckoned from there, another
zone or an hour before, is no time any more; so such a time counts as the nearest one that can be reckoned with.
"""

from datetime import UTC, datetime
from typing import Annotated, Final

from pydantic import AfterValidator, AwareDatetime, Field

EARLIEST: Final = datetime(1900, 1, 1, tzinfo=UTC)
LATEST: Final = datetime(2999, 12, 31, 23, 59, 59, tzinfo=UTC)
EXAMPLE: Final = "2026-01-31T12:00:00Z"


def moment(given: datetime) -> datetime:
    """The same time in UTC, or the nearest of the years 1900 to 2999. It has its zone."""
    return min(max(given, EARLIEST), LATEST).astimezone(UTC)


Moment = Annotated[AwareDatetime, AfterValidator(moment), Field(examples=[EXAMPLE])]
