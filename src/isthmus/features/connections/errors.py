"""Failures of connections."""

from isthmus.kit.errors import Conflict, Invalid, NotFound, Problem


class ConnectionNotFound(NotFound):
    """There is no such connection.

    List the connections with `GET /api/connections`; check whose token you send.
    """

    code = "CONNECTION_NOT_FOUND"


class IntegrationNotFound(NotFound):
    """There is no such integration.

    Take the integration's id from one of its connections.
    """

    code = "INTEGRATION_NOT_FOUND"


class ConnectionExpired(Conflict):
    """The platform ended the grant; connect the account again with `POST /api/connections/{id}/reconnect`.

    Send the seller through the consent once more; the listings stay as they are.
    """

    code = "CONNECTION_EXPIRED"


class ConnectionPending(Conflict):
    """The connection has no credentials yet; finish the consent or give the credentials first.

    Open the `authorizationUrl`, or begin again with `POST /api/connections/{id}/reconnect`.
    """

    code = "CONNECTION_PENDING"


class WrongKind(Invalid):
    """The provider does not take this kind of credentials; its catalog page says which it takes.

    Look at `authType` in `GET /api/integrations/{provider}` and send what its form fields ask for.
    """

    code = "WRONG_CREDENTIAL_KIND"


class CredentialsRefused(Invalid):
    """The platform did not accept these credentials; nothing was stored.

    Check the credentials at the platform, and that they are for the hosts that are set.
    """

    code = "CREDENTIALS_REFUSED"


class PlatformUnreachable(Problem):
    """The platform gave no usable answer; nothing was changed, try again shortly.

    Try again shortly; if it stays, look at the platform's status and at the hosts that are set.
    """

    code = "PLATFORM_UNREACHABLE"
    status = 502


class AlreadyConnected(Conflict):
    """This account is connected already; `details.connectionId` names the connection.

    Use that connection, or disconnect it first. A shop belongs to one tenant of a deployment.
    """

    code = "ALREADY_CONNECTED"


class WrongAccountGiven(Conflict):
    """The credentials belong to another account than this connection's; `details` names both.

    Sign in at the platform with the account of this connection, or make a new connection.
    """

    code = "WRONG_ACCOUNT"


class TooManyFlows(Problem):
    """Too many sign-ins are under way; finish one, or wait until they run out after ten minutes.

    Finish or leave the sign-ins that are open, then begin this one again.
    """

    code = "TOO_MANY_FLOWS"
    status = 429


class TicketRefused(NotFound):
    """This ticket is unknown, used, too old, or not yours to redeem; start again.

    Redeem the ticket once, within five minutes, with a token of the person who began the consent.
    """

    code = "TICKET_NOT_FOUND"


class ConsentFailed(Conflict):
    """The consent could not be finished; `details.error` says why. Start again.

    Begin a new consent with `POST /api/connections/{id}/reconnect`.
    """

    code = "CONSENT_FAILED"
