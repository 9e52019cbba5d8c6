"""What can be wrong with a record before it reaches the store, with room for it, and with a place in the feed."""

from typing import ClassVar

from isthmus.connect.keeping import Unstorable as Unstorable
from isthmus.kit.errors import Conflict, Problem


class FeedTooOld(Problem):
    """What followed this place is no longer kept, so changes would be missed.

    Ask with `since=now` for a new place, read everything once by the lists or the export, and go on from that place.
    """

    code: ClassVar[str] = "FEED_TOO_OLD"
    status: ClassVar[int] = 410


class StoreFull(Conflict):
    """The tenant stores as many bytes of records as it may; what is stored stays, and nothing new begins.

    Remove connections that are no longer needed, or have `ISTHMUS_RECORDS__STORED_BYTES` raised. Runs that were stopped
    go on by themselves where they stood.
    """

    code: ClassVar[str] = "STORE_FULL"
