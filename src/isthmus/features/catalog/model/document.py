"""Document 002's IntegrationProviderDocument as it comes in: by HTTP, or as a file that was exported (pure).

Every wrong field is told at once. Fields that only we write are known too, so that what was read can be sent back.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, StringConstraints, ValidationError

from isthmus.connect.manifest import AuthKind, Category, IntegrationType
from isthmus.connect.service import PagingStyle, TimeFormat, Transform
from isthmus.features.catalog.model.pushes import WebhooksPart
from isthmus.features.catalog.model.words import (
    CONFIG,
    Color,
    Expression,
    Language,
    Line,
    Path,
    Prose,
    Slug,
    Texts,
    Url,
    Word,
    Words,
)
from isthmus.kit.errors import Invalid
from isthmus.kit.wording import said

Status = Literal["active", "beta", "deprecated", "disabled"]
Audience = Literal["system", "tenant"]
Direction = Literal["pull", "push", "bidirectional"]
GrantType = Literal["authorization_code", "client_credentials"]


class Part(BaseModel):
    """A part of the document: camelCase, unknown fields refused."""

    model_config = CONFIG


class OAuthPart(Part):
    """How consent works; an app's credentials are set apart and never stand here."""

    grant_type: GrantType = "authorization_code"
    authorize_url: Url = ""
    token_url: Url = ""
    refresh_url: Url = ""
    revoke_url: Url = ""
    scopes: Words = []
    scope_separator: Annotated[str, StringConstraints(min_length=1, max_length=3)] = " "
    client_auth: Literal["basic", "body"] = "body"
    body_format: Literal["form", "json"] = "form"
    pkce: bool = False
    refreshable: bool = True
    extra_params: Texts = {}
    #: The app's public name; its secret is set apart, with `/app`.
    client_id: Line = ""


class PagingPart(Part):
    """How a list goes on."""

    style: PagingStyle = "none"
    param: Line = ""
    size_param: Line = ""
    start: Annotated[int, Field(ge=0, le=1)] = 1
    cursor: Line = ""
    more: Line = ""
    total: Line = ""


class SearchPart(Part):
    """The far side's own search of an entity."""

    path: Path
    param: Word
    items: Expression = ""
    size_param: Line = ""


class EndpointPart(Part):
    """Where an entity is read."""

    path: Path
    host: Word = "api"
    items: Expression = ""
    one: Path = ""
    item: Expression = ""
    query: Texts = {}
    paging: PagingPart = PagingPart()
    since: Line = ""
    since_format: TimeFormat = "iso"
    search: SearchPart | None = None


class EntityPart(Part):
    """A kind of record the provider has."""

    name: Word
    display_name: Line = ""
    shard_type: Word
    operations: Words = ["list", "read"]
    fields: Words = []
    page_size: Annotated[int, Field(ge=1, le=1_000)] = 50
    endpoint: EndpointPart | None = None
    #: The same as `since` of the endpoint, by the name that the API's own documents give it.
    cursor_field: Line | None = None


class FieldMappingPart(Part):
    """One field's way: `from` is an expression over the record, `to` a column or a name in the body."""

    source: Annotated[Expression, Field(alias="from")]
    target: Annotated[Word, Field(alias="to")]
    transform: Transform | None = None


class EntityMappingPart(Part):
    """What an entity's records become."""

    entity: Word
    shard_type: Word
    field_mappings: Annotated[list[FieldMappingPart], Field(max_length=200)] = []


class SearchAbilitiesPart(Part):
    """What the provider's own search can do."""

    full_text: bool = False
    field_specific: bool = False
    filtered: bool = False


class FormFieldPart(Part):
    """One field of a form that a person fills in."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,49}$")]
    label: Line = ""
    secret: bool = False
    required: bool = True
    help: Prose = ""
    pattern: Line = ""
    labels: Annotated[dict[Language, Line], Field(max_length=20)] = {}
    helps: Annotated[dict[Language, Prose], Field(max_length=20)] = {}


class AttachPart(Part):
    """Where a credential goes."""

    place: Literal["header", "query", "basic"]
    value: Line
    name: Line = ""


class VerifyPart(Part):
    """The harmless call that proves credentials."""

    path: Path
    method: Literal["GET", "POST"] = "GET"
    host: Word = "api"
    account: Expression = ""
    name: Expression = ""
    graphql: Prose = ""


class FailingPart(Part):
    """How a 2xx answer says no."""

    when: Expression
    code: Expression = ""
    message: Expression = ""


class ServicePart(Part):
    """How calls are signed, proven and judged."""

    attach: Annotated[list[AttachPart], Field(max_length=10)] = []
    headers: Texts = {}
    verify: VerifyPart | None = None
    failing: FailingPart | None = None
    throttled: Expression = ""


class VariablePart(Part):
    """A part of an address that differs from one account to the next."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,49}$")]
    source: Literal["credential", "token"] = "credential"


class LimitPart(Part):
    """A published budget of calls."""

    requests: Annotated[int, Field(ge=1, le=1_000_000)]
    seconds: Annotated[float, Field(gt=0, le=100_000)]
    per: Literal["connection", "app"] = "connection"
    burst: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    source: Line = ""
    reserve: Annotated[float, Field(ge=0, le=0.5)] | None = None


class ProviderChange(Part):
    """Some of a provider's facts. Read-only ones may be sent back as they were read."""

    provider: Slug | None = None
    name: Line | None = None
    display_name: Word | None = None
    names: Annotated[dict[Language, Word], Field(max_length=20)] | None = None
    description: Prose | None = None
    category: Category | None = None
    integration_type: IntegrationType | None = None
    status: Status | None = None
    audience: Audience | None = None
    capabilities: Words | None = None
    supported_sync_directions: Annotated[list[Direction], Field(max_length=3)] | None = None
    supports_realtime: bool | None = None
    supports_webhooks: bool | None = None
    supports_notifications: bool | None = None
    supports_search: bool | None = None
    searchable_entities: Words | None = None
    search_capabilities: SearchAbilitiesPart | None = None
    requires_user_scoping: bool | None = None
    auth_type: AuthKind | None = None
    auth_also: Annotated[list[Literal["oauth2"]], Field(max_length=1)] | None = None
    oauth_config: OAuthPart | None = None
    available_entities: Annotated[list[EntityPart], Field(max_length=100)] | None = None
    entity_mappings: Annotated[list[EntityMappingPart], Field(max_length=100)] | None = None
    icon: Prose | None = None
    color: Color | None = None
    version: Line | None = None
    is_premium: bool | None = None
    required_plan: Annotated[str, StringConstraints(pattern=r"^[a-z0-9](?:[a-z0-9_-]{0,38}[a-z0-9])?$")] | None = None
    featured: bool | None = None
    documentation_url: Url | None = None
    uptime: Line | None = None
    regions: Words | None = None
    hosts: Annotated[dict[Word, Url], Field(max_length=20)] | None = None
    service: ServicePart | None = None
    variables: Annotated[list[VariablePart], Field(max_length=10)] | None = None
    limits: Annotated[list[LimitPart], Field(max_length=10)] | None = None
    app_fields: Annotated[list[FormFieldPart], Field(max_length=20)] | None = None
    credential_fields: Annotated[list[FormFieldPart], Field(max_length=20)] | None = None
    settings_fields: Annotated[list[FormFieldPart], Field(max_length=50)] | None = None
    webhooks: WebhooksPart | None = None


class NewProvider(ProviderChange):
    """A provider in whole."""

    provider: Slug
    name: Line
    display_name: Word
    category: Category
    status: Status
    audience: Audience
    auth_type: AuthKind


class ProviderPatch(ProviderChange):
    """Facts to change, and the revision or the tag that they were read at; another one is a conflict.

    `revision` decides where both stand here.
    """

    revision: Annotated[int, Field(ge=0)] | None = None
    etag: Line | None = None
    id: Line | None = None
    overridden: Words | None = None
    overridden_fields: Words | None = None
    included: bool | None = None
    app_ready: bool | None = None
    document: dict[str, Any] | None = None
    connectable: bool | None = None
    origin: Line | None = None
    created_at: Line | None = None
    updated_at: Line | None = None


def new_provider(data: Mapping[str, Any]) -> NewProvider:
    """Read a whole document. Raises Invalid naming every wrong field."""
    try:
        return NewProvider.model_validate(data)
    except ValidationError as error:
        fields = [{"path": ".".join(map(str, one["loc"])), "message": said(one)} for one in error.errors()]
        raise Invalid("The provider is not valid.", details={"fields": fields}) from None
