"""Connect sessions: a token by which a tenant's own front end connects one integration, once (pure)."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from isthmus.kit.languages import Language
from isthmus.kit.permissions import Principal
from isthmus.kit.secret import Secret

PREFIX = "ics_"
TOKEN_BITS = 256
#: Wrong credentials and begun consents that one session allows.
MOST_TRIES = 5


class Stage(StrEnum):
    """How far a session is."""

    OPEN = "open"
    #: Somebody is at it just now; nobody else can be.
    TRYING = "trying"
    #: A consent is under way at the platform.
    STARTED = "started"
    USED = "used"
    REVOKED = "revoked"


LIVE = (Stage.OPEN, Stage.TRYING, Stage.STARTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectSession:
    """One session; the token itself is shown once and never kept."""

    id: str
    tenant_id: str
    integration_id: str
    #: The web origin whose pages may use the token.
    origin: str
    return_url: str | None
    #: In whose name is connected.
    principal: Principal
    created_by: str
    state: Stage
    tries: int
    connection_id: str | None
    created_at: datetime
    expires_at: datetime
    #: Of our own page for it; None leaves it to the browser.
    language: Language | None = None

    def shown(self, now: datetime) -> str:
        """Its state as people see it."""
        over = self.state in LIVE and now >= self.expires_at
        return "expired" if over else self.state.value


def digest(token: Secret) -> bytes:
    """What is kept of a token."""
    return hashlib.sha256(b"isthmus connect " + token.reveal().encode("utf-8", "replace")).digest()


def page_digest(proof: Secret) -> bytes:
    """What is kept of a page's proof."""
    return hashlib.sha256(b"isthmus connect page " + proof.reveal().encode("utf-8", "replace")).digest()


def page_cookie(session_id: str, *, secure: bool) -> str:
    """The cookie in which a page has its proof; browsers refuse the `__Host-` prefix without TLS."""
    return f"{'__Host-' if secure else ''}isthmus_connect_{hashlib.sha256(session_id.encode()).hexdigest()[:16]}"


def refusal(session: ConnectSession, now: datetime) -> str | None:
    """Why a session cannot be used: `used`, `revoked`, `expired`, `trying` or `exhausted`; None while it can."""
    shown = session.shown(now)
    if shown not in {Stage.OPEN, Stage.STARTED}:
        return shown
    return "exhausted" if session.tries >= MOST_TRIES else None
