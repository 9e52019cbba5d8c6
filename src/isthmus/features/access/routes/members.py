"""`/api/tenant/members`: who of a tenant may sign in, and as what."""

from datetime import datetime
from typing import Annotated

from pydantic import Field
from starlette.responses import Response

from isthmus.features.access.errors import (
    EmailTaken,
    FactorNeeded,
    LastAdmin,
    MemberChangedMeanwhile,
    MemberNotActive,
    MemberNotFound,
    NoSecondFactor,
    NotYourself,
)
from isthmus.features.access.model.accounts import User, UserStatus
from isthmus.features.access.model.keys import MEMBERS
from isthmus.features.access.service import accounts as service
from isthmus.features.access.service import factors, resets
from isthmus.http import Answer, PageDep, Routes, ScopeDep, Wire, created, document, no_content
from isthmus.kit.paging import Page
from isthmus.kit.permissions import SUPER_ADMIN, TENANT_ADMIN, permission

MANAGE = permission(MEMBERS, "Invite, change and remove members of the tenant.", SUPER_ADMIN, TENANT_ADMIN)

routes = Routes(prefix="/api/tenant/members", tag="Accounts")

Roles = Annotated[list[str], Field(max_length=10)]


class Inviting(Wire):
    """Who is to have a place, and as what."""

    email: Annotated[str, Field(max_length=300)]
    roles: Roles


class Roled(Wire):
    """The roles that somebody is to have."""

    roles: Roles


class MemberOut(Answer, frozen=True, kw_only=True):
    """Somebody of the tenant."""

    id: str
    email: str
    roles: list[str]
    status: UserStatus
    created_at: datetime
    etag: str


class InvitedOut(MemberOut, frozen=True, kw_only=True):
    """Somebody new, with the invitation, which is shown this once."""

    invitation: str
    expires_at: datetime


class ResetOut(Answer, frozen=True, kw_only=True):
    """A reset of somebody's password, which is shown this once."""

    member_id: str
    reset: str
    expires_at: datetime


class MemberList(Answer, frozen=True, kw_only=True):
    """The oldest members first."""

    items: list[MemberOut]
    limit: int
    has_more: bool
    offset: int | None = None
    next_offset: int | None = None
    next_cursor: str | None = None


@routes.post(
    "",
    permission=MANAGE,
    limit="other",
    response_model=InvitedOut,
    summary="Invite somebody",
    status=201,
    errors=(EmailTaken,),
    secret_fields=("invitation",),
)
async def invite(scope: ScopeDep, body: Inviting) -> Response:
    """Hand the invitation over by a way of your own; `POST /api/auth/accept` takes it up."""
    made = await service.invite(scope, body.email, body.roles)
    one = out(made.user)
    return created(
        InvitedOut(
            id=one.id,
            email=one.email,
            roles=one.roles,
            status=one.status,
            created_at=one.created_at,
            etag=one.etag,
            invitation=made.shown.reveal(),
            expires_at=made.until,
        )
    )


@routes.get("", permission=MANAGE, limit="other", response_model=MemberList, summary="Members of the tenant")
async def list_members(scope: ScopeDep, paging: PageDep) -> Response:
    """Those who joined and those who are invited."""
    page = await service.members(scope, paging.ask)
    shown = [out(one) for one in page.items]
    return paging.listing("items", Page(shown, next_after=page.next_after, has_more=page.has_more))


@routes.patch(
    "/{id}",
    permission=MANAGE,
    limit="other",
    response_model=MemberOut,
    summary="Change somebody's roles",
    errors=(MemberNotFound, NotYourself),
    if_changed=MemberChangedMeanwhile,
    step_up=True,
)
async def change_roles(scope: ScopeDep, id: str, body: Roled) -> Response:  # noqa: A002 - the parameter's name on the wire
    """Tokens and API keys of theirs follow within five seconds; their sessions in browsers end."""
    return document(out(await service.change_roles(scope, id, body.roles)))


@routes.delete(
    "/{id}",
    permission=MANAGE,
    limit="other",
    response_model=None,
    summary="Remove somebody",
    status=204,
    errors=(MemberNotFound, NotYourself, LastAdmin),
    step_up=True,
)
async def remove_member(scope: ScopeDep, id: str) -> Response:  # noqa: A002 - as above
    """Their sessions end, and their API keys open nothing any more."""
    await service.remove_member(scope, id)
    return no_content()


@routes.post(
    "/{id}/password-reset",
    permission=MANAGE,
    limit="other",
    response_model=ResetOut,
    summary="Let somebody set their password anew",
    status=201,
    errors=(MemberNotFound, MemberNotActive),
    secret_fields=("reset",),
)
async def offer_reset(scope: ScopeDep, id: str) -> Response:  # noqa: A002 - as above
    """Hand the reset over by a way of your own; `POST /api/auth/reset` takes it up once, within half an hour."""
    made = await resets.offer_reset(scope, id)
    return created(ResetOut(member_id=made.user.id, reset=made.shown.reveal(), expires_at=made.until))


@routes.delete(
    "/{id}/second-factor",
    permission=MANAGE,
    limit="other",
    response_model=None,
    summary="Take somebody's second factor away",
    status=204,
    errors=(MemberNotFound, NoSecondFactor, FactorNeeded),
    step_up=True,
)
async def remove_factor(scope: ScopeDep, id: str) -> Response:  # noqa: A002 - as above
    """For who lost the telephone. Every session of theirs ends; the next sign-in takes the password alone."""
    await factors.remove_factor(scope, id)
    return no_content()


def out(one: User) -> MemberOut:
    """A member on the wire."""
    return MemberOut(
        id=one.id,
        email=one.email,
        roles=list(one.roles),
        status=one.status,
        created_at=one.created_at,
        etag=one.etag,
    )
