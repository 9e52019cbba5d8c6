"""Routes that will go: their answers say so (RFC 9745, RFC 8594), and who still uses them stands in the log once."""

import logging
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from email.utils import format_datetime

from isthmus.http.asgi import Header
from isthmus.http.errors import CannotStart
from isthmus.kit.permissions import Principal

_LOG = logging.getLogger("isthmus.http.deprecation")
_KNOWN = 10_000


@dataclass(frozen=True, slots=True)
class Deprecated:
    """Since when a route should not be used, from when it may be gone, and the page that says what to use instead.

    Raises CannotStart when it would be gone before it is deprecated.
    """

    since: date
    sunset: date
    guide: str
    headers: tuple[Header, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.sunset <= self.since:
            raise CannotStart(f"deprecated: the sunset {self.sunset} is not after {self.since}.")
        since, sunset = (datetime.combine(day, time(), UTC) for day in (self.since, self.sunset))
        made = (
            (b"deprecation", b"@%d" % since.timestamp()),
            (b"sunset", format_datetime(sunset, usegmt=True).encode()),
            (b"link", f'<{self.guide}>; rel="deprecation"; type="text/html"'.encode()),
        )
        object.__setattr__(self, "headers", made)

    @property
    def told(self) -> str:
        """For the description of the API."""
        return f"Deprecated since {self.since}; may be gone from {self.sunset} on. What to use instead: {self.guide}"


class Stragglers:
    """Who was seen on deprecated routes; each principal is logged once for each route while the process lives."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str, str], None] = {}

    def saw(self, route: str, deprecated: Deprecated, principal: Principal) -> None:
        """Note a use."""
        key = (route, principal.tenant_id, principal.id)
        if key in self._seen:
            return
        if len(self._seen) >= _KNOWN:
            del self._seen[next(iter(self._seen))]
        self._seen[key] = None
        about = {"route": route, "tenant": principal.tenant_id, "principal": principal.id}
        _LOG.warning("deprecated route used", extra=about | {"sunset": str(deprecated.sunset)})
