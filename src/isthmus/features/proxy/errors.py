"""Why a call does not go through, or did not come back."""

from isthmus.kit.errors import Conflict, Forbidden, Invalid, Problem, Unavailable


class ProxyDisabled(Forbidden):
    """Calls through the proxy are off for this integration.

    An admin switches them on with `PATCH /api/tenant/integrations/{id}` and `{"proxyEnabled": true}`.
    """

    code = "PROXY_DISABLED"


class ProxyWalled(Forbidden):
    """This integration may read some types of records only, and the proxy cannot tell what passes through it.

    Empty `allowedShardTypes`, or read the records that may pass by a sync, a search or a widget.
    """

    code = "PROXY_WALLED"


class PathForbidden(Forbidden):
    """This key's permission is for other paths; `details.paths` lists them.

    Use one of these paths, or a key whose permission is for this one.
    """

    code = "PROXY_PATH_FORBIDDEN"


class PathUnclear(Invalid):
    """The path can be read in more than one way, or the query names another method or path than the call itself.

    Leave out dot segments, doubled slashes, characters that are encoded twice, and `_method`; with a key that is for
    some paths only, `rest_route` too.
    """

    code = "PROXY_PATH_UNCLEAR"


class TooManyCalls(Problem):
    """Too many calls of this tenant through the proxy are under way; nothing was sent.

    Make fewer of them at a time; `ISTHMUS_PROXY__AT_ONCE` says how many each process lets through.
    """

    code = "TOO_MANY_PROXY_CALLS"
    status = 429


class TooManyConnections(Problem):
    """The tenant has as many connections to this platform's host as it may, over all processes; nothing was sent.

    Make fewer calls at a time, or have `ISTHMUS_CONNECTIONS__HOST_CONNECTIONS` raised.
    """

    code = "TOO_MANY_CONNECTIONS"
    status = 429


class FarSideBusy(Unavailable):
    """The platform's budget is used up, or it does not answer well just now; nothing was sent.

    Try again after `Retry-After`.
    """

    code = "FAR_SIDE_BUSY"


class FarSideUnreachable(Problem):
    """The platform could not be reached, or its answer could not be used.

    Look at the connection's log for the reason. Repeat the call only where that does no harm: it may have arrived.
    """

    code = "FAR_SIDE_UNREACHABLE"
    status = 502


class FarSideLate(Problem):
    """The platform did not answer in time.

    Repeat the call only where that does no harm: it may have arrived.
    """

    code = "FAR_SIDE_LATE"
    status = 504


class GrantEnded(Conflict):
    """The platform ended the grant.

    Connect the account again with `POST /api/connections/{id}/reconnect`.
    """

    code = "GRANT_ENDED"
