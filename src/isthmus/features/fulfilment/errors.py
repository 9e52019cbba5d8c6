"""Failures of actions on orders."""

from isthmus.kit.errors import Conflict, Invalid, NotFound, Problem


class ActionNotFound(NotFound):
    """There is no such action.

    List the actions with `GET /api/orders/actions`; check whose token you send.
    """

    code = "ORDER_ACTION_NOT_FOUND"


class ActionNotOffered(Conflict):
    """Isthmus cannot do this with orders of that marketplace; `details.offered` names what it can.

    Look at `GET /api/orders/{id}/actions`.
    """

    code = "ORDER_ACTION_NOT_OFFERED"


class ActionNotAllowed(Conflict):
    """The marketplace does not allow this of the order as it stands; the message says why.

    Read the order anew with `POST /api/sync/refresh`, then look at `GET /api/orders/{id}/actions`.
    """

    code = "ORDER_ACTION_NOT_ALLOWED"


class ActionInProgress(Conflict):
    """Something is being done with this order already; `details.actionId` names it.

    Wait until it has ended; one that is `unsure` has to be retried or dismissed first.
    """

    code = "ORDER_ACTION_IN_PROGRESS"


class ActionMoved(Conflict):
    """The action is in a state that does not allow this.

    Read the action again: it may have ended, or a worker may be sending it just now.
    """

    code = "ORDER_ACTION_STATE"


class WrongAction(Invalid):
    """The action asks for something that does not exist; `details.fields` names it.

    Look at `GET /api/orders/{id}/actions` for reasons and details, and at the order for its lines.
    """


class TooManyActions(Problem):
    """Too many actions of this tenant are under way; wait until some have ended.

    Wait, or raise `ISTHMUS_FULFILMENT__LIVE`.
    """

    code = "TOO_MANY_ORDER_ACTIONS"
    status = 429


class Lost(Exception):
    """Another worker has taken the action; whatever this one still holds must not be written."""
