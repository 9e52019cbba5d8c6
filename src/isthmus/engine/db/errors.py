"""What can be wrong with the database, each said so that a person knows what to do."""

from isthmus.kit.errors import Problem, Unavailable


class DatabaseStartFailed(Problem):
    """The embedded PostgreSQL could not be started.

    Read the message and the server's log in the home folder; check space, rights and memory.
    """

    code = "DATABASE_START_FAILED"
    status = 503


class DataDirectoryTaken(DatabaseStartFailed):
    """Another process already runs the embedded PostgreSQL on this data directory.

    Stop the other process, or give this one another home with `--home` or `ISTHMUS_HOME`.
    """

    code = "DATA_DIRECTORY_TAKEN"


class DatabaseUnsuitable(Problem):
    """The database server cannot be used: its version, an extension or a right is missing.

    Use PostgreSQL 15 or later with pg_trgm and unaccent, and run `isthmus migrate` as its owner.
    """

    code = "DATABASE_UNSUITABLE"
    status = 503


class DatabaseUnavailable(Unavailable):
    """The database cannot be reached just now; try again shortly.

    Check that the server runs and that the address, the name and the password are right.
    """

    code = "DATABASE_UNAVAILABLE"


class DatabaseFull(DatabaseUnavailable):
    """The disk of the database is full: nothing was written.

    Free space on the database's disk; nothing has to be repaired, work goes on by itself.
    """

    code = "DATABASE_FULL"


class DatabaseCrossed(DatabaseUnavailable):
    """Two changes got in each other's way, and this one was taken back: nothing was written.

    Send the request again; it will find the way free.
    """

    code = "DATABASE_CROSSED"


class DatabaseReadOnly(DatabaseUnavailable):
    """The database takes no writes just now: nothing was written.

    Point `ISTHMUS_DATABASE_URL` at the primary, or end the read-only mode.
    """

    code = "DATABASE_READ_ONLY"


class DatabaseSlow(DatabaseUnavailable):
    """The database took longer than this request may take; nothing was written.

    Look for a lock or an overloaded server, then send the request again.
    """

    code = "DATABASE_TIMEOUT"
