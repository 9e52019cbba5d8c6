"""Providers as the deployment's own people look after them (document 002, Integration Provider Endpoints)."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any, Literal, get_args

import msgspec
from fastapi import Depends, Query
from pydantic import Field, SecretStr, StringConstraints
from starlette.responses import Response

from isthmus.connect.manifest import AuthKind, Category, IntegrationType
from isthmus.features.catalog.errors import (
    AppChanged,
    ProviderChangedMeanwhile,
    ProviderExists,
    ProviderNotFound,
)
from isthmus.features.catalog.model.apps import app_tag
from isthmus.features.catalog.model.document import Audience, NewProvider, ProviderPatch, Status
from isthmus.features.catalog.model.proposals import Proposal
from isthmus.features.catalog.model.providers import Provider
from isthmus.features.catalog.routes.permissions import MANAGE
from isthmus.features.catalog.routes.proposals import ProviderChangeOut, waiting
from isthmus.features.catalog.routes.shapes import KeptList, ProviderWhole, kept_of, whole_of
from isthmus.features.catalog.service import changing, proposals, readiness, registrations
from isthmus.features.catalog.service import providers as service
from isthmus.features.catalog.service.proposals import Wish
from isthmus.features.catalog.service.providers import Filters
from isthmus.features.catalog.service.registrations import AppState
from isthmus.http import Answer, PageDep, Routes, ScopeDep, Wire, created, document
from isthmus.kit.paging import Page
from isthmus.kit.secret import Secret
from isthmus.scope import Scope

routes = Routes(prefix="/api/admin/integrations", tag="Providers")

Sort = Literal["name", "category", "updatedAt", "createdAt", "status"]
_Credential = Annotated[SecretStr, Field(min_length=1, max_length=10_000)]
_Name = Annotated[str, StringConstraints(min_length=1, max_length=100)]
_Address = Annotated[str, StringConstraints(min_length=1, max_length=500)]


class StatusBody(Wire):
    """002: the status to set."""

    status: Status


class AudienceBody(Wire):
    """002: the audience to set."""

    audience: Audience


class AppBody(Wire):
    """Credentials of the deployment's app, and hosts in place of the provider's; what is left out stays."""

    credentials: Annotated[dict[_Name, _Credential], Field(max_length=20)] | None = None
    hosts: Annotated[dict[_Name, _Address], Field(max_length=20)] | None = None


class ProviderStatusOut(Answer, frozen=True, kw_only=True):
    """002: a provider's status."""

    id: str
    status: Annotated[str, msgspec.Meta(extra_json_schema={"enum": list(get_args(Status))})]
    updated_at: datetime
    etag: str


class AudienceOut(Answer, frozen=True, kw_only=True):
    """002: a provider's audience."""

    id: str
    audience: Annotated[str, msgspec.Meta(extra_json_schema={"enum": list(get_args(Audience))})]
    updated_at: datetime
    etag: str


class AppOut(Answer, frozen=True, kw_only=True):
    """The deployment's app at a provider: which credentials are set, never their values."""

    provider: str
    status: str
    hosts: Mapping[str, str]
    given: list[str]
    missing: list[str]
    redirect_path: str | None
    revision: int
    etag: str


@routes.post(
    "",
    permission=MANAGE,
    limit="provider",
    response_model=ProviderWhole,
    status=201,
    summary="Create a provider",
    step_up=True,
    also={202: ProviderChangeOut},
    errors=(ProviderExists,),
)
async def create_provider(scope: ScopeDep, body: NewProvider) -> Response:
    """A provider made of facts alone: with a `service` it can be connected, read and searched without a deployment.
    One for all tenants waits for another super admin, where there is one.
    """
    data = _given(body)
    wish = Wish("create", body.provider, {"document": data})
    made = await proposals.make_or_propose(scope, wish, changing.create_provider(scope, data))
    if isinstance(made, Proposal):
        return waiting(scope, made)
    return created(whole(made), location=f"/api/admin/integrations/{made.category}/{made.id}")


async def _wanted(
    category: Annotated[Category | None, Query()] = None,
    status: Annotated[Status | None, Query()] = None,
    audience: Annotated[Audience | None, Query()] = None,
    integration_type: Annotated[IntegrationType | None, Query(alias="integrationType")] = None,
    auth_type: Annotated[AuthKind | None, Query(alias="authType")] = None,
    app_ready: Annotated[
        bool | None,
        Query(alias="appReady", description="Only those that need an app and have it, or have it not."),
    ] = None,
    search: Annotated[str, Query(max_length=200, description="Forgives accents and typing errors.")] = "",
) -> Filters:
    return Filters(
        category=category,
        status=status,
        audience=audience,
        integration_type=integration_type,
        auth=auth_type,
        app_ready=app_ready,
        search=search,
    )


@routes.get("", permission=MANAGE, limit="provider", response_model=KeptList, summary="Every provider")
async def list_providers(
    scope: ScopeDep,
    paging: PageDep,
    wanted: Annotated[Filters, Depends(_wanted)],
    sort_by: Annotated[Sort | None, Query(alias="sortBy")] = None,
    sort_order: Annotated[Literal["asc", "desc"], Query(alias="sortOrder")] = "asc",
) -> Response:
    """Hidden ones too, by name unless sorted otherwise; `appReady` is false where the deployment's app is not set."""
    filters = replace(wanted, sort_by=sort_by, sort_order=sort_order)
    page = await service.every_provider(scope, filters=filters, ask=paging.ask)
    shown = Page([kept_of(one) for one in page.items], total=page.total, has_more=page.has_more)
    return paging.listing("providers", shown)


@routes.get(
    "/{category}/{id}",
    permission=MANAGE,
    limit="provider",
    response_model=ProviderWhole,
    summary="One provider, hidden or not",
    errors=(ProviderNotFound,),
)
async def get_provider(scope: ScopeDep, category: str, id: str) -> Response:  # noqa: A002 - the path's name
    """With `overriddenFields`, which an operator changed, and `revision`, which a change may name."""
    lending = scope.platform()  # house: platform - the deployment's own apps
    return document(whole(await readiness.seen(lending, await _at(scope, category, id))))


@routes.patch(
    "/{category}/{id}",
    permission=MANAGE,
    limit="provider",
    response_model=ProviderWhole,
    summary="Change a provider",
    step_up=True,
    also={202: ProviderChangeOut},
    errors=(ProviderNotFound,),
    if_changed=ProviderChangedMeanwhile,
)
async def patch_provider(scope: ScopeDep, category: str, id: str, body: ProviderPatch) -> Response:  # noqa: A002
    """Merge these fields; of a provider that came as a folder only those that its code does not live by. What moves
    secrets or widens who sees it waits for another super admin, where there is one.
    """
    seen = answered(whole(await _at(scope, category, id)))
    given = _given(body)
    revision, tag = given.pop("revision", None), given.pop("etag", None)
    changes = {name: value for name, value in given.items() if name not in seen or seen[name] != value}
    named = scope if tag is None or revision is not None else scope.having_seen(tag)
    making = changing.patch_provider(named, id, changes, revision=revision)
    found = await proposals.make_or_propose(scope, Wish("change", id, {"changes": changes}), making)
    return waiting(scope, found) if isinstance(found, Proposal) else document(whole(found))


@routes.patch(
    "/{category}/{id}/status",
    permission=MANAGE,
    limit="provider",
    response_model=ProviderStatusOut,
    summary="Set a provider's status",
    step_up=True,
    errors=(ProviderNotFound,),
    if_changed=ProviderChangedMeanwhile,
)
async def set_status(scope: ScopeDep, category: str, id: str, body: StatusBody) -> Response:  # noqa: A002
    """A provider that is not active is not offered; connections that use it go on."""
    await _at(scope, category, id)
    found = await changing.change_provider(scope, id, status=body.status)
    return document(_status(found))


@routes.patch(
    "/{category}/{id}/audience",
    permission=MANAGE,
    limit="provider",
    response_model=AudienceOut,
    summary="Set a provider's audience",
    step_up=True,
    also={202: ProviderChangeOut},
    errors=(ProviderNotFound,),
    if_changed=ProviderChangedMeanwhile,
)
async def set_audience(scope: ScopeDep, category: str, id: str, body: AudienceBody) -> Response:  # noqa: A002
    """`tenant`: merchants connect it; `system`: the deployment alone. The former waits for another super admin."""
    await _at(scope, category, id)
    wish = Wish("change", id, {"changes": {"audience": body.audience}})
    making = changing.change_provider(scope, id, audience=body.audience)
    found = await proposals.make_or_propose(scope, wish, making)
    if isinstance(found, Proposal):
        return waiting(scope, found)
    return document(_audience(found))


@routes.get(
    "/{category}/{id}/app",
    permission=MANAGE,
    limit="provider",
    response_model=AppOut,
    summary="The deployment's app at a provider",
    errors=(ProviderNotFound,),
)
async def get_app(scope: ScopeDep, category: str, id: str) -> Response:  # noqa: A002 - as above
    """Which credentials are set, and the hosts they are for."""
    found = await _at(scope, category, id)
    states = await registrations.apps(scope.platform())  # house: platform - the deployment's own apps
    return document(_app(found, next((one for one in states if one.provider == id), None)))


@routes.put(
    "/{category}/{id}/app",
    permission=MANAGE,
    limit="provider",
    response_model=AppOut,
    summary="Set the deployment's app at a provider",
    step_up=True,
    also={202: ProviderChangeOut},
    errors=(ProviderNotFound,),
    if_changed=AppChanged,
)
async def set_app(scope: ScopeDep, category: str, id: str, body: AppBody) -> Response:  # noqa: A002 - as above
    """Given credentials are laid over the stored ones; a changed host clears every one that is not given anew, and
    waits for another super admin.
    """
    found = await _at(scope, category, id)
    given = body.credentials
    credentials = None if given is None else {name: Secret(one.get_secret_value()) for name, one in given.items()}
    own = scope.platform()  # house: platform - the deployment's own apps
    making = registrations.set_app(own, id, credentials=credentials, hosts=body.hosts, remote=True)
    state = await proposals.make_or_propose(scope, Wish("app", id, {"hosts": body.hosts}, credentials), making)
    return waiting(scope, state) if isinstance(state, Proposal) else document(_app(found, state))


def answered(shown: ProviderWhole) -> dict[str, Any]:
    """The fields as they were read: whoever sends one back unchanged changes nothing."""
    fields: dict[str, Any] = msgspec.to_builtins(shown)
    return fields


def whole(shown: Provider) -> ProviderWhole:
    """The provider with the document that can be sent back."""
    return whole_of(shown, changing.document_of(shown))


async def _at(scope: Scope, category: str, id_: str) -> Provider:
    return changing.checked(await service.provider(scope, id_, hidden=True), category)


def _given(body: NewProvider | ProviderPatch) -> dict[str, Any]:
    return body.model_dump(by_alias=True, exclude_unset=True)


def _status(one: Provider) -> ProviderStatusOut:
    return ProviderStatusOut(id=one.id, status=one.status, updated_at=one.updated_at, etag=one.etag)


def _audience(one: Provider) -> AudienceOut:
    return AudienceOut(id=one.id, audience=one.audience, updated_at=one.updated_at, etag=one.etag)


def _app(shown: Provider, state: AppState | None) -> AppOut:
    if state is None:
        missing = [one.name for one in shown.app_fields if one.required]
        hosts = dict(shown.manifest.hosts)
        status = "missing" if missing else "not_needed"
        return AppOut(
            provider=shown.id,
            status=status,
            hosts=hosts,
            given=[],
            missing=missing,
            redirect_path=None,
            revision=0,
            etag=app_tag(shown.id, 0),
        )
    return AppOut(
        provider=shown.id,
        status=state.status,
        hosts=state.hosts,
        given=list(state.given),
        missing=list(state.missing),
        redirect_path=state.redirect_path,
        revision=state.version,
        etag=state.etag,
    )
