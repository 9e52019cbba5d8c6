"""What can go wrong with a connector in a process of its own."""

from isthmus.client import NetworkError
from isthmus.connect.budgets import Overrun
from isthmus.kit.errors import Problem


class Crashed(NetworkError):
    """The connector's own process failed during the call; it is started again for a later one."""

    CODE = "connector_crashed"
    RETRY_SAFE = False
    CURE = "The message says how it failed. If it comes again, tell whoever wrote the connector, or stop allowing it."


class Endless(Crashed, Overrun):
    """The connector found no end of one computation, and its process was ended."""

    CODE = "connector_endless"
    CURE = "Tell whoever wrote the connector which record it was; `ISTHMUS_APART__PURE_SECONDS` gives it more time."


class WallsMissing(Problem):
    """This machine cannot hold a third-party connector the way the settings demand.

    Run on Linux 5.13 or later with Landlock and seccomp, or say with `ISTHMUS_APART__WALLS=language` that weaker walls
    will do.
    """

    code = "CONNECTOR_WALLS_MISSING"


class Unready(Problem):
    """A third-party connector cannot run in a process of its own.

    The message says why: it is not as such a process needs it, or nothing that is allowed has that name. Take it out of
    `ISTHMUS_APART__CONNECTORS` to run it in the platform's process, or out of `ISTHMUS_ALLOWED_CONNECTORS`.
    """

    code = "CONNECTOR_UNREADY"
