"""Looking providers up, and changing single facts of one."""

from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass, replace

from isthmus.connect.registry import Found
from isthmus.features.catalog import store
from isthmus.features.catalog.errors import ProviderNotFound
from isthmus.features.catalog.model import providers as model
from isthmus.features.catalog.model import search
from isthmus.features.catalog.model.apps import StoredApp, ready
from isthmus.features.catalog.model.providers import Override, Provider
from isthmus.features.catalog.service import readiness
from isthmus.features.catalog.service.shelf import Providers as Providers
from isthmus.kit.errors import Invalid
from isthmus.kit.paging import Ask, Page
from isthmus.kit.permissions import PLATFORM_TENANT
from isthmus.scope import Scope


async def found(scope: Scope, slug: str) -> Found:
    """One provider with its behaviour, as it is now, one that was taken out of the catalog included.

    Raises ProviderNotFound.
    """
    shelf = scope.part(Providers)
    if not shelf.is_own(slug):
        async with scope.tx() as tx:
            row = await store.override(tx, slug)
            if row is None or not row.declared:
                raise ProviderNotFound
            await shelf.load(tx, [row])
    return shelf.found(slug)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What a list of providers is narrowed to; without `sort_by` a search answers the best first."""

    category: str | None = None
    status: str | None = None
    audience: str | None = None
    integration_type: str | None = None
    auth: str | None = None
    featured: bool | None = None
    app_ready: bool | None = None
    search: str = ""
    sort_by: str | None = None
    sort_order: str = "asc"


async def providers(scope: Scope, *, filters: Filters = Filters(), ask: Ask = Ask()) -> Page[Provider]:  # noqa: B008
    """Those that merchants see: audience `tenant`, status `active`. Raises Invalid."""
    _check(filters)
    every, own = await _read(scope)
    apps = (await readiness.lent(scope)).union(readiness.usable_of(scope, own))
    return _page([one for one in every if one.listed], filters, ask, apps)


async def listed_providers(scope: Scope) -> list[Provider]:
    """All that merchants see, by id."""
    return [one for one in await all_providers(scope) if one.listed]


async def every_provider(scope: Scope, *, filters: Filters, ask: Ask) -> Page[Provider]:
    """Those of the whole deployment, hidden ones too. Raises Invalid."""
    _check(filters)
    return _page(await all_providers(scope), filters, ask, await readiness.lent(scope))


_NARROW = ("category", "status", "audience", "integration_type", "auth", "featured")


def _page(every: Iterable[Provider], filters: Filters, ask: Ask, apps: Container[str]) -> Page[Provider]:
    wanted = [(name, getattr(filters, name)) for name in _NARROW if getattr(filters, name) is not None]
    found = [one for one in every if all(getattr(one, name) == value for name, value in wanted)]
    if filters.app_ready is not None:
        found = [one for one in found if ready(one.manifest, apps) is filters.app_ready]
    found = search.find(found, filters.search) if filters.search.strip() else model.sort(found, "featured", "asc")
    if filters.sort_by is not None:
        found = model.sort(found, filters.sort_by, filters.sort_order)
    asked = found[ask.offset : ask.offset + ask.limit]
    kept = [replace(one, app_ready=ready(one.manifest, apps)) for one in asked]
    return Page(kept, total=len(found), has_more=ask.offset + len(kept) < len(found))


def _check(filters: Filters) -> None:
    for path, value, known in (
        ("category", filters.category, model.CATEGORIES),
        ("sortBy", filters.sort_by, model.SORTS),
        ("sortOrder", filters.sort_order, ("asc", "desc")),
    ):
        if value is not None and value not in known:
            raise Invalid.field(path, f"One of {', '.join(known)}.")


async def all_providers(scope: Scope) -> list[Provider]:
    """Every provider, hidden ones too, by id; for operators."""
    return (await _read(scope))[0]


async def _read(scope: Scope) -> tuple[list[Provider], list[StoredApp]]:
    """The same, and the apps of the scope's tenant, in one trip more and not in one for each provider."""
    shelf = scope.part(Providers)
    async with scope.tx() as tx:
        rows = await store.overrides(tx)
        await shelf.load(tx, rows.values())
        own = await store.apps(tx, scope.tenant_id)
    known = [name for name in shelf if shelf.is_own(name) or name in rows]
    every = [model.overlay(shelf.shown(name), rows.get(name)) for name in sorted(known)]
    return [one for one in every if not one.removed], own


async def provider(scope: Scope, slug: str, *, hidden: bool = False) -> Provider:
    """One provider. Raises ProviderNotFound, also for one that merchants do not see unless `hidden` is asked for."""
    shown = await _known(scope, slug, _any if hidden else model.listed)
    if shown.removed:
        raise ProviderNotFound
    return shown


async def opened_provider(scope: Scope, slug: str) -> Provider:
    """One that the tenant may begin to use, whatever its plan; the deployment itself may use hidden ones.

    Raises ProviderNotFound for one that was taken out of the catalog, is disabled, or is the deployment's own.
    """
    if scope.tenant_id == PLATFORM_TENANT:
        return await provider(scope, slug, hidden=True)
    return await _known(scope, slug, model.opened)


async def told_provider(scope: Scope, slug: str) -> Provider:
    """One that the tenant may know of, also where its catalog does not list it. Raises ProviderNotFound."""
    return await _known(scope, slug, _any if scope.tenant_id == PLATFORM_TENANT else model.public)


async def known_provider(scope: Scope, slug: str) -> Provider:
    """One provider, also one that was taken out of the catalog: for what uses it already. Raises ProviderNotFound."""
    return await _known(scope, slug, _any)


def _any(*_: object) -> bool:
    return True


async def _known(scope: Scope, slug: str, seen: Callable[[Provider | None, Override | None], bool]) -> Provider:
    """What is not theirs to see is refused before more of it is read than of what never was (SC-05)."""
    shelf = scope.part(Providers)
    folder = shelf.shown(slug) if shelf.is_own(slug) else None
    async with scope.tx() as tx:
        row = await store.override(tx, slug)
        there = (row is not None or folder is not None) and seen(folder, row)
        if there and row is not None:
            await shelf.load(tx, [row])
    if not there:
        raise ProviderNotFound
    return model.overlay(shelf.shown(slug), row)
