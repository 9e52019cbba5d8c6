"""Sessions: whose they are, how they are shown, and what they are worth (security.md SE-05, SE-06, SE-11; pure)."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from isthmus.kit.permissions import SUPER_ADMIN, Principal, SecondFactor

#: All that a super admin may do before a second factor was shown: get one, see who they are, sign out.
OWN = "account:own"


class Kind(StrEnum):
    """How a session is shown; what was made for one way opens nothing by the other."""

    TOKEN = "token"  # noqa: S105 - the name of a way, no secret
    COOKIE = "cookie"


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A session as it is kept, with its person's roles and standing as they are now."""

    tenant_id: str
    tenant_live: bool
    id: str
    digest: bytes
    kind: Kind
    issuer: str
    subject: str
    roles: tuple[str, ...]
    #: Whether the person may sign in; always for those of another issuer, who say so themselves.
    let_in: bool
    seen_at: datetime
    ends_at: datetime
    proved_at: datetime
    #: Whether a second factor was shown in it.
    strong: bool
    #: Whether the person has one, so that it has to be shown, however they came in.
    has_factor: bool = False

    def is_live(self, now: datetime, idle: timedelta) -> bool:
        """Whether it opens anything at this time."""
        return self.tenant_live and self.let_in and now < self.ends_at and now < self.seen_at + idle

    @property
    def second_factor(self) -> SecondFactor | None:
        """What is missing before this person is anybody: a super admin, and who has one, shows a second factor."""
        if self.strong:
            return None
        if self.has_factor:
            return "not_shown"
        return "missing" if SUPER_ADMIN in self.roles else None

    @property
    def principal(self) -> Principal:
        """Who shows it. Without the second factor a super admin, or who has one, is nobody yet (SE-11).

        For who has one, no other proof counts: else whoever came in by an issuer alone could take the factor away.
        """
        wanted = self.second_factor
        return Principal(
            "user",
            self.subject,
            self.issuer,
            self.tenant_id,
            frozenset() if wanted else frozenset(self.roles),
            frozenset({OWN}) if wanted else frozenset(),
            session=self.id,
            proved_at=0.0 if wanted == "not_shown" else self.proved_at.timestamp(),
            second_factor=wanted,
        )
