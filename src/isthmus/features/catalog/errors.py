"""Failures of the catalog."""

from isthmus.kit.errors import Conflict, NotFound


class ProviderNotFound(NotFound):
    """There is no such provider in the catalog.

    Take the id from `GET /api/integrations` or `isthmus provider list`.
    """

    code = "PROVIDER_NOT_FOUND"


class ProviderNotConnectable(Conflict):
    """The catalog lists this provider, but no connector for it is installed.

    Install its connector and put it on `ISTHMUS_ALLOWED_CONNECTORS`, or choose another provider.
    """

    code = "PROVIDER_NOT_CONNECTABLE"


class AppMissing(Conflict):
    """No app credentials are set for this provider; an operator sets them with `isthmus provider set`.

    Ask the operator to run `isthmus provider set` with the app's credentials.
    """

    code = "PROVIDER_APP_MISSING"


class AppChanged(Conflict):
    """The app was changed by somebody else just now; look at it again and repeat the change.

    Read it with `isthmus provider show`, then set it again.
    """

    code = "PROVIDER_APP_CHANGED"
