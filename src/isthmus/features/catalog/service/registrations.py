"""Which app a connection is made with: the tenant's own, the deployment's, or one from the environment.

Credentials count only for the hosts they were given for: once any host differs, by an operator's change or a new
manifest, they are not opened any more and the registration waits for new ones (security.md VA-01).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

from isthmus.connect.manifest import Manifest
from isthmus.connect.registry import Found
from isthmus.connect.spi import App, Connector
from isthmus.features import vault
from isthmus.features.catalog import store
from isthmus.features.catalog.errors import AppChanged, AppMissing, ProviderNotConnectable, ProviderNotFound
from isthmus.features.catalog.events import AppRegistered
from isthmus.features.catalog.model import apps as model
from isthmus.features.catalog.model import hosts as rules
from isthmus.features.catalog.model.apps import AppChange, StoredApp
from isthmus.features.catalog.model.proposals import Agreed
from isthmus.features.catalog.service.agreeing import agree, settle
from isthmus.features.catalog.service.providers import found as found_of
from isthmus.features.catalog.service.shelf import Providers
from isthmus.features.catalog.settings import GivenApp, GivenApps
from isthmus.kit.permissions import PLATFORM_TENANT
from isthmus.kit.secret import Secret
from isthmus.scope import Scope, Tx

CALLBACK_PATH = "/api/integrations/oauth/callback"
_FROM_ENVIRONMENT, _WITHOUT_APP = "env-", "none-"


@dataclass(frozen=True, slots=True)
class Registration:
    """An app at a provider, ready to be used.

    `kind`: tenant, platform, remote (the deployment's too, with hosts given over the API), environment, or none where
    none is needed.
    """

    id: str
    provider: str
    kind: str
    app: App
    connector: Connector
    manifest: Manifest
    redirect_path: str
    version: int
    #: The provider was made at run time: its addresses are judged like a tenant's own.
    declared: bool = False


@dataclass(frozen=True, slots=True)
class AppState:
    """What may be shown of a registration: never a credential."""

    id: str
    provider: str
    kind: str
    hosts: Mapping[str, str]
    given: tuple[str, ...]
    missing: tuple[str, ...]
    redirect_path: str
    version: int

    @property
    def etag(self) -> str:
        """Stands for what operators have made of it; sealing its credentials anew is no change."""
        return model.app_tag(self.provider, self.version)

    @property
    def status(self) -> str:
        """`ready`, or `pending` until every required credential is there."""
        return "pending" if self.missing else "ready"


async def registration(scope: Scope, provider: str, registration_id: str | None = None) -> Registration:
    """The app to connect with; with an id exactly that one, as a connection must go on with the app it began with.

    Raises ProviderNotFound, ProviderNotConnectable, AppMissing.
    """
    found = await found_of(scope, provider)
    connector = _connector(found)
    for held in (scope, scope.platform()):  # house: platform - apps that the deployment lends to its tenants
        async with held.tx() as tx:
            row = await _row(tx, held, provider, registration_id)
            if row is not None and row.provider == provider and row.usable(found.manifest):
                credentials = await _opened(held, tx, row, strict=True)
                if model.complete(found.manifest.app_fields, credentials):
                    app = App(credentials, row.effective(found.manifest))
                    path = row.redirect_path
                    return Registration(
                        row.id,
                        provider,
                        row.kind,
                        app,
                        connector,
                        found.manifest,
                        path,
                        row.version,
                        found.declared and not scope.part(Providers).is_own(provider),
                    )
    lent = _unstored(scope, found, connector, registration_id)
    if lent is None or registration_id not in (None, lent.id):
        raise AppMissing(details={"provider": provider})
    return lent


#: Of one that was made at run time: its document says what it is, and not how it is called.
_NO_SERVICE = "This provider has no `service` that says how it is called; an operator adds one, and `hosts.api`."


def _connector(found: Found) -> Connector:
    if found.connector is None:
        told = _NO_SERVICE if found.declared else None
        raise ProviderNotConnectable(told, details={"provider": found.manifest.id})
    return found.connector


async def _row(tx: Tx, scope: Scope, provider: str, registration_id: str | None) -> StoredApp | None:
    if registration_id is None:
        return await store.app_of(tx, scope.tenant_id, provider)
    return await store.app_by_id(tx, scope.tenant_id, registration_id)


def _unstored(scope: Scope, found: Found, connector: Connector, wanted: str | None) -> Registration | None:
    """An app of the environment, or of a provider that needs none; what was connected without one goes on so."""
    manifest = found.manifest
    given = scope.part(GivenApps).apps.get(manifest.id, GivenApp())
    needed = any(field.required for field in manifest.app_fields)
    alone = not needed and (not given.credentials or wanted == f"{_WITHOUT_APP}{manifest.id}")
    kind, prefix = ("none", _WITHOUT_APP) if alone else ("environment", _FROM_ENVIRONMENT)
    credentials = model.read_credentials(manifest.app_fields, given.credentials)
    if not model.complete(manifest.app_fields, credentials):
        return None
    hosts = rules.effective(manifest.hosts, rules.read_hosts(manifest.hosts, given.hosts))
    identity = f"{prefix}{manifest.id}"
    path = f"{CALLBACK_PATH}/{identity}"
    declared = found.declared and not scope.part(Providers).is_own(manifest.id)
    return Registration(identity, manifest.id, kind, App(credentials, hosts), connector, manifest, path, 0, declared)


async def set_app(
    scope: Scope,
    provider: str,
    *,
    credentials: Mapping[str, Secret] | None = None,
    hosts: Mapping[str, str] | None = None,
    remote: bool = False,
    agreed: Agreed | None = None,
) -> AppState:
    """Set the app of the scope's tenant; in the platform's scope that of the whole deployment.

    remote: the hosts came over the API and not by a hand on this machine, so calls reach the public Internet only.

    Given credentials are laid over the stored ones; given hosts replace the operator's earlier ones, and clear every
    credential that is not given anew. Raises ProviderNotFound, Invalid, AppChanged; SecondPersonNeeded where the
    deployment's app is to point elsewhere, ProposalStale.
    """
    manifest = (await found_of(scope, provider)).manifest
    told = await _moved(scope, manifest, credentials, hosts, agreed)
    async with scope.tx() as tx:
        await settle(scope, tx, agreed)
        old = await store.app_of(tx, scope.tenant_id, provider)
        _check_seen(scope, provider, old, credentials, hosts)
        known = await _opened(scope, tx, old) if old and old.usable(manifest) else {}
        decided = model.change(manifest, old, known, credentials, hosts)
        row = replace(await _sealed(scope, tx, provider, old, decided), kind=_kind(scope, old, hosts, remote=remote))
        if not await store.put_app(tx, row):
            newest = await store.app_of(tx, scope.tenant_id, provider)
            raise AppChanged(details={"etag": model.app_tag(provider, newest.version if newest else 0)})
        after = _facts(row) | {"cleared": decided.cleared}
        tx.emit(AppRegistered(subject=row.id, before=_facts(old), after=after, body=told))
    scope.part(Providers).lent = None
    return _state(manifest, row, decided.credentials or {})


def _check_seen(
    scope: Scope,
    provider: str,
    old: StoredApp | None,
    credentials: Mapping[str, Secret] | None,
    hosts: Mapping[str, str] | None,
) -> None:
    """Raise AppChanged where the app is not as the caller has read it, and something of it is to be other.

    Whoever comes between this and the change makes the change fail.
    """
    if credentials or (hosts is not None and dict(hosts) != dict(old.hosts if old else {})):
        scope.check_seen(model.app_tag(provider, old.version if old else 0), AppChanged)


async def _moved(
    scope: Scope,
    manifest: Manifest,
    credentials: Mapping[str, Secret] | None,
    hosts: Mapping[str, str] | None,
    agreed: Agreed | None,
) -> Mapping[str, object]:
    """What is told of the agreement that the deployment's app points elsewhere; a tenant's app is its own affair."""
    if scope.tenant_id != PLATFORM_TENANT:
        return {}
    async with scope.tx() as tx:
        old = await store.app_of(tx, scope.tenant_id, manifest.id)
    _check_seen(scope, manifest.id, old, credentials, hosts)
    own = dict(old.hosts) if hosts is None and old else rules.read_hosts(manifest.hosts, hosts or {})
    model.read_credentials(manifest.app_fields, credentials or {})
    given = {"credentials": dict.fromkeys(sorted(credentials), "given")} if credentials else {}
    lent = scope.part(GivenApps).apps.get(manifest.id, GivenApp())
    before = {"hosts": old.effective(manifest) if old else rules.effective(manifest.hosts, lent.hosts)}
    return await agree(scope, before, {"hosts": rules.effective(manifest.hosts, own), **given}, agreed)


def _kind(scope: Scope, old: StoredApp | None, hosts: Mapping[str, str] | None, *, remote: bool) -> str:
    """Whose app it is, and whether its hosts were given from afar."""
    if scope.tenant_id != PLATFORM_TENANT:
        return "tenant"
    if hosts is None and old is not None:
        return old.kind
    return "remote" if remote and hosts else "platform"


async def _sealed(scope: Scope, tx: Tx, provider: str, old: StoredApp | None, decided: AppChange) -> StoredApp:
    identity = old.id if old else scope.id("reg")
    text = {name: secret.reveal() for name, secret in (decided.credentials or {}).items()}
    field = _field(decided.bound_to)
    sealed = await vault.seal(scope, tx, Secret(json.dumps(text)), owner=identity, field=field) if text else None
    return StoredApp(
        id=identity,
        tenant_id=scope.tenant_id,
        provider=provider,
        kind="tenant",
        credentials=sealed,
        hosts=decided.hosts,
        bound_to=decided.bound_to,
        redirect_path=f"{CALLBACK_PATH}/{identity}",
        version=(old.version if old else 0) + 1,
        updated_at=scope.now,
    )


async def _opened(scope: Scope, tx: Tx, row: StoredApp, *, strict: bool = False) -> dict[str, Secret]:
    """The credentials. What does not open any more is as good as not set, where it is set anew or only listed."""
    if row.credentials is None:
        return {}
    try:
        text = await vault.open(scope, tx, row.credentials, owner=row.id, field=_field(row.bound_to))
    except vault.Unreadable:
        if strict:
            raise
        return {}
    return {name: Secret(value) for name, value in json.loads(text.reveal()).items()}


def _field(bound_to: str) -> str:
    """The hosts are part of what the seal is bound to: moved to a row with other hosts, it does not open."""
    return f"credentials:{bound_to}"


def _facts(row: StoredApp | None) -> dict[str, object]:
    return {} if row is None else {"provider": row.provider, "hosts": dict(row.hosts), "version": row.version}


async def apps(scope: Scope) -> list[AppState]:
    """The registrations of the scope's tenant, without any credential."""
    shelf = scope.part(Providers)
    states: list[AppState] = []
    async with scope.tx() as tx:
        await shelf.load(tx, (await store.overrides(tx)).values())
        for row in await store.apps(tx, scope.tenant_id):
            if row.provider in shelf:
                manifest = shelf[row.provider].manifest
                known = await _opened(scope, tx, row) if row.usable(manifest) else {}
                states.append(_state(manifest, row, known))
    return states


def _state(manifest: Manifest, row: StoredApp, known: Mapping[str, Secret]) -> AppState:
    missing = tuple(field.name for field in manifest.app_fields if field.required and field.name not in known)
    given = tuple(sorted(known))
    hosts = row.effective(manifest)
    return AppState(row.id, row.provider, row.kind, hosts, given, missing, row.redirect_path, row.version)


async def reseal(scope: Scope, after: str | None, limit: int) -> str | None:  # house: silent - no fact changes
    """Seal some registrations under the tenant's current key; the last id, None behind the last one."""
    async with scope.tx() as tx:
        rows = await store.apps_after(tx, scope.tenant_id, after or "", limit)
        for row in rows:
            if row.credentials is None:
                continue
            sealed = await vault.reseal(scope, tx, row.credentials, owner=row.id, field=_field(row.bound_to))
            if sealed is not None:
                await store.reseal(tx, row, sealed)
    return rows[-1].id if len(rows) == limit else None


def check_given(shelf: Providers, given: GivenApps) -> None:
    """Whether what the environment says of providers can be meant; for the start. Raises ProviderNotFound, Invalid."""
    for name, app in given.apps.items():
        if name not in shelf:
            raise ProviderNotFound(f"The environment sets an app for {name!r}, which is no provider.")
        manifest = shelf[name].manifest
        model.read_credentials(manifest.app_fields, app.credentials)
        rules.read_hosts(manifest.hosts, app.hosts)
