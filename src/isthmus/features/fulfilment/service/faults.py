"""What a failed call means for an action: whether it can have had an effect, and whether waiting helps."""

from isthmus.client import (
    BreakerOpen,
    ClientError,
    NetworkError,
    PlatformError,
    PlatformFailed,
    RateLimited,
    ReauthorizationRequired,
    RefreshUnavailable,
    Throttled,
    TokenRejected,
)
from isthmus.client.errors import AddressRefused, InvalidRequest
from isthmus.features import connections
from isthmus.features.fulfilment.model import Fault, Told
from isthmus.kit.errors import Problem
from isthmus.kit.text import storable

#: The code of a connection whose sign-in died; what waits for it goes on when it is connected again.
EXPIRED = "CONNECTION_EXPIRED"
_SERVER_FAULT = 500
_MESSAGE = 500
_REJECTED_SECONDS = 600.0
_ASKED_TO_WAIT = (RateLimited, BreakerOpen, Throttled)


def fault_of(failure: ClientError) -> Fault:
    """A failed call in the action's own words."""
    if isinstance(failure, TokenRejected):
        # Fresh tokens were refused: the connection may still count as signed in, and nobody would wake the action.
        return Fault(Told.NOTHING, EXPIRED, "The platform refuses the sign-in.", _REJECTED_SECONDS, tried=False)
    if isinstance(failure, ReauthorizationRequired):
        return Fault(Told.SIGNED_OUT, EXPIRED, "The platform ended the grant; connect the account again.")
    code = failure.code if isinstance(failure, PlatformError) else failure.kind.upper()
    message = storable(failure.message or "The platform gave no reason")[:_MESSAGE]
    tried = not isinstance(failure, _ASKED_TO_WAIT)
    return Fault(_told(failure), storable(code)[:80], message, failure.retry_after, tried)


def _told(failure: ClientError) -> Told:
    if isinstance(failure, (*_ASKED_TO_WAIT, RefreshUnavailable)):
        return Told.NOTHING
    if isinstance(failure, InvalidRequest | AddressRefused):
        return Told.NO
    if isinstance(failure, NetworkError):
        return Told.UNKNOWN if failure.sent else Told.NOTHING
    if isinstance(failure, PlatformError) and not isinstance(failure, PlatformFailed):
        return Told.NO
    return Told.UNKNOWN


def fault_of_problem(failure: Problem) -> Fault:
    """A refusal of our own house, which comes before anything is sent."""
    told = Told.NO
    if isinstance(failure, connections.ConnectionExpired | connections.ConnectionPending):
        told = Told.SIGNED_OUT
    elif isinstance(failure, connections.ConnectionNotFound):
        told = Told.GONE
    elif failure.status >= _SERVER_FAULT:
        told = Told.NOTHING
    return Fault(told, failure.code, failure.message[:_MESSAGE], failure.retry_after)
