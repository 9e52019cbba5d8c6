"""Operators inside tenants: how they get in, and how the tenant's people see it and end it (security.md SA-01)."""

from datetime import datetime

from starlette.responses import Response

from isthmus.features.access.errors import DeploymentTenant, GlassNotFound, TenantNotFound, TenantNotLetIn
from isthmus.features.access.model.glasses import Glass
from isthmus.features.access.service import glasses as service
from isthmus.features.access.service.glasses import Why
from isthmus.http import Answer, PageDep, Routes, ScopeDep, Wire, created, no_content
from isthmus.kit.paging import Page
from isthmus.kit.permissions import SUPER_ADMIN, TENANT_ADMIN, permission

BREAK = permission("break_glass:use", "Go into a tenant for a reason, for an hour, in its sight.", SUPER_ADMIN)
SEE = permission("break_glass:see", "See which operators were inside the tenant, and send them out.", TENANT_ADMIN)

entering = Routes(prefix="/api/admin/tenants/{id}/break-glass", tag="Tenants")
seeing = Routes(prefix="/api/tenant/break-glass", tag="Accounts")


class Entering(Wire):
    """Why, where that is written down, and for how many minutes: 60 at most."""

    reason: str
    ticket: str
    minutes: int | None = None


class GlassOut(Answer, frozen=True, kw_only=True):
    """One time that an operator of the deployment was inside."""

    id: str
    operator: str
    reason: str
    ticket: str
    begun_at: datetime
    until: datetime
    ended_at: datetime | None
    ended_by: str | None
    open: bool


class BrokenOut(GlassOut, frozen=True, kw_only=True):
    """With `token`, which is sent as `Authorization: Bearer` and shown this once."""

    token: str  # house: secret - the answer that shows it once


class GlassList(Answer, frozen=True, kw_only=True):
    """The newest first."""

    items: list[GlassOut]
    limit: int
    has_more: bool
    offset: int | None = None
    next_offset: int | None = None
    next_cursor: str | None = None


@entering.post(
    "",
    permission=BREAK,
    limit="other",
    response_model=BrokenOut,
    summary="Go into a tenant",
    status=201,
    errors=(TenantNotFound, DeploymentTenant, TenantNotLetIn),
    secret_fields=("token",),
)
async def break_glass(scope: ScopeDep, id: str, body: Entering) -> Response:  # noqa: A002 - the parameter's name
    """The tenant is told at once, reads the reason, and may end it. Every answer to a call inside bears
    `X-Break-Glass`, and the audit log names it. Keys, members, exports and one-time secrets stay closed.
    """
    made = await service.break_glass(scope, id, Why(body.reason, body.ticket, body.minutes))
    fields = {name: getattr(made.glass, name) for name in _NAMES}
    return created(BrokenOut(**fields, open=True, token=made.shown.reveal()))


@entering.delete(
    "/{glass_id}",
    permission=BREAK,
    limit="other",
    response_model=None,
    summary="Leave a tenant",
    status=204,
    errors=(GlassNotFound,),
)
async def leave(scope: ScopeDep, id: str, glass_id: str) -> Response:  # noqa: A002 - as above
    """Before the time is over; within five seconds everywhere."""
    await service.leave(scope, id, glass_id)
    return no_content()


@seeing.get("", permission=SEE, limit="other", response_model=GlassList, summary="Operators who were inside")
async def list_glasses(scope: ScopeDep, paging: PageDep) -> Response:
    """Who of the deployment's operators was inside, when and why; `open` tells who is there now."""
    page = await service.glasses(scope, paging.ask)
    shown = [_out(one, scope.now) for one in page.items]
    return paging.listing("items", Page(shown, next_after=page.next_after, has_more=page.has_more))


@seeing.delete(
    "/{glass_id}",
    permission=SEE,
    limit="other",
    response_model=None,
    summary="Send an operator out",
    status=204,
    errors=(GlassNotFound,),
)
async def send_out(scope: ScopeDep, glass_id: str) -> Response:
    """Within five seconds nothing opens to them any more. Doing it again changes nothing."""
    await service.send_out(scope, glass_id)
    return no_content()


_NAMES = ("id", "operator", "reason", "ticket", "begun_at", "until", "ended_at", "ended_by")


def _out(one: Glass, now: datetime) -> GlassOut:
    return GlassOut(**{name: getattr(one, name) for name in _NAMES}, open=one.is_open(now))
