"""Sessions: whose they are, how they are shown, and what they are worth (security.md SE-05, SE-06, SE-11; pure)."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from isthmus.http.errors import PermissionDenied
from isthmus.kit.permissions import SUPER_ADMIN, Permission, Principal

#: All that a super admin may do before a second factor was shown: get one, see who they are, sign out.
OWN = "account:own"
_MISSING = (
    "A super admin is let in with a second factor, and this account has none yet: get one with "
    "POST /api/auth/second-factor, and confirm it with a code of it at POST /api/auth/second-factor/confirm."
)
_NOT_SHOWN = (
    "This account has a second factor, and this session has not shown it: send a code of it to POST /api/auth/step-up."
)


class Kind(StrEnum):
    """How a session is shown; what was made for one way opens nothing by the other."""

    TOKEN = "token"  # noqa: S105 - the name of a way, no secret
    COOKIE = "cookie"


@dataclass(frozen=True, slots=True)
class Unproven(Principal):
    """Somebody who is nobody before a second factor was shown: each refusal says so, and what to do."""

    has_factor: bool = False

    def may(self, wanted: Permission) -> bool:
        """As for everybody. Raises PermissionDenied, with the reason, instead of saying no."""
        if wanted.name in self.permissions:
            return True
        about = {"permission": wanted.name, "secondFactor": "not_shown" if self.has_factor else "missing"}
        raise PermissionDenied(_NOT_SHOWN if self.has_factor else _MISSING, details=about)


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
    def principal(self) -> Principal:
        """Who shows it. Without the second factor a super admin, or who has one, is nobody yet (SE-11).

        For who has one, no other proof counts: else whoever came in by an issuer alone could take the factor away.
        """
        lacking = self.has_factor and not self.strong
        proved_at = 0.0 if lacking else self.proved_at.timestamp()
        who = ("user", self.subject, self.issuer, self.tenant_id)
        if lacking or (SUPER_ADMIN in self.roles and not self.strong):
            own = frozenset({OWN})
            return Unproven(*who, permissions=own, session=self.id, proved_at=proved_at, has_factor=self.has_factor)
        return Principal(*who, frozenset(self.roles), session=self.id, proved_at=proved_at)
