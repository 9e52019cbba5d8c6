"""What a failed call means for a run or a single read, in their own words."""

from isthmus.client import (
    BreakerOpen,
    ClientError,
    MalformedBody,
    NetworkError,
    PlatformError,
    PlatformFailed,
    RateLimited,
    ReauthorizationRequired,
    RefreshUnavailable,
    Throttled,
    TokenRejected,
)
from isthmus.features import records
from isthmus.features.sync.model import Fault
from isthmus.kit.errors import Problem

#: The code of a connection whose sign-in died; whatever waits for it goes on when it is connected again.
EXPIRED = "CONNECTION_EXPIRED"
#: The code of a tenant that stores all that it may; what waits for room goes on when there is some.
FULL = records.StoreFull.code
_SERVER_FAULT = 500
_PASSING = (
    NetworkError, RateLimited, BreakerOpen, RefreshUnavailable, MalformedBody, Throttled, PlatformFailed,
)  # fmt: skip
#: Codes that connectors give in their own words, and that tell more than the kind of failure.
_NAMED = frozenset({"clock_skew", "not_json"})


def fault_of(failure: ClientError) -> Fault:
    """A failed call in the run's own words. Reading again is always safe, so only hopeless calls end a run at once."""
    if isinstance(failure, ReauthorizationRequired | TokenRejected):
        return Fault(EXPIRED, "The platform ended the grant; connect the account again.", passing=False)
    passing, tried = isinstance(failure, _PASSING), not isinstance(failure, RateLimited | BreakerOpen | Throttled)
    if not isinstance(failure, PlatformError):
        return Fault(failure.kind.upper(), failure.message, passing, failure.retry_after, tried)
    code = failure.code if failure.code in _NAMED else failure.kind
    message = f"{failure.message or 'The platform gave no reason'} ({failure.code})"
    return Fault(code.upper(), message, passing, failure.retry_after, tried)


def fault_of_problem(failure: Problem) -> Fault:
    """A refusal of our own house: only an outage passes by waiting."""
    return Fault(failure.code, failure.message, failure.status >= _SERVER_FAULT, failure.retry_after)
