"""Connect sessions: for a tenant's own server, and for pages of its origin that have a token."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from pydantic import Field, SecretStr
from starlette.requests import Request
from starlette.responses import Response

from isthmus.features.catalog import PlanRequired
from isthmus.features.connections.errors import (
    ConnectSessionInvalid,
    ConnectSessionNotFound,
    ConsentFailed,
    IntegrationNotFound,
    OriginRefused,
    TicketRefused,
    UserScopeDenied,
)
from isthmus.features.connections.model.connecting import ConnectSession
from isthmus.features.connections.routes.own import CONNECTING
from isthmus.features.connections.routes.shapes import MANAGE, Address, Given, Slug
from isthmus.features.connections.service import connecting as service
from isthmus.features.connections.service import pages
from isthmus.features.connections.service.connecting import Caller, Wanted
from isthmus.http import PUBLIC, Answer, FactsDep, PageDep, RequestFacts, Routes, ScopeDep, SystemDep, Wire, document
from isthmus.http import created as made_201
from isthmus.kit.languages import Language
from isthmus.kit.paging import Page
from isthmus.kit.secret import Secret
from isthmus.scope import Scope

routes = Routes(prefix="/api/connect-sessions", tag="Connect sessions")
by_token = Routes(prefix="/api/connect", tag="Connect sessions")

Shown = Literal["open", "trying", "started", "used", "revoked", "expired"]
Token = Annotated[SecretStr, Field(min_length=1, max_length=200)]
_TOKEN_ERRORS = (ConnectSessionInvalid, OriginRefused)


class MakeSession(Wire):
    """What the session is for; `expiresIn` is in seconds, at most 15 minutes unless the deployment says otherwise.

    `locale` is the language of our own page for it; without it the browser's own language counts.
    """

    integration_id: Slug
    origin: Address
    return_url: Address | None = None
    user_id: Slug | None = None
    expires_in: Annotated[int, Field(ge=1, le=2_678_400)] | None = None
    locale: Language | None = None


class ByToken(Wire):
    """The token alone."""

    token: Token


class StartByToken(Given):
    """The token, and credentials where the provider takes some."""

    token: Token


class FinishByToken(Wire):
    """The token, and the ticket that came back to the return address."""

    token: Token
    ticket: Token


class ConnectSessionOut(Answer, frozen=True, kw_only=True):
    """One session; never its token."""

    id: str
    integration_id: str
    origin: str
    return_url: str | None
    user_id: str | None
    locale: str | None
    status: Shown
    connection_id: str | None
    created_by: str
    created_at: datetime
    expires_at: datetime


class MadeOut(ConnectSessionOut, frozen=True, kw_only=True):
    """A new session with its token, and the address of our own connect page for it; both are shown this once."""

    token: str  # house: secret - the answer that shows it once
    connect_url: str


class SessionList(Answer, frozen=True, kw_only=True):
    """The newest sessions first."""

    items: list[ConnectSessionOut]
    limit: int
    has_more: bool
    offset: int | None = None
    next_offset: int | None = None
    next_cursor: str | None = None


class FieldOut(Answer, frozen=True, kw_only=True):
    """One field to ask for; `labels` and `helps` are those of other languages than English."""

    name: str
    label: str
    secret: bool
    required: bool
    help: str
    pattern: str
    labels: dict[str, str] | msgspec.UnsetType = msgspec.UNSET
    helps: dict[str, str] | msgspec.UnsetType = msgspec.UNSET


class OfferOut(Answer, frozen=True, kw_only=True):
    """What is connected. With `authType` oauth2 nothing is asked for here: start, and open the `authorizationUrl`.

    With oauth2 in `authAlso` both ways are open: without a secret a consent is begun.
    """

    name: str
    provider: str
    icon: str | None
    auth_type: str
    auth_also: list[str]
    fields: list[FieldOut]
    #: False where an operator has yet to set the app that a consent needs: connecting is refused until then.
    app_ready: bool
    expires_at: datetime


class ByTokenOut(Answer, frozen=True, kw_only=True):
    """`connected`, or `pending` with the address at which the person agrees."""

    status: Literal["connected", "pending"]
    connection_id: str
    authorization_url: str | msgspec.UnsetType = msgspec.UNSET
    state: str | msgspec.UnsetType = msgspec.UNSET


@routes.post(
    "",
    permission=MANAGE,
    limit="connection",
    response_model=MadeOut,
    secret_fields=("token", "connectUrl"),
    status=201,
    summary="Make a connect session",
    description="Your server makes it and hands `token` to a page of `origin`, which must be on the list of return "
    "origins, or sends the person to `connectUrl`, our own page, which asks for everything and comes back to "
    "`returnUrl`. The token connects this one integration, once, within its minutes, and opens nothing else. Where "
    "each person connects alone, a key says for whom with `userId`.",
    errors=(IntegrationNotFound, UserScopeDenied, PlanRequired),
)
async def create_session(scope: ScopeDep, body: MakeSession) -> Response:
    """A token for one flow."""
    wanted = Wanted(
        integration_id=body.integration_id,
        origin=body.origin,
        return_url=body.return_url,
        user_id=body.user_id,
        seconds=body.expires_in,
        language=body.locale,
    )
    made = await service.create(scope, wanted)
    shown = _shown(scope, made.session)
    answer = MadeOut(
        **{name: getattr(shown, name) for name in ConnectSessionOut.__struct_fields__},
        token=made.token.reveal(),
        connect_url=pages.link_of(scope, made.token).reveal(),
    )
    return made_201(answer, location=f"/api/connect-sessions/{shown.id}")


@routes.get("", permission=MANAGE, limit="connection", response_model=SessionList, summary="The connect sessions")
async def list_sessions(scope: ScopeDep, paging: PageDep) -> Response:
    """Kept for a day after their end."""
    page = await service.sessions(scope, paging.ask)
    items = [_shown(scope, one) for one in page.items]
    return paging.listing("items", Page(items, next_after=page.next_after, has_more=page.has_more))


@routes.get(
    "/{id}",
    permission=MANAGE,
    limit="connection",
    response_model=ConnectSessionOut,
    summary="One connect session",
    errors=(ConnectSessionNotFound,),
)
async def get_session(scope: ScopeDep, id: str) -> Response:  # noqa: A002 - the name of the path parameter
    """How far it is, and what it connected."""
    return document(_shown(scope, await service.session(scope, id)))


@routes.post(
    "/{id}/revoke",
    permission=MANAGE,
    limit="connection",
    response_model=ConnectSessionOut,
    summary="Revoke a connect session",
    errors=(ConnectSessionNotFound,),
)
async def revoke_session(scope: ScopeDep, id: str) -> Response:  # noqa: A002 - as above
    """From now on its token opens nothing."""
    return document(_shown(scope, await service.revoke(scope, id)))


@by_token.post(
    "/session",
    permission=PUBLIC,
    limit="callback",
    response_model=OfferOut,
    summary="What a connect token connects",
    description="Called by a page of the session's origin; any other origin is refused.",
    errors=_TOKEN_ERRORS,
)
async def look(request: Request, system: SystemDep, facts: FactsDep, body: ByToken) -> Response:
    """What to show, and what to ask for."""
    offer = await service.offer(system, _caller(request, facts), Secret(body.token.get_secret_value()))
    one = offer.integration
    return document(
        OfferOut(
            name=one.name,
            provider=one.provider,
            icon=one.icon,
            auth_type=offer.provider.auth,
            auth_also=list(offer.provider.manifest.auth_also),
            fields=[
                FieldOut(
                    name=it.name,
                    label=it.label,
                    secret=it.secret,
                    required=it.required,
                    help=it.help,
                    labels=it.labels or msgspec.UNSET,
                    helps=it.helps or msgspec.UNSET,
                    pattern=it.pattern,
                )
                for it in offer.fields
            ],
            app_ready=offer.app_ready,
            expires_at=offer.session.expires_at,
        )
    )


@by_token.post(
    "/start",
    permission=PUBLIC,
    limit="callback",
    response_model=ByTokenOut,
    summary="Connect with a connect token",
    description="With credentials they are tried, and stored if they work; wrong ones may be corrected, five tries in "
    "all. Without, it answers the `authorizationUrl` of the consent; the browser comes back to the session's "
    "`returnUrl` with `status=pending&ticket=`, which `/api/connect/finish` redeems.",
    errors=(*_TOKEN_ERRORS, *CONNECTING),
)
async def start(request: Request, system: SystemDep, facts: FactsDep, body: StartByToken) -> Response:
    """Begin, or be done."""
    token = Secret(body.token.get_secret_value())
    started = await service.start(system, _caller(request, facts), token, body.keys())
    if started.consent is None:
        return document(ByTokenOut(status="connected", connection_id=started.connection.id))
    return document(
        ByTokenOut(
            status="pending",
            connection_id=started.connection.id,
            authorization_url=started.consent.link.reveal(),
            state=started.consent.state,
        )
    )


@by_token.post(
    "/finish",
    permission=PUBLIC,
    limit="callback",
    response_model=ByTokenOut,
    summary="Finish a consent with a connect token",
    errors=(*_TOKEN_ERRORS, TicketRefused, ConsentFailed),
)
async def finish(request: Request, system: SystemDep, facts: FactsDep, body: FinishByToken) -> Response:
    """Exchange the code behind the ticket."""
    token, ticket = (Secret(one.get_secret_value()) for one in (body.token, body.ticket))
    connection_id = await service.finish(system, _caller(request, facts), token, ticket)
    return document(ByTokenOut(status="connected", connection_id=connection_id))


def _caller(request: Request, facts: RequestFacts) -> Caller:
    return Caller(facts, request.headers.get("origin", ""))


def _shown(scope: Scope, one: ConnectSession) -> ConnectSessionOut:
    status: Shown = one.shown(scope.now)  # type: ignore[assignment]  # the stages and `expired` are all there is
    mine = one.principal.id == one.created_by
    return ConnectSessionOut(
        id=one.id,
        integration_id=one.integration_id,
        origin=one.origin,
        return_url=one.return_url,
        user_id=None if mine else one.principal.subject,
        locale=one.language,
        status=status,
        connection_id=one.connection_id,
        created_by=one.created_by,
        created_at=one.created_at,
        expires_at=one.expires_at,
    )
