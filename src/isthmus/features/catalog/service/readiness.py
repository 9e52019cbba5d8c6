"""Whether a provider's app is set, so that people are told before they begin what would be refused."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from isthmus.features.catalog import store
from isthmus.features.catalog.model import apps as model
from isthmus.features.catalog.model.apps import StoredApp
from isthmus.features.catalog.model.providers import Provider
from isthmus.features.catalog.service.shelf import Providers
from isthmus.features.catalog.settings import GivenApps
from isthmus.scope import Scope

#: For so many seconds another process may show what was before an operator set an app; connecting never does.
_MOMENT = 5.0


async def app_ready(scope: Scope, one: Provider) -> bool:
    """Whether nothing that an operator has to set stands in the way of connecting the provider."""
    return (await seen(scope, one)).app_ready is not False


async def seen(scope: Scope, one: Provider) -> Provider:
    """The provider, with whether its app is set for this tenant."""
    needed = model.ready(one.manifest, ()) is not None
    return replace(one, app_ready=one.id in await usable(scope)) if needed else one


async def usable(scope: Scope) -> frozenset[str]:
    """The providers whose app the tenant can use: its own, or one that the deployment lends."""
    async with scope.tx() as tx:
        own = await store.apps(tx, scope.tenant_id)
    return (await lent(scope)).union(usable_of(scope, own))


def usable_of(scope: Scope, rows: Iterable[StoredApp]) -> Iterator[str]:
    """The providers of those among these apps that can be used.

    Credentials are taken only in whole, so those that are there and for today's hosts are all that is needed.
    """
    shelf = scope.part(Providers)
    return (row.provider for row in rows if row.provider in shelf and row.usable(shelf[row.provider].manifest))


async def lent(scope: Scope) -> frozenset[str]:
    """Those that the deployment lends an app for, as it was a moment ago."""
    shelf, now = scope.part(Providers), scope.clock.monotonic()
    if shelf.lent is not None and now < shelf.lent[1]:
        return shelf.lent[0]
    platform = scope.platform()  # house: platform - which apps the deployment lends to its tenants
    async with platform.tx() as tx:
        rows = await store.apps(tx, platform.tenant_id)
    given = scope.part(GivenApps).apps
    named = (
        name
        for name, app in given.items()
        if name in shelf and model.complete(shelf[name].manifest.app_fields, app.credentials)
    )
    found = frozenset([*usable_of(scope, rows), *named])
    shelf.lent = found, now + _MOMENT
    return found
