"""Failures of inbound webhooks."""

from isthmus.kit.errors import Conflict, NotFound, Problem, Unavailable


class SourceNotFound(NotFound):
    """There is no such webhook source.

    List the sources with `GET /api/webhooks/sources`; check whose token you send.
    """

    code = "WEBHOOK_SOURCE_NOT_FOUND"


class DeliveryNotFound(NotFound):
    """There is no such inbound delivery.

    List the deliveries with `GET /api/webhooks`; they are kept for as long as `ISTHMUS_WEBHOOKS_IN__LOG_FOR` says.
    """

    code = "WEBHOOK_NOT_FOUND"


class ReplayNotFound(NotFound):
    """There is no such replay.

    Use the id that `POST /api/webhooks/replay` answered with.
    """

    code = "WEBHOOK_REPLAY_NOT_FOUND"


class PushesNothing(Conflict):
    """This provider pushes nothing that could be verified here.

    Read its data with a sync instead.
    """

    code = "WEBHOOKS_NOT_SUPPORTED"


class NothingToSignWith(Conflict):
    """The shop's pushes cannot be verified: the connection lacks the secret that they are signed with.

    Connect it again and enter the field that `details.field` names, then its pushes are asked for.
    """

    code = "WEBHOOK_SECRET_MISSING"


class NotRetryable(Conflict):
    """The delivery is being worked off, the handler that was named has not failed, or nothing holds its account.

    Wait until it is done, look at its `handlers`, or connect the account that it is about first.
    """

    code = "WEBHOOK_NOT_RETRYABLE"


class CannotSimulate(Conflict):
    """This platform signs with a key of its own, so nobody else can make a delivery that is believed.

    Let the platform send a test event instead.
    """

    code = "WEBHOOK_CANNOT_BE_SIMULATED"


class HandlerNotFound(NotFound):
    """There is no such handler.

    List the handlers with `GET /api/webhooks/handlers`.
    """

    code = "WEBHOOK_HANDLER_NOT_FOUND"


class FunctionNotFound(NotFound):
    """There is no such function of a service, or it is retired already.

    List the functions with `GET /api/webhooks/functions`.
    """

    code = "WEBHOOK_FUNCTION_NOT_FOUND"


class TooManyReplays(Problem):
    """Too many replays of this tenant run already.

    Wait until one is done, or cancel one; `GET /api/webhooks/replay` shows them, and `ISTHMUS_WEBHOOKS_IN__REPLAYS`
    says how many run at once.
    """

    code = "TOO_MANY_WEBHOOK_REPLAYS"
    status = 429


class HandlerChangedMeanwhile(Conflict):
    """The handler was changed by somebody else since it was read; `details.etag` is the present tag.

    Read the handler again, and repeat the change with the tag of now if it still makes sense.
    """

    code = "WEBHOOK_HANDLER_CHANGED"


class SourceChangedMeanwhile(Conflict):
    """The source was changed by somebody else since it was read; `details.etag` is the present tag.

    Read the source again, and repeat the change with the tag of now if it still makes sense.
    """

    code = "WEBHOOK_SOURCE_CHANGED"


class TooManySources(Conflict):
    """A tenant may have only so many sources.

    Remove those that nothing comes in at; `ISTHMUS_WEBHOOKS_IN__SOURCES` sets the limit.
    """

    code = "TOO_MANY_WEBHOOK_SOURCES"


class TooManyHandlers(Conflict):
    """A tenant may set up only so many handlers.

    Remove one, or widen the pattern of another.
    """

    code = "TOO_MANY_WEBHOOK_HANDLERS"


class NotInTime(Unavailable):
    """The delivery could not be kept in the time that its platform gives for an answer.

    Send it again; platforms do so by themselves. If it comes often, look at the database.
    """

    code = "WEBHOOK_NOT_IN_TIME"
