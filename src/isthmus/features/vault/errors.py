"""Failures of the vault; none of them destroys or changes anything."""

from isthmus.kit.errors import Conflict, Problem, Unavailable


class WrongMasterKey(Problem):
    """The master key is not the one this database was sealed with; put the right one back and start again.

    Put the right key back from its copy and start again; nothing was changed or destroyed.
    """

    code = "WRONG_MASTER_KEY"


class NotLost(Conflict):
    """This is not the master key that the database wants, or it is held here; nothing was changed.

    `isthmus vault status` names the key in use. A key that is held needs no new start: rotate instead.
    """

    code = "MASTER_KEY_NOT_LOST"


class KeyNotHeld(Unavailable):
    """This process does not hold the key that a secret was sealed with; give it the same master keys as the others.

    Give all processes the same key setting, then restart this one.
    """

    code = "KEY_NOT_HELD"


class Unreadable(Problem):
    """A sealed value does not open: it was damaged, or belongs to another place.

    Restore the row from a backup, or give the credentials anew; the other values are not touched.
    """

    code = "SECRET_UNREADABLE"


class RotationStuck(Problem):
    """Values go on being sealed with the old data key; another process may run with old settings.

    Restart all processes with the same settings, then call `isthmus vault rotate --data` again.
    """

    code = "ROTATION_INCOMPLETE"
