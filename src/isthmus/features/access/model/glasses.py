"""An operator inside a tenant: for a reason, for a while, in everybody's sight (security.md SA-01; pure)."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from isthmus.kit import text
from isthmus.kit.errors import Invalid

TOKEN = "ibg_"  # noqa: S105 - the head of a token, no secret
LONGEST = timedelta(minutes=60)
_SHORTEST_REASON, _LONGEST_TEXT = 10, 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Glass:
    """One time that an operator was let in, and why."""

    id: str
    operator: str
    reason: str
    ticket: str
    begun_at: datetime
    until: datetime
    ended_at: datetime | None = None
    ended_by: str | None = None
    #: The operator's session that it was begun in; where that ends, this does. None for those who bring a token.
    session: str | None = None

    def is_open(self, now: datetime) -> bool:
        """Whether the operator is inside at this time."""
        return self.ended_at is None and now < self.until


def read_reason(reason: str) -> str:
    """The reason as the tenant will read it. Raises Invalid when it says nothing."""
    kept = text.terminal(text.shown(reason)).strip()
    if not _SHORTEST_REASON <= len(kept) <= _LONGEST_TEXT:
        raise Invalid.field("reason", f"Say in {_SHORTEST_REASON} to {_LONGEST_TEXT} characters why.")
    return kept


def read_ticket(ticket: str) -> str:
    """Where the matter is written down. Raises Invalid when that is nowhere."""
    kept = text.terminal(text.shown(ticket)).strip()
    if not 1 <= len(kept) <= _LONGEST_TEXT:
        raise Invalid.field("ticket", "Name the ticket that this is for.")
    return kept


def read_minutes(minutes: int | None) -> timedelta:
    """For how long. Raises Invalid beyond an hour."""
    if minutes is None:
        return LONGEST
    most = int(LONGEST.total_seconds()) // 60
    if not 1 <= minutes <= most:
        raise Invalid.field("minutes", f"Between 1 and {most}.")
    return timedelta(minutes=minutes)
