"""Failures of connections."""

from isthmus.kit.errors import Conflict, Invalid, NotFound, Problem


class ConnectionNotFound(NotFound):
    """There is no such connection."""

    code = "CONNECTION_NOT_FOUND"


class IntegrationNotFound(NotFound):
    """There is no such integration."""

    code = "INTEGRATION_NOT_FOUND"


class ConnectionExpired(Conflict):
    """The platform ended the grant; connect the account again with `POST /api/connections/{id}/reconnect`."""

    code = "CONNECTION_EXPIRED"


class ConnectionPending(Conflict):
    """The connection has no credentials yet; finish the consent or give the credentials first."""

    code = "CONNECTION_PENDING"


class ConnectionUncertain(Conflict):
    """A refresh ended without our knowing how, and one more try did not tell; test or reconnect the connection."""

    code = "CONNECTION_UNCERTAIN"


class WrongKind(Invalid):
    """The provider does not take this kind of credentials; its catalog page says which it takes."""

    code = "WRONG_CREDENTIAL_KIND"


class CredentialsRefused(Invalid):
    """The platform did not accept these credentials; nothing was stored."""

    code = "CREDENTIALS_REFUSED"


class PlatformUnreachable(Problem):
    """The platform gave no usable answer; nothing was changed, try again shortly."""

    code = "PLATFORM_UNREACHABLE"
    status = 502


class AlreadyConnected(Conflict):
    """This account is connected already; `details.connectionId` names the connection."""

    code = "ALREADY_CONNECTED"


class NeedsReview(Conflict):
    """This account cannot be connected before a review; the connection stays pending."""

    code = "NEEDS_REVIEW"


class WrongAccountGiven(Conflict):
    """The credentials belong to another account than this connection's; `details` names both."""

    code = "WRONG_ACCOUNT"


class TooManyFlows(Problem):
    """Too many sign-ins are under way; finish one, or wait until they run out after ten minutes."""

    code = "TOO_MANY_FLOWS"
    status = 429


class TicketRefused(NotFound):
    """This ticket is unknown, used, too old, or not yours to redeem; start again."""

    code = "TICKET_NOT_FOUND"


class ConsentFailed(Conflict):
    """The consent could not be finished; `details.error` says why. Start again."""

    code = "CONSENT_FAILED"


class ConsentUncertain(ConsentFailed):
    """The code was sent and no answer came; whether the platform took it is unknown. Start again."""

    code = "CONSENT_UNCERTAIN"
