"""Looking providers up, and changing single facts of one."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from isthmus.connect.registry import Found
from isthmus.features.catalog import store
from isthmus.features.catalog.errors import AppChanged, ProviderNotFound
from isthmus.features.catalog.events import ProviderChanged
from isthmus.features.catalog.model import providers as model
from isthmus.features.catalog.model import search
from isthmus.features.catalog.model.providers import Override, Provider
from isthmus.kit.errors import Invalid
from isthmus.kit.paging import Ask, Page
from isthmus.scope import Scope


class Providers(Mapping[str, Found]):
    """The folders that were found at start, by provider; each also as the catalog shows it without overrides."""

    def __init__(self, found: Mapping[str, Found]) -> None:
        self._found = dict(found)
        self._shown = {name: _shown(one) for name, one in self._found.items()}

    def __getitem__(self, provider: str) -> Found:
        return self._found[provider]

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)

    def found(self, provider: str) -> Found:
        """One folder. Raises ProviderNotFound."""
        if provider not in self._found:
            raise ProviderNotFound
        return self._found[provider]

    def shown(self, provider: str) -> Provider:
        """One provider by its manifest. Raises ProviderNotFound."""
        if provider not in self._shown:
            raise ProviderNotFound
        return self._shown[provider]


def _shown(found: Found) -> Provider:
    place = found.folder / "manifest.toml"
    since = datetime.fromtimestamp(place.stat().st_mtime, UTC).replace(microsecond=0)
    return model.of_manifest(found.manifest, connectable=found.connector is not None, since=since)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What a list of providers is narrowed to; without `sort_by` a search answers the best first."""

    category: str | None = None
    search: str = ""
    sort_by: str | None = None
    sort_order: str = "asc"


async def providers(scope: Scope, *, filters: Filters = Filters(), ask: Ask = Ask()) -> Page[Provider]:  # noqa: B008
    """Those that merchants see: audience `tenant`, status `active`. Raises Invalid."""
    _check(filters)
    every = [one for one in await all_providers(scope) if one.listed]
    found = [one for one in every if filters.category in (None, one.category)]
    found = search.find(found, filters.search) if filters.search.strip() else model.sort(found, "name", "asc")
    if filters.sort_by is not None:
        found = model.sort(found, filters.sort_by, filters.sort_order)
    kept = found[ask.offset : ask.offset + ask.limit]
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
    shelf = scope.part(Providers)
    async with scope.tx() as tx:
        rows = await store.overrides(tx)
    return [model.overlay(shelf.shown(name), rows.get(name)) for name in shelf]


async def provider(scope: Scope, slug: str, *, hidden: bool = False) -> Provider:
    """One provider. Raises ProviderNotFound, also for one that merchants do not see unless `hidden` is asked for."""
    shown = scope.part(Providers).shown(slug)
    async with scope.tx() as tx:
        found = model.overlay(shown, await store.override(tx, slug))
    if not found.listed and not hidden:
        raise ProviderNotFound
    return found


async def change_provider(
    scope: Scope,
    slug: str,
    *,
    status: str | None = None,
    audience: str | None = None,
    fields: Mapping[str, object] | None = None,
) -> Provider:
    """Lay these facts over the manifest's; what is not given stays. Raises ProviderNotFound, Invalid, AppChanged."""
    _check_states(status, audience)
    given = model.read_override(fields or {})
    shown = scope.part(Providers).shown(slug)
    async with scope.platform().tx() as tx:  # house: platform - override rows belong to the deployment
        old = await store.override(tx, slug)
        row = Override(
            id=slug,
            status=status or (old.status if old else None),
            audience=audience or (old.audience if old else None),
            fields={**(old.fields if old else {}), **given},
            version=(old.version if old else 0) + 1,
            updated_at=scope.now,
        )
        if not await store.put_override(tx, row):
            raise AppChanged("The provider was changed by somebody else just now; look again and repeat the change.")
        tx.emit(ProviderChanged(subject=slug, before=_facts(old), after=_facts(row)))
    return model.overlay(shown, row)


def _check_states(status: str | None, audience: str | None) -> None:
    if status is not None and status not in model.STATUSES:
        raise Invalid.field("status", f"One of {', '.join(model.STATUSES)}.")
    if audience is not None and audience not in model.AUDIENCES:
        raise Invalid.field("audience", f"One of {', '.join(model.AUDIENCES)}.")


def _facts(row: Override | None) -> dict[str, object] | None:
    return None if row is None else {"status": row.status, "audience": row.audience, **row.fields}
