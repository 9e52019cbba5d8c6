"""What goes over the wire about providers."""

from datetime import datetime
from typing import Any

from isthmus.connect.manifest import Entity, Field, OAuth
from isthmus.features.catalog.model.providers import Provider
from isthmus.http import Answer


class EntityOut(Answer, frozen=True):
    """A kind of record the provider has."""

    name: str
    display_name: str
    shard_type: str
    operations: list[str]
    fields: list[str]


class FieldMappingOut(Answer, frozen=True, rename={"source": "from", "target": "to"}):
    """One field's way from the provider's record to ours."""

    source: str
    target: str
    transform: str | None


class EntityMappingOut(Answer, frozen=True):
    """Which canonical type an entity becomes."""

    entity: str
    shard_type: str
    field_mappings: list[FieldMappingOut]


class SearchOut(Answer, frozen=True):
    """What the provider's own search can do."""

    full_text: bool
    field_specific: bool
    filtered: bool


class OAuthOut(Answer, frozen=True):
    """The public part of the provider's consent; nothing of the app is in it."""

    scopes: list[str]
    pkce: bool
    refreshable: bool


class LimitOut(Answer, frozen=True):
    """A published budget of calls."""

    requests: int
    seconds: float
    per: str
    source: str


class FormFieldOut(Answer, frozen=True):
    """One field of a form that a person fills in."""

    name: str
    label: str
    secret: bool
    required: bool
    help: str
    pattern: str


class ProviderOut(Answer, frozen=True):
    """002's IntegrationProviderDocument."""

    id: str
    name: str
    names: dict[str, str]
    display_name: str
    description: str
    category: str
    integration_type: str
    provider: str
    status: str
    audience: str
    capabilities: list[str]
    supported_sync_directions: list[str]
    supports_realtime: bool
    supports_webhooks: bool
    supports_notifications: bool
    supports_search: bool
    searchable_entities: list[str]
    search_capabilities: SearchOut
    requires_user_scoping: bool
    auth_type: str
    oauth_config: OAuthOut | None
    available_entities: list[EntityOut]
    entity_mappings: list[EntityMappingOut]
    icon: str
    color: str
    version: str
    is_premium: bool
    required_plan: str | None
    documentation_url: str
    uptime: str
    regions: list[str]
    limits: list[LimitOut]
    connectable: bool
    featured: bool
    #: Whether the caller's plan includes it.
    included: bool
    hosts: dict[str, str]
    origin: str
    revision: int
    overridden: list[str]
    overridden_fields: list[str]
    created_at: datetime
    updated_at: datetime


class ProviderDetail(ProviderOut, frozen=True):
    """One provider, with what its connect form asks for."""

    credential_fields: list[FormFieldOut]
    settings_fields: list[FormFieldOut]
    app_fields: list[FormFieldOut]


class ProviderWhole(ProviderDetail, frozen=True):
    """One provider as its keepers see it; `document` is what can be sent back, endpoints and addresses included."""

    document: dict[str, Any]


class ProviderList(Answer, frozen=True):
    """A page of the catalog."""

    providers: list[ProviderOut]
    total: int
    limit: int
    offset: int
    has_more: bool
    next_offset: int | None = None


class CategoryOut(Answer, frozen=True):
    """A category and how many providers it has."""

    category: str
    count: int


class CategoryList(Answer, frozen=True):
    """What the catalog holds, by category, most providers first."""

    categories: list[CategoryOut]
    integration_types: dict[str, int]
    featured: list[str]
    total: int


def detail_of(provider: Provider, *, included: bool = True) -> ProviderDetail:
    """With its forms."""
    return ProviderDetail(**facts_of(provider, included=included), **_forms(provider))


def whole_of(provider: Provider, document: dict[str, Any]) -> ProviderWhole:
    """With its forms and its document."""
    return ProviderWhole(**facts_of(provider), **_forms(provider), document=document)


def _forms(provider: Provider) -> dict[str, Any]:
    return {
        "credential_fields": [_field(one) for one in provider.credential_fields],
        "settings_fields": [_field(one) for one in provider.settings_fields],
        "app_fields": [_field(one) for one in provider.app_fields],
    }


def facts_of(provider: Provider, *, included: bool = True) -> dict[str, Any]:
    return {
        "id": provider.id,
        "name": provider.id,
        "names": dict(provider.names),
        "display_name": provider.display_name,
        "description": provider.description,
        "category": provider.category,
        "integration_type": provider.integration_type,
        "provider": provider.id,
        "status": provider.status,
        "audience": provider.audience,
        "auth_type": provider.auth,
        "oauth_config": _oauth(provider.oauth),
        "icon": provider.icon,
        "color": provider.color,
        "version": provider.api_version,
        "is_premium": provider.premium,
        "required_plan": provider.required_plan,
        "documentation_url": provider.documentation_url,
        "uptime": provider.uptime,
        "regions": list(provider.regions),
        "limits": [
            LimitOut(requests=x.requests, seconds=x.seconds, per=x.per, source=x.source) for x in provider.limits
        ],
        "connectable": provider.connectable,
        "featured": provider.featured,
        "included": included,
        "hosts": dict(provider.manifest.hosts),
        "origin": "declared" if provider.declared else "shipped",
        "revision": provider.version,
        "overridden_fields": list(provider.overridden),
        "overridden": list(provider.overridden),
        "created_at": provider.since,
        "updated_at": provider.updated_at,
        **_abilities(provider),
    }


def _abilities(provider: Provider) -> dict[str, Any]:
    searches, manifest = bool(provider.searchable), provider.manifest
    return {
        "capabilities": provider.capabilities,
        "supported_sync_directions": provider.sync_directions,
        "supports_realtime": manifest.realtime or "subscribe" in provider.operations,
        "supports_webhooks": manifest.webhooks is not None or "webhook" in provider.operations,
        "supports_notifications": manifest.notifications or "notify" in provider.operations,
        "supports_search": searches,
        "searchable_entities": provider.searchable,
        "search_capabilities": _search(provider),
        "requires_user_scoping": provider.user_scoping,
        "available_entities": [_entity(one) for one in provider.entities],
        "entity_mappings": [_mapping(provider, one) for one in provider.entities],
    }


def _entity(entity: Entity) -> EntityOut:
    return EntityOut(
        name=entity.name,
        display_name=entity.display_name,
        shard_type=entity.shard_type,
        operations=list(entity.operations),
        fields=list(entity.fields),
    )


def _mapping(provider: Provider, entity: Entity) -> EntityMappingOut:
    own = next((one for one in provider.manifest.mappings if one.entity == entity.name), None)
    fields = own.field_mappings if own is not None else ()
    shown = [FieldMappingOut(source=one.source, target=one.target, transform=one.transform) for one in fields]
    return EntityMappingOut(entity=entity.name, shard_type=entity.shard_type, field_mappings=shown)


def _search(provider: Provider) -> SearchOut:
    told, searches = provider.manifest.search, bool(provider.searchable)
    if told is None:
        return SearchOut(full_text=searches, field_specific=False, filtered=False)
    return SearchOut(full_text=told.full_text, field_specific=told.field_specific, filtered=told.filtered)


def _oauth(oauth: OAuth | None) -> OAuthOut | None:
    return None if oauth is None else OAuthOut(scopes=list(oauth.scopes), pkce=oauth.pkce, refreshable=oauth.refresh)


def _field(field: Field) -> FormFieldOut:
    return FormFieldOut(
        name=field.name,
        label=field.label,
        secret=field.secret,
        required=field.required,
        help=field.help,
        pattern=field.pattern,
    )
