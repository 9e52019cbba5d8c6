"""What goes over the wire about providers."""

from datetime import datetime
from typing import Any, Literal

import msgspec

from isthmus.connect.manifest import AuthKind, Category, Entity, Field, IntegrationType, OAuth
from isthmus.features.catalog.model.definitions import endpoint_document
from isthmus.features.catalog.model.document import Audience, Direction, GrantType, Status
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
    """The public part of the provider's consent; nothing of the app is in it.

    With the grant `client_credentials` there is none: a form takes the client id and secret of the connection itself.
    """

    scopes: list[str]
    pkce: bool
    refreshable: bool
    #: Told where it is not `authorization_code`.
    grant_type: GrantType | msgspec.UnsetType = msgspec.UNSET


class EntityWhole(EntityOut, frozen=True):
    """The same with how it is read; `cursorField` is the parameter that asks for what has changed since."""

    page_size: int
    endpoint: dict[str, Any] | None
    cursor_field: str | None


class OAuthWhole(Answer, frozen=True):
    """The whole consent, as it can be sent back; the app's secret is set apart."""

    authorize_url: str
    token_url: str
    refresh_url: str
    revoke_url: str
    scopes: list[str]
    scope_separator: str
    client_auth: str
    body_format: str
    pkce: bool
    refreshable: bool
    extra_params: dict[str, str]
    client_id: str
    grant_type: GrantType | msgspec.UnsetType = msgspec.UNSET


class LimitOut(Answer, frozen=True):
    """A published budget of calls; `burst` is how many may come at once, where that is told.

    `reserve` is the share that is kept for urgent calls, where it is not the usual one.
    """

    requests: int
    seconds: float
    per: str
    source: str
    burst: int | msgspec.UnsetType = msgspec.UNSET
    reserve: float | msgspec.UnsetType = msgspec.UNSET


class FormFieldOut(Answer, frozen=True):
    """One field of a form that a person fills in."""

    name: str
    label: str
    secret: bool
    required: bool
    help: str
    pattern: str
    #: The same in other languages than English.
    labels: dict[str, str] | msgspec.UnsetType = msgspec.UNSET
    helps: dict[str, str] | msgspec.UnsetType = msgspec.UNSET


class ProviderFacts(Answer, frozen=True, kw_only=True):
    """What tenants and keepers see alike of 002's IntegrationProviderDocument."""

    id: str
    name: str
    names: dict[str, str]
    display_name: str
    description: str
    category: Category
    integration_type: IntegrationType
    provider: str
    status: Status
    audience: Audience
    capabilities: list[str]
    supported_sync_directions: list[Direction]
    supports_realtime: bool
    supports_webhooks: bool
    supports_notifications: bool
    supports_search: bool
    searchable_entities: list[str]
    search_capabilities: SearchOut
    requires_user_scoping: bool
    auth_type: AuthKind
    #: A second way to connect; the form is then asked for no secret.
    auth_also: list[Literal["oauth2"]]
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
    #: Whether the app that its consent needs is set; absent where none is needed. Without it connecting is refused.
    app_ready: bool | msgspec.UnsetType = msgspec.UNSET


class ProviderOut(ProviderFacts, frozen=True, kw_only=True):
    """002's IntegrationProviderDocument, as tenants see it."""

    oauth_config: OAuthOut | None
    available_entities: list[EntityOut]


class ProviderDetail(ProviderOut, frozen=True, kw_only=True):
    """One provider, with what its connect form asks for."""

    credential_fields: list[FormFieldOut]
    settings_fields: list[FormFieldOut]
    app_fields: list[FormFieldOut]


class ProviderKept(ProviderFacts, frozen=True, kw_only=True):
    """002's IntegrationProviderDocument, as its keepers see it."""

    oauth_config: OAuthWhole | None
    available_entities: list[EntityWhole]


class ProviderWhole(ProviderKept, frozen=True, kw_only=True):
    """One provider as its keepers see it; `document` is all that can be written, as a file holds it."""

    credential_fields: list[FormFieldOut]
    settings_fields: list[FormFieldOut]
    app_fields: list[FormFieldOut]
    document: dict[str, Any]
    etag: str


class KeptList(Answer, frozen=True):
    """A page of all providers."""

    providers: list[ProviderKept]
    total: int
    limit: int
    offset: int
    has_more: bool
    next_offset: int | None = None


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
    return ProviderDetail(**_public(provider, included=included), **_forms(provider))


def shown_of(provider: Provider, *, included: bool = True) -> ProviderOut:
    """One row of the catalog."""
    return ProviderOut(**_public(provider, included=included))


def _public(provider: Provider, *, included: bool) -> dict[str, Any]:
    entities = [_entity(one) for one in provider.entities]
    config = _oauth(provider.oauth)
    return {**_facts(provider, included=included), "oauth_config": config, "available_entities": entities}


def whole_of(provider: Provider, document: dict[str, Any]) -> ProviderWhole:
    """With its forms and its document."""
    return ProviderWhole(**_kept(provider), **_forms(provider), document=document, etag=provider.etag)


def kept_of(provider: Provider) -> ProviderKept:
    """One row of all providers."""
    return ProviderKept(**_kept(provider))


def _kept(provider: Provider) -> dict[str, Any]:
    entities = [_entity_whole(one) for one in provider.entities]
    config = _oauth_whole(provider)
    return {**_facts(provider, included=True), "oauth_config": config, "available_entities": entities}


def _forms(provider: Provider) -> dict[str, Any]:
    return {
        "credential_fields": [_field(one) for one in provider.credential_fields],
        "settings_fields": [_field(one) for one in provider.settings_fields],
        "app_fields": [_field(one) for one in provider.app_fields],
    }


def _facts(provider: Provider, *, included: bool) -> dict[str, Any]:
    return {
        "id": provider.id,
        "name": provider.manifest.title or provider.id,
        "names": dict(provider.names),
        "display_name": provider.display_name,
        "description": provider.description,
        "category": provider.category,
        "integration_type": provider.integration_type,
        "provider": provider.id,
        "status": provider.status,
        "audience": provider.audience,
        "auth_type": provider.auth,
        "auth_also": list(provider.manifest.auth_also),
        "icon": provider.icon,
        "color": provider.color,
        "version": provider.api_version,
        "is_premium": provider.premium,
        "required_plan": provider.required_plan,
        "documentation_url": provider.documentation_url,
        "uptime": provider.uptime,
        "regions": list(provider.regions),
        "limits": [
            LimitOut(
                requests=x.requests,
                seconds=x.seconds,
                per=x.per,
                source=x.source,
                burst=_told(x.burst),
                reserve=msgspec.UNSET if x.reserve is None else x.reserve,
            )
            for x in provider.limits
        ],
        "connectable": provider.connectable,
        "featured": provider.featured,
        "included": included,
        "hosts": dict(provider.manifest.hosts),
        "origin": "declared" if provider.declared else "shipped",
        "revision": provider.version,
        "overridden_fields": list(provider.overridden_fields),
        "overridden": list(provider.overridden),
        "created_at": provider.since,
        "updated_at": provider.updated_at,
        "app_ready": msgspec.UNSET if provider.app_ready is None else provider.app_ready,
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


def _entity_whole(entity: Entity) -> EntityWhole:
    endpoint = entity.endpoint
    return EntityWhole(
        name=entity.name,
        display_name=entity.display_name,
        shard_type=entity.shard_type,
        operations=list(entity.operations),
        fields=list(entity.fields),
        page_size=entity.page_size,
        endpoint=None if endpoint is None else endpoint_document(endpoint),
        cursor_field=endpoint.since or None if endpoint is not None else None,
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
    if oauth is None:
        return None
    return OAuthOut(scopes=list(oauth.scopes), pkce=oauth.pkce, refreshable=oauth.refresh, grant_type=_grant(oauth))


def _grant(oauth: OAuth) -> GrantType | msgspec.UnsetType:
    return msgspec.UNSET if oauth.grant == "authorization_code" else oauth.grant


def _oauth_whole(provider: Provider) -> OAuthWhole | None:
    oauth, hosts = provider.oauth, provider.manifest.hosts
    if oauth is None:
        return None
    return OAuthWhole(
        grant_type=_grant(oauth),
        authorize_url=hosts.get("consent", ""),
        token_url=hosts.get("token", ""),
        refresh_url=hosts.get("refresh", ""),
        revoke_url=hosts.get("revoke", ""),
        scopes=list(oauth.scopes),
        scope_separator=oauth.scope_separator,
        client_auth=oauth.client_auth,
        body_format=oauth.body_format,
        pkce=oauth.pkce,
        refreshable=oauth.refresh,
        extra_params=dict(oauth.authorize_params),
        client_id=oauth.client_id,
    )


def _told(number: int | None) -> int | msgspec.UnsetType:
    return msgspec.UNSET if number is None else number


def _field(field: Field) -> FormFieldOut:
    return FormFieldOut(
        name=field.name,
        label=field.label,
        secret=field.secret,
        required=field.required,
        help=field.help,
        pattern=field.pattern,
        labels=field.labels or msgspec.UNSET,
        helps=field.helps or msgspec.UNSET,
    )
