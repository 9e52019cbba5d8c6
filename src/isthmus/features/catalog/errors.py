"""Failures of the catalog."""

from isthmus.kit.errors import Conflict, NotFound


class ProviderNotFound(NotFound):
    """There is no such provider in the catalog."""

    code = "PROVIDER_NOT_FOUND"


class ProviderNotConnectable(Conflict):
    """The catalog lists this provider, but no connector for it is installed."""

    code = "PROVIDER_NOT_CONNECTABLE"


class AppMissing(Conflict):
    """No app credentials are set for this provider; an operator sets them with `isthmus provider set`."""

    code = "PROVIDER_APP_MISSING"


class AppChanged(Conflict):
    """The app was changed by somebody else just now; look at it again and repeat the change."""

    code = "PROVIDER_APP_CHANGED"
