"""What can be wrong with a record before it reaches the store, and with a place in the feed of changes."""

from typing import ClassVar

from isthmus.connect.keeping import Unstorable as Unstorable
from isthmus.kit.errors import Problem


class FeedTooOld(Problem):
    """What followed this place is no longer kept, so changes would be missed.

    Ask with `since=now` for a new place, read everything once by the lists or the export, and go on from that place.
    """

    code: ClassVar[str] = "FEED_TOO_OLD"
    status: ClassVar[int] = 410
