"""`/api/admin/tenants`: the deployment's tenants, by their metadata only (security.md SA-01)."""

from datetime import datetime

from starlette.responses import Response

from isthmus.features.access.errors import (
    DeploymentTenant,
    SlugTaken,
    TenantChangedMeanwhile,
    TenantLeaving,
    TenantNotFound,
)
from isthmus.features.access.model.tenants import Tenant, TenantStatus
from isthmus.features.access.service import tenants as service
from isthmus.features.access.service.erasing import delete_tenant as begin_deleting
from isthmus.http import Answer, PageDep, Routes, ScopeDep, Wire, accepted, created, document
from isthmus.kit.paging import Page
from isthmus.kit.permissions import SUPER_ADMIN, permission

MANAGE = permission("tenants:manage", "Make, list, suspend and activate tenants.", SUPER_ADMIN)

routes = Routes(prefix="/api/admin/tenants", tag="Tenants")


class NewTenant(Wire):
    """The tenant that is wanted; without a slug one is made of the name."""

    name: str
    slug: str | None = None
    plan: str | None = None


class ChangedTenant(Wire):
    """Another name or plan; what is left out stays, and `null` takes the plan away."""

    name: str | None = None
    plan: str | None = None


class TenantOut(Answer, frozen=True, kw_only=True):
    """What the deployment knows of a tenant; nothing of what the tenant has."""

    id: str
    name: str
    slug: str
    status: TenantStatus
    created_at: datetime
    plan: str | None
    etag: str


class TenantList(Answer, frozen=True, kw_only=True):
    """The oldest tenants first."""

    items: list[TenantOut]
    limit: int
    has_more: bool
    offset: int | None = None
    next_offset: int | None = None
    next_cursor: str | None = None


@routes.post(
    "",
    permission=MANAGE,
    limit="other",
    response_model=TenantOut,
    summary="Make a tenant",
    status=201,
    errors=(SlugTaken,),
)
async def create_tenant(scope: ScopeDep, body: NewTenant) -> Response:
    """A place for a merchant."""
    made = await service.create_tenant(scope, body.name, body.slug, body.plan)
    return created(_out(made), location=f"/api/admin/tenants/{made.id}")


@routes.get("", permission=MANAGE, limit="other", response_model=TenantList, summary="All tenants")
async def list_tenants(scope: ScopeDep, paging: PageDep) -> Response:
    """The deployment's own tenant is the first of them."""
    page = await service.tenants(scope, ask=paging.ask)
    shown = [_out(one) for one in page.items]
    return paging.listing("items", Page(shown, next_after=page.next_after, has_more=page.has_more))


@routes.get(
    "/{id}", permission=MANAGE, limit="other", response_model=TenantOut, summary="One tenant", errors=(TenantNotFound,)
)
async def get_tenant(scope: ScopeDep, id: str) -> Response:  # noqa: A002 - the parameter's name on the wire
    """By its id or its slug."""
    return document(_out(await service.tenant(scope, id)))


@routes.patch(
    "/{id}",
    permission=MANAGE,
    limit="other",
    response_model=TenantOut,
    summary="Change a tenant's name or plan",
    errors=(TenantNotFound, DeploymentTenant, TenantLeaving),
    if_changed=TenantChangedMeanwhile,
)
async def change_tenant(scope: ScopeDep, id: str, body: ChangedTenant) -> Response:  # noqa: A002 - as above
    """The plan decides which providers the tenant may connect; it counts at once."""
    given = {name: getattr(body, name) for name in body.model_fields_set}
    return document(_out(await service.change_tenant(scope, id, changes=given)))


@routes.post(
    "/{id}/suspend",
    permission=MANAGE,
    limit="other",
    response_model=TenantOut,
    summary="Suspend a tenant",
    errors=(TenantNotFound, DeploymentTenant, TenantLeaving),
)
async def suspend_tenant(scope: ScopeDep, id: str) -> Response:  # noqa: A002 - as above
    """Its people and its API keys are refused everywhere within five seconds; what it has stays."""
    return document(_out(await service.set_status(scope, id, status=TenantStatus.SUSPENDED)))


@routes.post(
    "/{id}/activate",
    permission=MANAGE,
    limit="other",
    response_model=TenantOut,
    summary="Let a tenant in again",
    errors=(TenantNotFound, DeploymentTenant, TenantLeaving),
)
async def activate_tenant(scope: ScopeDep, id: str) -> Response:  # noqa: A002 - as above
    """Its people and its API keys are let in again."""
    return document(_out(await service.set_status(scope, id, status=TenantStatus.ACTIVE)))


@routes.delete(
    "/{id}",
    permission=MANAGE,
    limit="other",
    response_model=TenantOut,
    summary="Delete a tenant and all that it has",
    step_up=True,
    status=202,
    errors=(TenantNotFound, DeploymentTenant),
)
async def delete_tenant(scope: ScopeDep, id: str) -> Response:  # noqa: A002 - as above
    """Cannot be undone. Its people and keys are refused within five seconds; then its connections are ended at the
    far sides, its data keys destroyed and its data erased. The audit log says when that is done, with the counts.
    """
    return accepted(_out(await begin_deleting(scope, id)))


def _out(one: Tenant) -> TenantOut:
    return TenantOut(
        id=one.id,
        name=one.name,
        slug=one.slug,
        status=one.status,
        created_at=one.created_at,
        plan=one.plan,
        etag=one.etag,
    )
