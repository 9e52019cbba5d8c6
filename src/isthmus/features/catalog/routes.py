"""The catalog as merchants see it (document 002, Tenant Integration Endpoints)."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Query
from starlette.responses import Response

from isthmus.connect.manifest import Entity, Field, OAuth
from isthmus.features.catalog.errors import ProviderNotFound
from isthmus.features.catalog.model.providers import Provider
from isthmus.features.catalog.service import providers as service
from isthmus.features.catalog.service.providers import Filters
from isthmus.http import Answer, PageDep, Routes, ScopeDep, document
from isthmus.kit.paging import Page
from isthmus.kit.permissions import SUPER_ADMIN, TENANT_ADMIN, USER, permission

READ = permission("catalog:read", "See which providers can be connected.", SUPER_ADMIN, TENANT_ADMIN, USER)

routes = Routes(prefix="/api/integrations", tag="Catalog")

Category = Literal[
    "crm", "communication", "data_source", "storage", "custom",
    "marketplace", "payment", "accounting", "support", "analytics",
]  # fmt: skip


class EntityOut(Answer, frozen=True):
    """A kind of record the provider has."""

    name: str
    display_name: str
    shard_type: str
    operations: list[str]
    fields: list[str]


class FieldMappingOut(Answer, frozen=True):
    """One field's way from the provider's record to ours."""

    source: str
    target: str


class MappingOut(Answer, frozen=True):
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
    entity_mappings: list[MappingOut]
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
    overridden: list[str]
    created_at: datetime
    updated_at: datetime


class ProviderDetail(ProviderOut, frozen=True):
    """One provider, with what its connect form asks for."""

    credential_fields: list[FormFieldOut]
    settings_fields: list[FormFieldOut]
    app_fields: list[FormFieldOut]


class ProviderList(Answer, frozen=True):
    """A page of the catalog."""

    providers: list[ProviderOut]
    total: int
    limit: int
    offset: int
    has_more: bool
    next_offset: int | None = None


@routes.get("", permission=READ, limit="integration", response_model=ProviderList, summary="The catalog")
async def list_providers(
    scope: ScopeDep,
    paging: PageDep,
    category: Annotated[Category | None, Query()] = None,
    search: Annotated[str, Query(max_length=200, description="Forgives accents and typing errors.")] = "",
    sort_by: Annotated[Literal["name", "category", "updatedAt"] | None, Query(alias="sortBy")] = None,
    sort_order: Annotated[Literal["asc", "desc"], Query(alias="sortOrder")] = "asc",
) -> Response:
    """Providers that can be connected: audience `tenant`, status `active`."""
    filters = Filters(category=category, search=search, sort_by=sort_by, sort_order=sort_order)
    page = await service.providers(scope, filters=filters, ask=paging.ask)
    shown = Page([ProviderOut(**_facts(one)) for one in page.items], total=page.total, has_more=page.has_more)
    return paging.listing("providers", shown)


@routes.get(
    "/{category}/{id}",
    permission=READ,
    limit="integration",
    response_model=ProviderDetail,
    summary="One provider",
    errors=(ProviderNotFound,),
)
async def get_provider(scope: ScopeDep, category: str, id: str) -> Response:  # noqa: A002 - the path's name
    """One provider with its form fields; the category is part of its address."""
    found = await service.provider(scope, id)
    if found.category != category:
        raise ProviderNotFound
    return document(_detail(found))


@routes.get(
    "/{provider}",
    permission=READ,
    limit="integration",
    response_model=ProviderDetail,
    summary="One provider by its id alone",
    errors=(ProviderNotFound,),
)
async def get_provider_by_id(scope: ScopeDep, provider: str) -> Response:
    """The same as with the category in the address."""
    return document(_detail(await service.provider(scope, provider)))


def _detail(provider: Provider) -> ProviderDetail:
    return ProviderDetail(
        **_facts(provider),
        credential_fields=[_field(one) for one in provider.credential_fields],
        settings_fields=[_field(one) for one in provider.settings_fields],
        app_fields=[_field(one) for one in provider.app_fields],
    )


def _facts(provider: Provider) -> dict[str, Any]:
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
        "overridden": list(provider.overridden),
        "created_at": provider.since,
        "updated_at": provider.updated_at,
        **_abilities(provider),
    }


def _abilities(provider: Provider) -> dict[str, Any]:
    searches = bool(provider.searchable)
    return {
        "capabilities": provider.capabilities,
        "supported_sync_directions": provider.sync_directions,
        "supports_realtime": "subscribe" in provider.operations,
        "supports_webhooks": "webhook" in provider.operations,
        "supports_notifications": "notify" in provider.operations,
        "supports_search": searches,
        "searchable_entities": provider.searchable,
        "search_capabilities": SearchOut(full_text=searches, field_specific=False, filtered=False),
        "requires_user_scoping": False,
        "available_entities": [_entity(one) for one in provider.entities],
        "entity_mappings": [
            MappingOut(entity=one.name, shard_type=one.shard_type, field_mappings=[]) for one in provider.entities
        ],
    }


def _entity(entity: Entity) -> EntityOut:
    return EntityOut(
        name=entity.name,
        display_name=entity.display_name,
        shard_type=entity.shard_type,
        operations=list(entity.operations),
        fields=[],
    )


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
