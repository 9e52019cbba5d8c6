"""Failures of the audit log."""

from isthmus.kit.errors import Conflict


class NothingSealed(Conflict):
    """Nothing of the audit log is sealed yet.

    A worker seals what is new within seconds: let one run (`isthmus up` or `isthmus work`).
    """

    code = "AUDIT_NOTHING_SEALED"
