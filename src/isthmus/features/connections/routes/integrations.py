"""A tenant's integrations (document 002, Tenant Integration Endpoints)."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from fastapi import Query
from pydantic import Field
from starlette.responses import Response

from isthmus.features.catalog import PlanRequired, ProviderNotFound
from isthmus.features.connections.errors import (
    IntegrationChangedMeanwhile,
    IntegrationNotConnected,
    IntegrationNotFound,
    NameTaken,
    ScopeFixed,
)
from isthmus.features.connections.model.connection import CONNECTION_STATUS, Shown, Status
from isthmus.features.connections.model.integration import Facts, Integration, State, Wanted
from isthmus.features.connections.routes.shapes import CONTROL, SEE, Name, Slug
from isthmus.features.connections.service import integrations as service
from isthmus.features.connections.service import personal
from isthmus.http import Answer, Moment, PageDep, Routes, ScopeDep, Wire, created, document, no_content
from isthmus.kit.errors import Invalid
from isthmus.kit.paging import Page
from isthmus.scope import Scope

routes = Routes(prefix="/api/tenant/integrations", tag="Integrations")

Words = Annotated[tuple[Annotated[str, Field(min_length=1, max_length=200)], ...], Field(max_length=100)]
#: Names on the wire that differ from those of the model.
_MODEL = {"allowed_shard_types": "allowed_types", "searchable_entities": "searchable"}


class Said(Wire):
    """What people say of an integration."""

    description: Annotated[str, Field(max_length=2_000)] = ""
    icon: Annotated[str, Field(max_length=100)] | None = None
    settings: Annotated[dict[Slug, Any], Field(max_length=50, default_factory=dict)]
    allowed_shard_types: Words = ()
    search_enabled: bool = True
    searchable_entities: Words = ()
    user_scoped: bool = False
    allowed_roles: Words = ()
    allowed_users: Words = ()
    proxy_enabled: bool = False

    def facts(self) -> dict[str, Any]:
        """What was given, by the names of `Facts`."""
        given = self.model_fields_set & (Said.model_fields.keys() | {"name"})
        return {_MODEL.get(name, name): getattr(self, name) for name in sorted(given)}


class Create(Said):
    """002's create body; `integrationId` is the provider's id."""

    integration_id: Annotated[Slug, Field(examples=["acme_desk"])]
    name: Name


ReadOnly = Annotated[str | None, Field(max_length=500, description="Only as it was read: it cannot be changed here.")]


class Change(Said):
    """What is given is changed, the rest stays; `settings` replace the earlier ones. What was read may be sent back."""

    name: Annotated[Name, Field(default_factory=str)]
    id: ReadOnly = None
    tenant_id: ReadOnly = None
    integration_id: ReadOnly = None
    provider_name: ReadOnly = None
    category: ReadOnly = None
    status: ReadOnly = None
    connection_id: ReadOnly = None
    connection_status: ReadOnly = None
    enabled_at: ReadOnly = None
    enabled_by: ReadOnly = None
    last_sync_at: ReadOnly = None
    created_at: ReadOnly = None
    updated_at: Annotated[
        Moment | None,
        Field(description="As it was read: then nothing is changed where somebody else changed something meanwhile."),
    ] = None
    etag: Annotated[
        str | None,
        Field(
            max_length=500,
            description="As it was read: as `If-Match` does it. `updatedAt` decides where both stand here.",
        ),
    ] = None

    def check(self, seen: "IntegrationOut") -> None:
        """Raise Invalid where a field that only we write is not what it was read as."""
        was = msgspec.to_builtins(seen)
        checked = self.model_fields_set - Said.model_fields.keys() - {"name"}
        named = {name for name in ("updated_at", "etag") if getattr(self, name)}
        given = self.model_dump(by_alias=True, include=checked - named)
        wrong = [{"path": name, "message": _HOW.get(name, _FIXED)} for name, one in given.items() if one != was[name]]
        if wrong:
            raise Invalid("Some fields cannot be changed.", details={"fields": wrong})


_FIXED = "This field is read-only."
_HOW = {"status": "Read-only: `POST .../activate` and `.../deactivate` switch it."}


class IntegrationOut(Answer, frozen=True, kw_only=True):
    """A tenant's use of a provider. `status` is what it comes to; `connectionStatus` is how its credentials are."""

    id: str
    tenant_id: str
    integration_id: str
    provider_name: str
    category: str
    name: str
    description: str
    icon: str | None
    settings: Mapping[str, Any]
    allowed_shard_types: list[str]
    search_enabled: bool
    searchable_entities: list[str]
    user_scoped: bool
    allowed_roles: list[str]
    allowed_users: list[str]
    proxy_enabled: bool
    status: State
    connection_id: str | None
    connection_status: Shown | None
    enabled_at: datetime | None
    enabled_by: str | None
    last_sync_at: datetime | None
    created_at: datetime
    updated_at: datetime
    etag: str


class IntegrationList(Answer, frozen=True, kw_only=True):
    """Some integrations."""

    integrations: list[IntegrationOut]
    total: int
    limit: int
    offset: int
    has_more: bool
    next_offset: int | msgspec.UnsetType = msgspec.UNSET


class ActivatedOut(Answer, frozen=True, kw_only=True):
    """Switched on."""

    id: str
    status: State
    enabled_at: datetime
    enabled_by: str


class DeactivatedOut(Answer, frozen=True, kw_only=True):
    """Switched off."""

    id: str
    status: State
    updated_at: datetime


class PersonOut(Answer, frozen=True, kw_only=True):
    """That somebody has a connection of their own; nothing of its account or data."""

    user_id: str
    provider: str
    status: Shown
    since: datetime


class PersonList(Answer, frozen=True, kw_only=True):
    """Who has a connection of their own."""

    users: list[PersonOut]


class EndedOut(Answer, frozen=True, kw_only=True):
    """What somebody connected there is ended; `ended` says how many connections that were."""

    success: bool
    ended: int
    disconnected_at: datetime


@routes.get("", permission=SEE, limit="integration", response_model=IntegrationList, summary="The integrations")
async def list_integrations(
    scope: ScopeDep,
    paging: PageDep,
    status: Annotated[State | None, Query()] = None,
    provider_name: Annotated[str | None, Query(alias="providerName", max_length=100)] = None,
    search: Annotated[str | None, Query(max_length=200)] = None,
    sort_by: Annotated[Literal["createdAt", "updatedAt", "name", "status"], Query(alias="sortBy")] = "createdAt",
    sort_order: Annotated[Literal["asc", "desc"], Query(alias="sortOrder")] = "asc",
) -> Response:
    """Some integrations; the search looks into names and descriptions."""
    found = await service.integrations(
        scope,
        wanted=Wanted(provider_name, status, search),
        ask=paging.ask,
        sort=sort_by,
        descending=sort_order == "desc",
    )
    items = [shown(scope, one) for one in found.items]
    return paging.listing("integrations", Page(items, total=found.total, has_more=found.has_more))


@routes.post(
    "",
    permission=CONTROL,
    limit="integration",
    response_model=IntegrationOut,
    status=201,
    summary="Use a provider",
    description="`allowedShardTypes` is a wall: records of other types are neither read, kept, searched nor shown; "
    "empty allows all. With `userScoped` each person connects alone under `/api/user/integrations`; with a provider "
    "that has `requiresUserScoping` this is always so. "
    "`allowedRoles` and `allowedUsers` limit who may use it; admins always may.",
    errors=(ProviderNotFound, NameTaken),
)
async def create_integration(scope: ScopeDep, body: Create) -> Response:
    """It waits for its connection."""
    shared = "user_scoped" in body.model_fields_set and not body.user_scoped
    made = await service.create(scope, body.integration_id, Facts(**body.facts()), shared=shared)
    return created(shown(scope, made), location=f"/api/tenant/integrations/{made.id}")


@routes.get(
    "/{id}",
    permission=SEE,
    limit="integration",
    response_model=IntegrationOut,
    summary="One integration",
    errors=(IntegrationNotFound,),
)
async def get_integration(scope: ScopeDep, id: str) -> Response:  # noqa: A002 - the name of the path parameter
    """One integration."""
    return document(shown(scope, await service.integration(scope, id)))


@routes.patch(
    "/{id}",
    permission=CONTROL,
    limit="integration",
    response_model=IntegrationOut,
    summary="Change an integration",
    description="Types of records that leave `allowedShardTypes` are hidden at once, and what was kept of them is "
    "removed by a job.",
    errors=(IntegrationNotFound, ProviderNotFound, NameTaken, ScopeFixed),
    if_changed=IntegrationChangedMeanwhile,
)
async def change_integration(scope: ScopeDep, id: str, body: Change) -> Response:  # noqa: A002 - as above
    """Change what is given."""
    if body.model_fields_set - Said.model_fields.keys() - {"name"}:
        body.check(shown(scope, await service.integration(scope, id)))
    named = scope if body.etag is None or body.updated_at is not None else scope.having_seen(body.etag)
    return document(shown(scope, await service.change(named, id, body.facts(), seen=body.updated_at)))


@routes.delete(
    "/{id}",
    permission=CONTROL,
    limit="integration",
    response_model=None,
    status=204,
    summary="Disable an integration, or remove it for good",
    description="Without `permanent` it is switched off and everything stays. With it, its connections are ended at "
    "the far side too, and its records are removed.",
    errors=(IntegrationNotFound,),
)
async def delete_integration(
    scope: ScopeDep,
    id: str,  # noqa: A002 - as above
    permanent: Annotated[bool, Query()] = False,
) -> Response:
    """Switch it off, or remove it."""
    if permanent:
        await service.remove(scope, id)
    else:
        await service.deactivate(scope, id)
    return no_content()


@routes.post(
    "/{id}/activate",
    permission=CONTROL,
    limit="integration",
    response_model=ActivatedOut,
    summary="Switch an integration on",
    errors=(IntegrationNotFound, IntegrationNotConnected, PlanRequired),
)
async def activate(scope: ScopeDep, id: str) -> Response:  # noqa: A002 - as above
    """It needs a connection that works."""
    one = await service.activate(scope, id)
    return document(
        ActivatedOut(
            id=one.id,
            status=_state(one),
            enabled_at=one.enabled_at or one.created_at,
            enabled_by=one.enabled_by or "",
        )
    )


@routes.post(
    "/{id}/deactivate",
    permission=CONTROL,
    limit="integration",
    response_model=DeactivatedOut,
    summary="Switch an integration off",
    errors=(IntegrationNotFound,),
)
async def deactivate(scope: ScopeDep, id: str) -> Response:  # noqa: A002 - as above
    """Nothing begins to go through it; credentials and records stay."""
    one = await service.deactivate(scope, id)
    return document(DeactivatedOut(id=one.id, status=_state(one), updated_at=one.updated_at))


@routes.get(
    "/{id}/users",
    permission=CONTROL,
    limit="integration",
    response_model=PersonList,
    summary="Who has a connection of their own",
    errors=(IntegrationNotFound,),
)
async def list_people(scope: ScopeDep, id: str) -> Response:  # noqa: A002 - as above
    """The person, the provider and since when."""
    found = await personal.people(scope, id)
    rows = [
        PersonOut(
            user_id=one.user_id,
            provider=one.provider,
            status=CONNECTION_STATUS[Status(one.status)],
            since=one.since,
        )
        for one in found
    ]
    return document(PersonList(users=rows))


@routes.post(
    "/{id}/users/{user_id}/disconnect",
    permission=CONTROL,
    limit="integration",
    response_model=EndedOut,
    summary="End what somebody connected",
    errors=(IntegrationNotFound,),
)
async def end_for(scope: ScopeDep, id: str, user_id: str) -> Response:  # noqa: A002 - as above
    """Our copy of their credentials is destroyed, and the far side told where it can be."""
    ended = await personal.end_for(scope, id, user_id)
    return document(EndedOut(success=True, ended=ended, disconnected_at=scope.now))


def _state(one: Integration) -> State:
    found: State = one.state  # type: ignore[assignment]  # the database holds these texts only
    return found


def shown(scope: Scope, one: Integration) -> IntegrationOut:
    """An integration as the API shows it."""
    status = one.connection_status
    return IntegrationOut(
        id=one.id,
        tenant_id=scope.tenant_id,
        integration_id=one.provider,
        provider_name=one.provider,
        category=one.category,
        name=one.name,
        description=one.description,
        icon=one.icon,
        settings=one.settings,
        allowed_shard_types=list(one.allowed_types),
        search_enabled=one.search_enabled,
        searchable_entities=list(one.searchable),
        user_scoped=one.user_scoped,
        allowed_roles=list(one.allowed_roles),
        allowed_users=list(one.allowed_users),
        proxy_enabled=one.proxy_enabled,
        status=_state(one),
        connection_id=one.connection_id,
        connection_status=None if status in (None, "pending") else CONNECTION_STATUS[Status(status)],
        enabled_at=one.enabled_at,
        enabled_by=one.enabled_by,
        last_sync_at=one.last_sync_at,
        created_at=one.created_at,
        updated_at=one.updated_at,
        etag=one.etag,
    )
