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
    """A connection has credentials that work; whose account a person has connected of their own is not told."""

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
class Expiring(Event):
    """The grant ends at `expiresAt` whatever is done: connect again before."""

    type: ClassVar[str] = "connection.expiring"
    public: ClassVar[bool] = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopesChanged(Event):
    """The platform grants more or less than before; `added` and `removed` name what."""

    type: ClassVar[str] = "connection.scopes_changed"
    public: ClassVar[bool] = True


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
class Revoked(Event):
    """The platform, which did not at first, has taken the end of a grant."""

    type: ClassVar[str] = "connection.revoked"
    public: ClassVar[bool] = True


@dataclass(frozen=True, slots=True, kw_only=True)
class RevocationFailed(Event):
    """The platform never took the end of a grant: end the app's access at the platform by hand."""

    type: ClassVar[str] = "connection.revocation_failed"
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Failing(Event):
    """Two tests of a connection in a row failed."""

    type: ClassVar[str] = "connection.failing"
    public: ClassVar[bool] = True
    audited: ClassVar[bool] = False
    data: ClassVar[Mapping[str, Any]] = {"error": _TEXT, "integrationId": _TEXT}


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered(Event):
    """A connection whose tests had failed works again."""

    type: ClassVar[str] = "connection.recovered"
    public: ClassVar[bool] = True
    audited: ClassVar[bool] = False
    data: ClassVar[Mapping[str, Any]] = {"integrationId": _TEXT}


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialsRotated(Event):
    """A connection has new credentials; the ones before stay known until `overlapUntil`."""

    type: ClassVar[str] = "connection.credentials_rotated"


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegrationCreated(Event):
    """A tenant uses a provider from now on; it may still wait for its connection."""

    type: ClassVar[str] = "integration.created"
    public: ClassVar[bool] = True
    data: ClassVar[Mapping[str, Any]] = {"provider": _TEXT, "name": _TEXT}


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegrationUpdated(Event):
    """What is said of an integration changed."""

    type: ClassVar[str] = "integration.updated"


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegrationLimited(Event):
    """Types of records may not pass any more: what was read of them is hidden, and removed by a job."""

    type: ClassVar[str] = "integration.types_forbidden"


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegrationActivated(Event):
    """An integration was switched on."""

    type: ClassVar[str] = "integration.activated"
    public: ClassVar[bool] = True


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegrationDeactivated(Event):
    """An integration was switched off: nothing goes through it until it is switched on again."""

    type: ClassVar[str] = "integration.deactivated"
    public: ClassVar[bool] = True


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegrationDeleted(Event):
    """An integration was removed with its connections."""

    type: ClassVar[str] = "integration.deleted"
    public: ClassVar[bool] = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectSessionCreated(Event):
    """A token was made by which a front end may connect one integration, once."""

    type: ClassVar[str] = "connect_session.created"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectPageOpened(Event):
    """A connect token was shown to our own connect page."""

    type: ClassVar[str] = "connect_session.page_opened"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectSessionUsed(Event):
    """A connect session was used up."""

    type: ClassVar[str] = "connect_session.used"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectSessionRevoked(Event):
    """A connect session was revoked before it was used."""

    type: ClassVar[str] = "connect_session.revoked"


EMITS = (
    Created, ConsentStarted, ConsentOpened, ConsentHeld, ConsentFailed, Connected, Expired, Uncertain, Refreshed,
    Cleared, Disconnected, Revoked, RevocationFailed, Expiring, ScopesChanged,
    Tested, ClaimedElsewhere, ReturnOriginsChanged, Failing, Recovered, CredentialsRotated,
    IntegrationCreated, IntegrationUpdated, IntegrationLimited, IntegrationActivated, IntegrationDeactivated,
    IntegrationDeleted, ConnectSessionCreated, ConnectPageOpened, ConnectSessionUsed, ConnectSessionRevoked,
)  # fmt: skip
