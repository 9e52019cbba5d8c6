"""`/api/auth/oidc`: sign in at another issuer, by OpenID Connect (security.md OA-19)."""

import math
from typing import Annotated

from fastapi import Query
from pydantic import Field, SecretStr
from starlette.requests import Request
from starlette.responses import Response

from isthmus.features.access.errors import (
    InvitationUnknown,
    LoginNotFound,
    LoginRefused,
    LoginTaken,
    NoSession,
    SignInFailed,
    TooManyLinks,
)
from isthmus.features.access.model.logins import Attempt
from isthmus.features.access.routes.accounts import OWN
from isthmus.features.access.routes.failures import login_failed, remember_place
from isthmus.features.access.service import logins as service
from isthmus.features.access.service.login_issuers import every_login
from isthmus.features.access.service.logins import Asked
from isthmus.http import (
    PUBLIC,
    Answer,
    CrossSite,
    FactsDep,
    Routes,
    ScopeDep,
    SystemDep,
    Wire,
    check_own_page,
    document,
    session_header,
)
from isthmus.kit.errors import Invalid
from isthmus.kit.secret import Secret

routes = Routes(prefix="/api/auth/oidc", tag="Accounts")

Text = Annotated[str, Field(min_length=1, max_length=300)]
Path = Annotated[str, Field(max_length=500)]
_SEE_OTHER = 303


class LoginOut(Answer, frozen=True, kw_only=True):
    """An issuer that people sign in at, and where a browser begins."""

    name: str
    label: str
    start: str


class LoginList(Answer, frozen=True, kw_only=True):
    """Every issuer that people of this deployment sign in at."""

    items: list[LoginOut]


class StartingLogin(Wire):
    """The tenant by its id or its slug, or an invitation that is to be taken up; `returnTo` is a path of this server.

    With `fresh` the issuer asks for a new proof of who it is, and what takes one can be done then.
    """

    tenant: Text | None = None
    invitation: Annotated[SecretStr, Field(max_length=300)] | None = None
    return_to: Path = "/"
    fresh: bool = False


class LoginStartedOut(Answer, frozen=True, kw_only=True):
    """Where the browser goes; the cookie that came with this answer belongs to it."""

    authorization_url: str


class Linking(Wire):
    """Where the browser goes afterwards: a path of this server."""

    return_to: Path = "/"


@routes.get("", permission=PUBLIC, limit="open", response_model=LoginList, summary="Issuers to sign in at")
async def list_logins(system: SystemDep) -> Response:
    """What a page draws a button for."""
    found = await every_login(system)
    items = [LoginOut(name=one.name, label=one.label, start=f"/api/auth/oidc/{one.name}/start") for one in found]
    return document(LoginList(items=items))


@routes.get(
    "/{issuer}/start",
    permission=PUBLIC,
    limit="login",
    response_model=None,
    summary="Sign in at an issuer",
    status=303,
    errors=(LoginNotFound,),
    failure_page=login_failed,
)
async def start(
    system: SystemDep,
    issuer: str,
    tenant: Annotated[str, Query(min_length=1, max_length=300, description="Its id or its slug.")],
    return_to: Annotated[str, Query(alias="returnTo", max_length=500)] = "/",
    fresh: Annotated[bool, Query(description="Ask for a new proof.")] = False,
) -> Response:
    """Sends the browser to the issuer, which sends it back to `/callback` here: keep to one browser. A browser gets a
    page where this cannot be, and so it does on the way back.
    """
    asked = Asked(tenant=tenant, return_to=return_to, fresh=fresh)
    begun = await service.start_login(system, issuer, asked)
    answer = Response(status_code=_SEE_OTHER, headers={"location": begun.address.reveal()})
    return remember_place(_kept(answer, begun.attempt, begun.seconds), tenant, return_to)


@routes.post(
    "/{issuer}/start",
    permission=PUBLIC,
    limit="login",
    response_model=LoginStartedOut,
    summary="Begin a login, or take up an invitation with one",
    errors=(LoginNotFound, CrossSite),
)
async def start_by_page(system: SystemDep, request: Request, issuer: str, body: StartingLogin) -> Response:
    """For pages of this server: go to `authorizationUrl` then. An invitation is taken up when the login comes back, in
    place of a password.
    """
    check_own_page(request.method, dict(request.scope["headers"]))
    if (body.tenant is None) == (body.invitation is None):
        raise Invalid.field("tenant", "Either a tenant, or an invitation.")
    invitation = None if body.invitation is None else Secret(body.invitation.get_secret_value())
    asked = Asked(tenant=body.tenant or "", invitation=invitation, return_to=body.return_to, fresh=body.fresh)
    begun = await service.start_login(system, issuer, asked)
    answer = document(LoginStartedOut(authorization_url=begun.address.reveal()))
    return remember_place(_kept(answer, begun.attempt, begun.seconds), asked.tenant, asked.return_to)


@routes.post(
    "/{issuer}/link",
    permission=OWN,
    limit="other",
    response_model=LoginStartedOut,
    summary="Add a login at an issuer to your own",
    errors=(LoginNotFound, NoSession, TooManyLinks),
    step_up=True,
)
async def link(system: SystemDep, scope: ScopeDep, request: Request, issuer: str, body: Linking) -> Response:
    """For pages of this server, in a session of a member: go to `authorizationUrl` then, in this browser. When the
    login comes back it opens this account from then on, beside what opened it before, if this session still goes on.
    """
    service.check_session(scope)
    check_own_page(request.method, dict(request.scope["headers"]))
    begun = await service.start_link(system, scope, issuer, body.return_to)
    answer = document(LoginStartedOut(authorization_url=begun.address.reveal()))
    return remember_place(_kept(answer, begun.attempt, begun.seconds), "", "")


@routes.get(
    "/{issuer}/callback",
    permission=PUBLIC,
    limit="callback",
    response_model=None,
    summary="The way back from an issuer",
    status=303,
    open_query=True,
    errors=(LoginNotFound, LoginRefused, LoginTaken, InvitationUnknown, SignInFailed, NoSession),
    failure_page=login_failed,
)
async def callback(system: SystemDep, facts: FactsDep, request: Request, issuer: str) -> Response:
    """Ends in a session of this browser, and at the path that the login was begun with. It counts in the browser that
    began, once; whoever is sent here by another page signs nobody in. A login that was to be added to a member's own
    begins no session.
    """
    query = request.query_params.multi_items()
    ended = await service.finish_login(system, facts, issuer, query, dict(request.cookies))
    answer = Response(status_code=_SEE_OTHER, headers={"location": ended.return_to})
    if ended.shown is not None and ended.until is not None:
        seconds = math.ceil((ended.until - system.now).total_seconds())
        answer.headers.append("set-cookie", session_header(ended.shown, seconds))
    return remember_place(_kept(answer, Attempt(Secret(request.query_params["state"]), Secret("")), 0), "", "")


def _kept(answer: Response, attempt: Attempt, seconds: int) -> Response:
    """The cookie that ties a login to its browser, or without seconds its end."""
    said = f"{attempt.cookie}={attempt.kept.reveal()}; Path=/; Max-Age={seconds}; Secure; HttpOnly; SameSite=Lax"
    answer.headers.append("set-cookie", said)
    return answer
