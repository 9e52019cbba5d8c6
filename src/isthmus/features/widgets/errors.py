"""What a widget cannot show."""

from isthmus.kit.errors import Problem


class PlatformSilent(Problem):
    """The platform did not answer, and nothing that it said before is kept.

    Try again; the connection's log tells why it failed.
    """

    code = "PLATFORM_SILENT"
    status = 502
