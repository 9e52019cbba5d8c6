"""Failures of pushes and conflicts."""

from typing import ClassVar

from isthmus.kit.errors import Conflict, Invalid, NotFound


class WrongEdit(Invalid):
    """The change cannot be made.

    The message names the field and what is wrong with it.
    """


class NotWritable(Conflict):
    """This connection cannot write what was asked for.

    `details` names the field and what the provider can write; see the provider's page in the catalog.
    """

    code: ClassVar[str] = "PUSH_NOT_SUPPORTED"


class PushNotFound(NotFound):
    """There is no such push.

    List them with `GET /api/sync/pushes`; check whose token you send.
    """

    code: ClassVar[str] = "PUSH_NOT_FOUND"


class ConflictNotFound(NotFound):
    """There is no such conflict.

    List them with `GET /api/sync/conflicts`; check whose token you send.
    """

    code: ClassVar[str] = "CONFLICT_NOT_FOUND"


class ConflictDecided(Conflict):
    """This conflict was decided already.

    Read it to see how; `POST /api/sync/conflicts/{id}/undo` takes the decision back.
    """

    code: ClassVar[str] = "CONFLICT_DECIDED"


class ConflictUndecided(Conflict):
    """There is no decision to take back.

    Resolve the conflict with `POST /api/sync/conflicts/{id}/resolve`; one that was undone stays so, and where both
    sides came to agree by themselves nothing was decided.
    """

    code: ClassVar[str] = "CONFLICT_UNDECIDED"


class RulesChangedMeanwhile(Conflict):
    """The rules were changed by somebody else since they were read; `details.etag` is the present tag.

    Read the rules again, and repeat the change with the tag of now if it still makes sense.
    """

    code: ClassVar[str] = "CONFLICT_RULES_CHANGED"


class NothingToPush(Conflict):
    """No listing is concerned by this push.

    The product has no listing that is live and that its connection can write to; look at `GET /api/products/{id}`.
    """

    code: ClassVar[str] = "PUSH_EMPTY"
