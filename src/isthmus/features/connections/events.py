"""Facts about connections; no secret is ever in one."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from isthmus.kit.events import Event

_TEXT: Mapping[str, Any] = {"type": "string"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Created(Event):
    """A connection was made; it may still wait for its consent."""

    type: ClassVar[str] = "connection.created"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentStarted(Event):
    """Somebody began a sign-in at the platform."""

    type: ClassVar[str] = "connection.consent_started"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentOpened(Event):
    """The sign-in link was opened, perhaps in another browser than the one it was made in."""

    type: ClassVar[str] = "connection.consent_opened"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentHeld(Event):
    """A consent came back in another browser than its starter's and waits until the starter redeems it."""

    type: ClassVar[str] = "connection.consent_held"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentFailed(Event):
    """A consent ended without a connection; `error` says why."""

    type: ClassVar[str] = "connection.consent_failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Connected(Event):
    """A connection has credentials that work."""

    type: ClassVar[str] = "connection.connected"
    public: ClassVar[bool] = True
    data: ClassVar[Mapping[str, Any]] = {"provider": _TEXT, "accountId": _TEXT, "accountName": _TEXT}


@dataclass(frozen=True, slots=True, kw_only=True)
class Expired(Event):
    """The platform refused the grant for good."""

    type: ClassVar[str] = "connection.expired"
    public: ClassVar[bool] = True
    data: ClassVar[Mapping[str, Any]] = {"reason": _TEXT}


@dataclass(frozen=True, slots=True, kw_only=True)
class Uncertain(Event):
    """A refresh ended without our knowing how, and the one further try did not tell."""

    type: ClassVar[str] = "connection.uncertain"
    public: ClassVar[bool] = True
    data: ClassVar[Mapping[str, Any]] = {"reason": _TEXT}


@dataclass(frozen=True, slots=True, kw_only=True)
class Refreshed(Event):
    """A new pair of tokens was stored."""

    type: ClassVar[str] = "connection.refreshed"
    audited: ClassVar[bool] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleared(Event):
    """The credentials were destroyed because the hosts they were given for have changed (VA-01)."""

    type: ClassVar[str] = "connection.cleared"


@dataclass(frozen=True, slots=True, kw_only=True)
class Disconnected(Event):
    """A connection was ended and our copy of its credentials destroyed; `revoked` says how the far side took it."""

    type: ClassVar[str] = "connection.disconnected"
    public: ClassVar[bool] = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Tested(Event):
    """Somebody tried the credentials."""

    type: ClassVar[str] = "connection.tested"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedElsewhere(Event):
    """Somebody else tried to connect an account that this connection holds."""

    type: ClassVar[str] = "connection.claimed_elsewhere"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnOriginsChanged(Event):
    """The list of origins to which consents may return was changed."""

    type: ClassVar[str] = "connection.return_origins_changed"


EMITS = (
    Created, ConsentStarted, ConsentOpened, ConsentHeld, ConsentFailed, Connected, Expired, Uncertain, Refreshed,
    Cleared, Disconnected, Tested, ClaimedElsewhere, ReturnOriginsChanged,
)  # fmt: skip
