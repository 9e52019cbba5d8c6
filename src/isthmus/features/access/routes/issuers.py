"""`/api/tenant/issuer-accounts`: what a tenant leaves of the roles that another issuer gives its people."""

from datetime import datetime
from typing import Annotated

from pydantic import Field
from starlette.responses import Response

from isthmus.features.access.errors import IssuerAccountChangedMeanwhile, IssuerAccountNotFound, NotYourself
from isthmus.features.access.model.issuers import Account
from isthmus.features.access.routes.members import MANAGE
from isthmus.features.access.service import issuers as service
from isthmus.http import Answer, PageDep, Routes, ScopeDep, Wire, document, no_content
from isthmus.kit.paging import Page

routes = Routes(prefix="/api/tenant/issuer-accounts", tag="Accounts")

Name = Annotated[str, Field(min_length=1, max_length=512)]


class Limiting(Wire):
    """Whose roles, by `iss` and `sub` of the token, and which of them are left; none shuts the person out."""

    issuer: Name
    subject: Name
    roles: Annotated[list[str], Field(max_length=10)]


class IssuerAccountOut(Answer, frozen=True, kw_only=True):
    """Somebody of another issuer, and what is left of their roles."""

    id: str
    issuer: str
    subject: str
    roles: list[str]
    set_by: str
    set_at: datetime
    etag: str


class IssuerAccountList(Answer, frozen=True, kw_only=True):
    """The oldest first."""

    items: list[IssuerAccountOut]
    limit: int
    has_more: bool
    offset: int | None = None
    next_offset: int | None = None
    next_cursor: str | None = None


@routes.put(
    "",
    permission=MANAGE,
    limit="other",
    response_model=IssuerAccountOut,
    summary="Limit the roles of somebody of another issuer",
    errors=(NotYourself,),
    if_changed=IssuerAccountChangedMeanwhile,
    step_up=True,
)
async def limit_account(scope: ScopeDep, body: Limiting) -> Response:
    """Tokens give no more than these roles within five seconds, whatever they say; sessions end, and API keys of
    theirs shrink. A role that the issuer does not give is not given here.
    """
    return document(_out(await service.limit_account(scope, body.issuer, body.subject, body.roles)))


@routes.get("", permission=MANAGE, limit="other", response_model=IssuerAccountList, summary="Limited accounts")
async def list_accounts(scope: ScopeDep, paging: PageDep) -> Response:
    """Those of other issuers whose roles this tenant limits."""
    page = await service.issuer_accounts(scope, paging.ask)
    shown = [_out(one) for one in page.items]
    return paging.listing("items", Page(shown, next_after=page.next_after, has_more=page.has_more))


@routes.delete(
    "/{account_id}",
    permission=MANAGE,
    limit="other",
    response_model=None,
    summary="Leave somebody all their roles",
    status=204,
    errors=(IssuerAccountNotFound, NotYourself),
    step_up=True,
)
async def free_account(scope: ScopeDep, account_id: str) -> Response:
    """The issuer's word counts in full again; their API keys grow when they come by next."""
    await service.free_account(scope, account_id)
    return no_content()


def _out(one: Account) -> IssuerAccountOut:
    return IssuerAccountOut(
        id=one.id,
        issuer=one.issuer,
        subject=one.subject,
        roles=list(one.roles),
        set_by=one.set_by,
        set_at=one.set_at,
        etag=one.etag,
    )
