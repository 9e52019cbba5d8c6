"""Failures of the vault; none of them destroys or changes anything."""

from isthmus.kit.errors import Problem, Unavailable


class WrongMasterKey(Problem):
    """The master key is not the one this database was sealed with; put the right one back and start again."""

    code = "WRONG_MASTER_KEY"


class KeyNotHeld(Unavailable):
    """This process does not hold the key that a secret was sealed with; give it the same master keys as the others."""

    code = "KEY_NOT_HELD"


class Unreadable(Problem):
    """A sealed value does not open: it was damaged, or belongs to another place."""

    code = "SECRET_UNREADABLE"


class RotationStuck(Problem):
    """Values go on being sealed with the old data key; another process may run with old settings."""

    code = "ROTATION_INCOMPLETE"
