"""The deployment's own use of a provider: one connection for calls of the app itself, its test, and who uses it."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from isthmus.client import ClientError, PlatformError
from isthmus.features import catalog
from isthmus.features.connections.errors import ConnectionNotFound, IntegrationNotFound
from isthmus.features.connections.model import unusable
from isthmus.features.connections.model.connection import Connection
from isthmus.features.connections.service import integrations, managing, settling, starting
from isthmus.features.connections.service.clients import Clients
from isthmus.features.connections.service.starting import Started
from isthmus.features.connections.settings import Settings
from isthmus.features.connections.store import deployment as store
from isthmus.kit.errors import Problem
from isthmus.kit.secret import Secret
from isthmus.scope import Scope, System

_MOST_SHOWN = 100


@dataclass(frozen=True, slots=True)
class SystemTrial:
    """How a provider answers the deployment; without a connection of its own only that it can be reached."""

    success: bool
    message: str
    tested_at: datetime
    seconds: float
    error: str | None = None


async def connect(scope: Scope, slug: str, *, keys: Mapping[str, Secret] | None, return_url: str | None) -> Started:
    """The deployment's one connection of a provider: made, or given new credentials.

    Raises what `starting.start` and `starting.reconnect` raise.
    """
    own = scope.platform()  # house: platform - the deployment's own connection
    await catalog.provider(own, slug, hidden=True)
    found = await _own(own, slug)
    if found is not None:
        return await starting.reconnect(own, found.id, keys=keys, return_url=return_url)
    return await starting.start_for(own, slug, settling.Target(), return_url, keys)


async def disconnect(scope: Scope, slug: str) -> str:
    """End it, and with it the deployment's use of the provider. Raises ConnectionNotFound."""
    own = scope.platform()  # house: platform - the deployment's own connection
    found = await _own(own, slug)
    if found is None:
        raise ConnectionNotFound
    revoked = await managing.disconnect(own, found.id)
    await _forget_uses(own, slug)
    return revoked


async def _forget_uses(own: Scope, slug: str) -> None:
    """Remove the deployment's integrations that no connection is left of: they stand for nothing, and hold nobody."""
    async with own.tx() as tx:
        idle = await store.idle(tx, slug)
    for integration_id in idle:
        with suppress(IntegrationNotFound):
            await integrations.remove(own, integration_id)


async def test(scope: Scope, slug: str) -> SystemTrial:
    """Try the deployment's connection; without one, whether the app is set and the provider can be reached.

    Raises ProviderNotFound.
    """
    own = scope.platform()  # house: platform - the deployment's own connection
    found = await _own(own, slug)
    if found is not None:
        trial = await managing.test(own, found.id)
        return SystemTrial(trial.success, trial.message, trial.tested_at, trial.seconds, trial.error)
    began = scope.clock.monotonic()
    message, error = await _reached(own, slug)
    return SystemTrial(error is None, message, scope.now, scope.clock.monotonic() - began, error)


async def _reached(own: Scope, slug: str) -> tuple[str, str | None]:
    try:
        registration = await catalog.registration(own, slug)
    except (catalog.AppMissing, catalog.ProviderNotConnectable) as missing:
        return missing.message, missing.code.lower()
    waited = own.part(Settings).exchange_deadline.total_seconds()
    try:
        async with own.part(Clients).plain(registration, own.clock, tenant_id=own.tenant_id) as client:
            await client.get("/", deadline=waited)
    except PlatformError:
        pass  # any answer is one: nobody is signed in here
    except ClientError as failed:
        return unusable.told(failed.kind) or "The provider cannot be reached.", failed.kind
    except Problem as failed:
        return failed.message, failed.code.lower()
    return "The provider answers. The deployment has no connection of its own, so no credentials were tried.", None


async def _own(own: Scope, slug: str) -> Connection | None:
    async with own.tx() as tx:
        return await store.of_provider(tx, slug)


async def remove_provider(scope: Scope, slug: str, category: str) -> None:  # house: silent - the catalog emits
    """Take a provider out of the catalog. Raises ProviderNotFound, and ProviderInUse unless it was deprecated first.

    What the deployment itself began and no connection is left of is no use of it, and goes with it.
    """
    shown = catalog.checked(await catalog.provider(scope, slug, hidden=True), category)
    own = scope.platform()  # house: platform - the deployment's own use
    if shown.status != "deprecated":
        async with own.tx() as tx:
            idle = await store.idle(tx, slug)
        async with System(scope.engine, scope.clock).tx() as look:
            total, uses = await store.uses(look, slug, idle, _MOST_SHOWN)
        if total:
            raise catalog.ProviderInUse(details={"total": total, "integrations": uses})
    await _forget_uses(own, slug)
    await catalog.remove_provider(scope, slug)
