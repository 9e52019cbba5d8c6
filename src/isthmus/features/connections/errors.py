"""Failures of connections."""

from isthmus.kit.errors import Conflict, Forbidden, Invalid, NotFound, Problem


class ConnectionNotFound(NotFound):
    """There is no such connection.

    List the connections with `GET /api/connections`; check whose token you send.
    """

    code = "CONNECTION_NOT_FOUND"


class IntegrationNotFound(NotFound):
    """There is no such integration.

    Take the id from `GET /api/tenant/integrations`; check whose token you send.
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

    code = "INVALID_CREDENTIALS"


class PlatformUnreachable(Problem):
    """The platform gave no usable answer; nothing was changed, try again shortly.

    `details.reason` says what it was. Try again shortly; if it stays, look at the platform's status and at the hosts
    that are set.
    """

    code = "CONNECTION_FAILED"
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


class NameTaken(Conflict):
    """Another integration has this name already; `details.name` tells it.

    Choose another name, or use the integration that has it.
    """

    code = "INTEGRATION_NAME_TAKEN"


class IntegrationChangedMeanwhile(Conflict):
    """The integration was changed by somebody else since it was read.

    `details.etag` is the present tag, or `details.updatedAt` when that was, where the change named the time. Read the
    integration again, and repeat the change with the tag, or the `updatedAt`, of now if it still makes sense.
    """

    code = "INTEGRATION_CHANGED"


class ReturnOriginsChangedMeanwhile(Conflict):
    """Where consents may return to was changed by somebody else since it was read; `details.etag` is the present tag.

    Read the list again, and repeat the change with the tag of now if it still makes sense.
    """

    code = "RETURN_ORIGINS_CHANGED"


class CredentialsChangedMeanwhile(Conflict):
    """The credentials were replaced by somebody else since the connection was read; `details.etag` is the present tag.

    Find out who replaced them, and repeat the change with the tag of now if it still makes sense.
    """

    code = "CREDENTIALS_CHANGED"


class IntegrationDisabled(Conflict):
    """The integration is switched off; nothing goes through it.

    Switch it on with `POST /api/tenant/integrations/{id}/activate`.
    """

    code = "INTEGRATION_DISABLED"


class IntegrationNotConnected(Conflict):
    """The integration has no connection that works, so it cannot be activated.

    Connect it first with one of `POST /api/tenant/integrations/{id}/connect/...`, then activate it.
    """

    code = "INTEGRATION_NOT_CONNECTED"


class ShardTypeForbidden(Forbidden):
    """The integration may not read records of this type; `details` names the type and those that are allowed.

    An admin adds the type to `allowedShardTypes` with `PATCH /api/tenant/integrations/{id}`.
    """

    code = "SHARD_TYPE_FORBIDDEN"


class UserScopeDenied(Forbidden):
    """Connections of people serve those people only: another `userId` than your own is refused.

    Leave `userId` out, or send your own.
    """

    code = "USER_SCOPE_DENIED"


class PersonRequired(Forbidden):
    """This is for a person with connections of their own; an API key is none.

    Sign in as the person whose connection it is.
    """

    code = "PERSON_REQUIRED"


class ConsentNeeded(Conflict):
    """This provider is connected by a consent; there are no credentials that could be handed over.

    Begin a new consent with `POST /api/tenant/integrations/{id}/connect/oauth`.
    """

    code = "CONSENT_NEEDED"


class NotForYou(Forbidden):
    """This integration is limited to some roles or people, and you are not among them.

    Ask an admin of your tenant to add your role or you to the integration.
    """

    code = "INTEGRATION_LIMITED"


class NotUserScoped(Conflict):
    """This integration has one connection for the whole tenant; there are none of single people.

    Use the routes under `/api/tenant/integrations`, or an integration with `userScoped`.
    """

    code = "NOT_USER_SCOPED"


class UserScoped(Conflict):
    """Each person connects this integration alone; there is no connection of the whole tenant.

    Connect your own account under `/api/user/integrations/{id}`.
    """

    code = "USER_SCOPED"


class ScopeFixed(Conflict):
    """Whether an integration is the tenant's or each person's own can change only while nothing is connected.

    Disconnect it first, or make another integration.
    """

    code = "INTEGRATION_CONNECTED"


class ConnectSessionNotFound(NotFound):
    """There is no such connect session.

    Take the id from `GET /api/connect-sessions`; sessions are kept for a day after their end.
    """

    code = "CONNECT_SESSION_NOT_FOUND"


class ConnectSessionInvalid(Problem):
    """This connect session is unknown, was used or revoked, or ran out.

    Ask your own server for a new one, made with `POST /api/connect-sessions`.
    """

    code = "CONNECT_SESSION_INVALID"
    status = 401


class OriginRefused(Forbidden):
    """This connect session belongs to another web origin.

    Call from a page of the origin that the session was made for, or make a session for this origin.
    """

    code = "CONNECT_ORIGIN_REFUSED"
