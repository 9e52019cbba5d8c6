"""Providers as the catalog shows them: the manifest is the default, an override row changes single fields (pure)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType
from typing import Any

from isthmus.connect.manifest import Entity, Field, Limit, Manifest, OAuth
from isthmus.features.catalog.model.words import is_link
from isthmus.kit import text
from isthmus.kit.errors import Invalid
from isthmus.kit.etags import etag

STATUSES = ("active", "beta", "deprecated", "disabled")
AUDIENCES = ("system", "tenant")
CATEGORIES = (
    "crm", "communication", "data_source", "storage", "custom",
    "marketplace", "payment", "accounting", "support", "analytics",
)  # fmt: skip
_READING = frozenset({"list", "read"})
_WRITING = frozenset({"create", "update", "delete", "write", "push"})
_TEXT_LIMIT = 2_000


@dataclass(frozen=True, slots=True)
class Provider:
    """One provider: facts of its folder and of the override row laid over them."""

    id: str
    names: Mapping[str, str]
    display_name: str
    description: str
    category: str
    integration_type: str
    status: str
    audience: str
    auth: str
    api_version: str
    documentation_url: str
    icon: str
    color: str
    uptime: str
    regions: tuple[str, ...]
    oauth: OAuth | None
    entities: tuple[Entity, ...]
    limits: tuple[Limit, ...]
    app_fields: tuple[Field, ...]
    credential_fields: tuple[Field, ...]
    settings_fields: tuple[Field, ...]
    connectable: bool
    since: datetime
    updated_at: datetime
    manifest: Manifest
    premium: bool = False
    required_plan: str | None = None
    featured: bool = False
    user_scoping: bool = False
    version: int = 0
    overridden: tuple[str, ...] = ()
    #: Made at run time and not by a folder.
    declared: bool = False
    removed: bool = False
    #: Whether the app that a consent needs is set for whoever asks; None where none is needed, or nobody looked.
    app_ready: bool | None = None

    @property
    def etag(self) -> str:
        """Stands for what operators have made of it."""
        return provider_tag(self.id, self.version)

    @property
    def operations(self) -> frozenset[str]:
        """What can be done with any of its entities."""
        return frozenset(name for entity in self.entities for name in entity.operations) | set(
            self.manifest.capabilities
        )

    @property
    def capabilities(self) -> list[str]:
        """The operations by name, in a stable order."""
        return sorted(self.operations)

    @property
    def sync_directions(self) -> list[str]:
        """002's directions: as the manifest says, else derived from the operations."""
        if self.manifest.sync_directions:
            return list(self.manifest.sync_directions)
        pulls, pushes = bool(self.operations & _READING), bool(self.operations & _WRITING)
        found = [name for name, is_there in (("pull", pulls), ("push", pushes)) if is_there]
        return [*found, "bidirectional"] if pulls and pushes else found

    @property
    def searchable(self) -> list[str]:
        """Entities that the far side can search by itself."""
        return [entity.name for entity in self.entities if "search" in entity.operations]

    @property
    def overridden_fields(self) -> tuple[str, ...]:
        """What an operator changed, by the document's names."""
        return tuple(_TOLD.get(name, name) for name in self.overridden)

    @property
    def listed(self) -> bool:
        """Whether merchants see it (document 002: audience tenant, status active)."""
        return self.audience == "tenant" and self.status == "active" and not self.removed


@dataclass(frozen=True, slots=True)
class Override:
    """What an operator changed of a provider."""

    id: str
    status: str | None
    audience: str | None
    fields: Mapping[str, object]
    version: int
    updated_at: datetime
    #: A provider made at run time; its whole manifest is kept apart.
    declared: bool = False
    removed: bool = False
    created_at: datetime | None = None

    @property
    def state(self) -> dict[str, object]:
        """What the row changes, for the history."""
        own = {"status": self.status, "audience": self.audience, **self.fields}
        return {name: value for name, value in own.items() if value is not None}


def of_manifest(manifest: Manifest, *, connectable: bool, since: datetime, declared: bool = False) -> Provider:
    """The provider as its folder, or the definition that was made at run time, describes it."""
    return Provider(
        id=manifest.id,
        names=MappingProxyType(manifest.names),
        display_name=manifest.name,
        description=manifest.description,
        category=manifest.category,
        integration_type=manifest.integration_type,
        status=manifest.status,
        audience=manifest.audience,
        auth=manifest.auth,
        api_version=manifest.api_version,
        documentation_url=manifest.documentation_url,
        icon=manifest.icon or manifest.id,
        color=manifest.color,
        uptime=manifest.uptime,
        regions=manifest.regions,
        oauth=manifest.oauth,
        entities=manifest.entities,
        limits=manifest.limits,
        app_fields=manifest.app_fields,
        credential_fields=manifest.credential_fields,
        settings_fields=manifest.settings_fields,
        connectable=connectable,
        since=since,
        updated_at=since,
        manifest=manifest,
        premium=manifest.premium,
        required_plan=manifest.required_plan,
        featured=manifest.featured,
        user_scoping=manifest.user_scoping,
        declared=declared,
    )


#: The free fields of an override row, with their kinds.
_KINDS: Mapping[str, type] = {
    "display_name": str,
    "description": str,
    "documentation_url": str,
    "color": str,
    "icon": str,
    "category": str,
    "api_version": str,
    "uptime": str,
    "required_plan": str,
    "premium": bool,
    "featured": bool,
    "user_scoping": bool,
}
#: The document's names of these fields.
OVERRIDABLE: Mapping[str, str] = {
    "displayName": "display_name",
    "description": "description",
    "documentationUrl": "documentation_url",
    "color": "color",
    "icon": "icon",
    "category": "category",
    "version": "api_version",
    "uptime": "uptime",
    "requiredPlan": "required_plan",
    "isPremium": "premium",
    "featured": "featured",
    "requiresUserScoping": "user_scoping",
}


_TOLD = {own: name for name, own in OVERRIDABLE.items()}


def told(state: Mapping[str, object]) -> dict[str, object]:
    """What an override row holds, by the document's names; a document stays what it is."""
    return {_TOLD.get(name, name): value for name, value in state.items()}


def read_override(given: Mapping[str, object]) -> dict[str, object]:
    """Check the free fields of an override. Raises Invalid naming each wrong one."""
    wrong = [
        {"path": _TOLD.get(name, name), "message": said}
        for name, value in given.items()
        if (said := _complaint(name, value)) is not None
    ]
    if wrong:
        raise Invalid("An override is not valid.", details={"fields": wrong})
    return {name: text.shown(value) if isinstance(value, str) else value for name, value in given.items()}


def _complaint(name: str, value: object) -> str | None:
    """What is wrong with a value that is laid over a fact; None if nothing is."""
    if name not in _KINDS:
        return "This cannot be overridden."
    if not isinstance(value, _KINDS[name]):
        return f"{'true or false' if _KINDS[name] is bool else 'A text'} is needed."
    if len(str(value)) > _TEXT_LIMIT:
        return f"At most {_TEXT_LIMIT} characters are taken."
    if name == "documentation_url" and not is_link(str(value)):
        return "A link begins with https:// or http://."
    if name == "category" and value not in CATEGORIES:
        return f"One of {', '.join(CATEGORIES)}."
    return None


def listed(folder: Provider | None, row: Override | None) -> bool:
    """Whether merchants see a provider, by its folder and its row alone: one made at run time has all of it there."""
    return _states(folder, row) == ("tenant", "active") and not (row and row.removed)


def opened(folder: Provider | None, row: Override | None) -> bool:
    """Whether a merchant may begin to use a provider, one that is deprecated or not ready yet included."""
    audience, status = _states(folder, row)
    return audience == "tenant" and status != "disabled" and not (row and row.removed)


def public(folder: Provider | None, row: Override | None) -> bool:
    """Whether a merchant may know that there is such a provider: what comes with the product is no secret."""
    return folder is not None or opened(folder, row)


def _states(folder: Provider | None, row: Override | None) -> tuple[str, str]:
    status = (row and row.status) or (folder.status if folder else "")
    return (row and row.audience) or (folder.audience if folder else ""), status


def provider_tag(slug: str, version: int) -> str:
    """The tag of a provider's revision; numbers go on where a removed one of this id ended."""
    return etag("provider", slug, version)


def overlay(provider: Provider, row: Override | None) -> Provider:
    """Lay an override row over the manifest's facts; fields that a later release no longer knows are ignored."""
    if row is None:
        return provider
    found: dict[str, Any] = {name: value for name, value in row.fields.items() if name in _KINDS}
    if row.status:
        found["status"] = row.status
    if row.audience:
        found["audience"] = row.audience
    overridden = () if row.declared else tuple(sorted(found))
    since = row.created_at if row.declared and row.created_at else provider.since
    found |= {"version": row.version, "updated_at": row.updated_at, "removed": row.removed, "since": since}
    return replace(provider, **found, overridden=overridden)


def sort(providers: Sequence[Provider], by: str, order: str) -> list[Provider]:
    """Sorted by one of SORTS, ids break ties so that pages are stable."""
    return sorted(providers, key=lambda one: (_SORTS[by](one), one.id), reverse=order == "desc")


def _by_name(provider: Provider) -> str:
    return provider.display_name.casefold()


def _by_category(provider: Provider) -> str:
    return provider.category


def _by_update(provider: Provider) -> str:
    return provider.updated_at.isoformat()


def _by_creation(provider: Provider) -> str:
    return provider.since.isoformat()


def _by_status(provider: Provider) -> str:
    return provider.status


def _by_featured(provider: Provider) -> str:
    return f"{not provider.featured:d}{_by_name(provider)}"


_SORTS = {
    "featured": _by_featured,
    "name": _by_name,
    "category": _by_category,
    "updatedAt": _by_update,
    "createdAt": _by_creation,
    "status": _by_status,
}
SORTS = tuple(_SORTS)
