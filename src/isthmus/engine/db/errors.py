"""What can be wrong with the database, each said so that a person knows what to do."""

from isthmus.kit.errors import Problem, Unavailable


class DatabaseStartFailed(Problem):
    """The embedded PostgreSQL could not be started."""

    code = "DATABASE_START_FAILED"
    status = 503


class DataDirectoryTaken(DatabaseStartFailed):
    """Another process already runs the embedded PostgreSQL on this data directory."""

    code = "DATA_DIRECTORY_TAKEN"


class DatabaseUnsuitable(Problem):
    """The database server cannot be used: its version, an extension or a right is missing."""

    code = "DATABASE_UNSUITABLE"
    status = 503


class DatabaseUnavailable(Unavailable):
    """The database cannot be reached just now; try again shortly."""

    code = "DATABASE_UNAVAILABLE"


class DatabaseFull(DatabaseUnavailable):
    """The disk of the database is full: nothing was written."""

    code = "DATABASE_FULL"


class DatabaseReadOnly(DatabaseUnavailable):
    """The database takes no writes just now: nothing was written."""

    code = "DATABASE_READ_ONLY"


class DatabaseSlow(DatabaseUnavailable):
    """The database took longer than this request may take; nothing was written."""

    code = "DATABASE_TIMEOUT"
