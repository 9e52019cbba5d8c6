"""Failures of the audit log."""

from isthmus.kit.errors import Conflict, NotFound


class NothingSealed(Conflict):
    """Nothing of the audit log is sealed yet.

    A worker seals what is new within seconds: let one run (`isthmus up` or `isthmus work`).
    """

    code = "AUDIT_NOTHING_SEALED"


class EntryNotFound(NotFound):
    """There is no such entry in the audit log.

    List the entries: `GET /api/audit`.
    """

    code = "AUDIT_ENTRY_NOT_FOUND"


class NotSealed(Conflict):
    """This entry is not sealed yet.

    A worker seals what is new within seconds: ask again then.
    """

    code = "AUDIT_ENTRY_NOT_SEALED"


class NotAsSealed(Conflict):
    """This entry is not what was sealed: the log was changed behind its back.

    Have an operator run `isthmus audit verify`, which names every such place.
    """

    code = "AUDIT_ENTRY_CHANGED"
