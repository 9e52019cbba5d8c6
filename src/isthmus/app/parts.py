"""The parts that services reach by type: each room's settings, the provider registry, the vault, bound clients."""

from collections.abc import Callable
from dataclasses import replace

from isthmus.app.caps import every_cap
from isthmus.app.features import FEATURES
from isthmus.client import Budget
from isthmus.connect import registry
from isthmus.engine.blobs import FolderBlobs
from isthmus.engine.bus import Walls
from isthmus.engine.keys import KeyRing
from isthmus.engine.presence import Presence
from isthmus.features import (
    access,
    audit,
    catalog,
    connections,
    proxy,
    pushes,
    records,
    schedules,
    sync,
    uploads,
    vault,
    webhooks_in,
    webhooks_out,
    widgets,
)
from isthmus.http import HttpSettings
from isthmus.http.routes import DeclaredRoute
from isthmus.settings import Settings, WrongSetting

#: What an operator says goes before the address that was bound: browsers may come through a proxy.
_PUBLIC_URL = "ISTHMUS_CONNECTIONS__PUBLIC_URL"


def parts(
    settings: Settings,
    reload: Callable[[], KeyRing],
    providers: catalog.Providers,
    budget: Budget,
    presence: Presence,
    public_url: str | None,
    weak: audit.Weaknesses = audit.Weaknesses(),  # noqa: B008 - frozen, and empty
) -> dict[type, object]:
    """Every part by its type. `reload` reads the master keys anew. Raises WrongSetting, Invalid, ProviderNotFound."""
    try:
        apps = catalog.read_apps(settings.environment)
        logins = access.read_logins(settings.environment)
        access.check_logins(logins)
    except ValueError as error:
        raise WrongSetting(str(error)) from error
    catalog.check_given(providers, apps)
    reach = settings.part(connections.Settings)
    if public_url is not None and _PUBLIC_URL not in settings.origins:
        reach = replace(reach, public_url=public_url)
    clients = connections.Clients(reach, budget=budget, share=presence.share)
    lines = proxy.Lines(settings.part(proxy.Settings))
    presence.tell("connections.host_connections", clients.hosts.counts)
    presence.tell("proxy.at_once", lines.counts)
    made: list[object] = [
        *(settings.part(feature.settings) for feature in FEATURES if feature.settings is not None),
        access.Hasher(),
        access.Logins(logins, reach.public_url, reach.allow_networks),
        access.Leaving([leave for feature in FEATURES for leave in feature.leaves]),
        access.Usage(every_cap(settings.part(HttpSettings))),
        access.Rights((each for feature in FEATURES for each in feature.permissions), _embedded()),
        providers,
        apps,
        vault.Vault(reload(), settings.part(vault.Settings), reload=reload),
        vault.Reseals({name: given for feature in FEATURES for name, given in feature.reseals.items()}),
        presence,
        clients,
        FolderBlobs(settings.core.home / "blobs"),
        records.Follow(settings.core.keep_events),
        catalog.Plans(access.plan_of),
        connections.Members(access.known_members),
        catalog.Colleagues(access.other_super_admins, access.is_super_admin),
        sync.Calendar(schedules.next_runs),
        sync.Besides(uploads.moved),
        uploads.Formats(registry.folders()),
        webhooks_in.Handlers(),
        webhooks_in.Marks(),
        webhooks_out.Catalogue(kind for feature in FEATURES for kind in feature.emits),
        Walls(records.hides_of),
        webhooks_out.Daily(settings.part(webhooks_out.Settings).events_per_day, budget),
        webhooks_out.Sender(settings.part(webhooks_out.Settings)),
        pushes.Lines(),
        lines,
        widgets.Shelf(settings.part(widgets.Settings).cache_bytes),
        weak,
        reach,
    ]
    return {type(part): part for part in made}


def _embedded() -> set[str]:
    """The permissions of routes that foreign pages may call."""
    rooms = [each.router.routes for feature in FEATURES for each in feature.routes]
    found = [route.declaration for routes in rooms for route in routes if isinstance(route, DeclaredRoute)]
    return {one.permission.name for one in found if one is not None and one.embed}
