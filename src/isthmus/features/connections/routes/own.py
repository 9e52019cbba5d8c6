"""Connections for people and keys (design/api.md, Nouns; document 002, Connection Management Endpoints)."""

from typing import Annotated, Literal

from fastapi import Query
from starlette.responses import Response

from isthmus.features.catalog import AppMissing, PlanRequired, ProviderNotConnectable, ProviderNotFound
from isthmus.features.connections.errors import (
    AlreadyConnected,
    ConnectionNotFound,
    ConsentFailed,
    CredentialsRefused,
    PlatformUnreachable,
    ReturnOriginsChangedMeanwhile,
    TicketRefused,
    TooManyFlows,
    UserScoped,
    WrongAccountGiven,
    WrongKind,
)
from isthmus.features.connections.model.connection import Filters, Status
from isthmus.features.connections.routes import cookies
from isthmus.features.connections.routes.shapes import (
    MANAGE,
    READ,
    ConnectionList,
    ConnectionOut,
    ConnectStartedOut,
    OpenConnection,
    Reconnect,
    Redeem,
    RedeemedOut,
    ReturnOrigins,
    ReturnOriginsOut,
    TrialOut,
    begun,
    shown,
    tried,
)
from isthmus.features.connections.service import finishing, managing, starting
from isthmus.features.connections.service.starting import Started
from isthmus.features.connections.settings import Settings
from isthmus.http import PageDep, Routes, ScopeDep, created, document, no_content
from isthmus.kit.etags import etag
from isthmus.kit.paging import Page
from isthmus.kit.secret import Secret
from isthmus.scope import Scope

routes = Routes(prefix="/api/connections", tag="Connections")

CONNECTING = (
    ProviderNotFound, ProviderNotConnectable, AppMissing, PlanRequired, WrongKind, CredentialsRefused,
    PlatformUnreachable, AlreadyConnected, TooManyFlows,
)  # fmt: skip


@routes.post(
    "",
    permission=MANAGE,
    limit="connection",
    response_model=ConnectStartedOut,
    secret_fields=("authorizationUrl", "state"),
    status=201,
    summary="Connect an account",
    description="OAuth providers answer with an `authorizationUrl`: open it in a browser within ten minutes. Opened in "
    "the browser that made this call, the consent ends connected; opened in another one, it ends with a ticket that "
    "only the caller can redeem. Other providers take their keys here, tried before they are stored.",
    errors=(*CONNECTING, UserScoped),
)
async def open_connection(scope: ScopeDep, body: OpenConnection) -> Response:
    """Make a connection."""
    started = await starting.start(
        scope,
        body.provider,
        name=body.name,
        settings=body.settings,
        return_url=body.return_url,
        keys=body.keys(),
    )
    answer = created(begun(started), location=f"/api/connections/{started.connection.id}")
    return tied(scope, started, answer)


@routes.get(
    "", permission=READ, limit="connection", response_model=ConnectionList, summary="The connections of this tenant"
)
async def list_connections(
    scope: ScopeDep,
    paging: PageDep,
    provider: Annotated[str | None, Query(max_length=100)] = None,
    status: Annotated[Status | None, Query()] = None,
    search: Annotated[str | None, Query(max_length=200)] = None,
    sort_by: Annotated[Literal["createdAt", "updatedAt", "name", "status"], Query(alias="sortBy")] = "createdAt",
    sort_order: Annotated[Literal["asc", "desc"], Query(alias="sortOrder")] = "desc",
) -> Response:
    """Some connections, the newest first unless asked otherwise."""
    found = await managing.connections(
        scope,
        filters=Filters(provider, status, search),
        ask=paging.ask,
        sort=sort_by,
        descending=sort_order == "desc",
    )
    page = Page([shown(one) for one in found.items], total=found.total, has_more=found.has_more)
    return paging.listing("items", page)


@routes.post(
    "/flows",
    permission=MANAGE,
    limit="connection",
    response_model=RedeemedOut,
    summary="Finish a consent that was given in another browser",
    description="Only the principal that began the consent can redeem its ticket, once, within five minutes.",
    errors=(TicketRefused, ConsentFailed),
)
async def redeem(scope: ScopeDep, body: Redeem) -> Response:
    """Exchange the code behind a ticket."""
    settled = await finishing.redeem(scope, Secret(body.ticket.get_secret_value()))
    rows = [shown(await starting.get(scope, one)) for one in settled.connected]
    return document(RedeemedOut(status="connected", connection_id=rows[0].id, connections=rows))


@routes.get(
    "/return-origins",
    permission=MANAGE,
    limit="connection",
    response_model=ReturnOriginsOut,
    summary="Where this tenant's consents may return to",
)
async def get_return_origins(scope: ScopeDep) -> Response:
    """The tenant's own list; the deployment may allow more."""
    return document(_origins(await managing.return_origins(scope)))


@routes.put(
    "/return-origins",
    permission=MANAGE,
    limit="connection",
    response_model=ReturnOriginsOut,
    summary="Set where this tenant's consents may return to",
    if_changed=ReturnOriginsChangedMeanwhile,
)
async def put_return_origins(scope: ScopeDep, body: ReturnOrigins) -> Response:
    """Make the list exactly this one."""
    return document(_origins(await managing.set_return_origins(scope, body.origins)))


def _origins(known: list[str]) -> ReturnOriginsOut:
    return ReturnOriginsOut(origins=known, etag=etag(known))


@routes.get(
    "/{id}",
    permission=READ,
    limit="connection",
    response_model=ConnectionOut,
    summary="One connection",
    errors=(ConnectionNotFound,),
)
async def get_connection(scope: ScopeDep, id: str) -> Response:  # noqa: A002 - the name of the path parameter
    """One connection."""
    return document(shown(await starting.get(scope, id)))


@routes.delete(
    "/{id}",
    permission=MANAGE,
    limit="connection",
    response_model=None,
    status=204,
    summary="Disconnect an account",
    description="Destroys our copy of the credentials even if the platform's revocation fails; the event log tells "
    "how the platform took it.",
    errors=(ConnectionNotFound,),
)
async def disconnect(scope: ScopeDep, id: str) -> Response:  # noqa: A002 - as above
    """End a connection."""
    await managing.disconnect(scope, id)
    return no_content()


@routes.post(
    "/{id}/test",
    permission=MANAGE,
    limit="connection",
    response_model=TrialOut,
    summary="Try the credentials of a connection",
    errors=(ConnectionNotFound,),
)
async def test(scope: ScopeDep, id: str) -> Response:  # noqa: A002 - as above
    """Make the cheapest call that proves the credentials."""
    return document(tried(await managing.test(scope, id)))


@routes.post(
    "/{id}/reconnect",
    permission=MANAGE,
    limit="connection",
    response_model=ConnectStartedOut,
    secret_fields=("authorizationUrl", "state"),
    summary="Give a connection new credentials",
    description="The connection keeps its account: a consent for another one is refused.",
    errors=(ConnectionNotFound, WrongAccountGiven, *CONNECTING),
)
async def reconnect(scope: ScopeDep, id: str, body: Reconnect) -> Response:  # noqa: A002 - as above
    """Begin again for an existing connection."""
    started = await starting.reconnect(scope, id, return_url=body.return_url, keys=body.keys())
    return tied(scope, started, document(begun(started)))


def tied(scope: Scope, started: Started, answer: Response) -> Response:
    """Prove the starter's browser, if it is one that takes cookies (docs/adr/0006)."""
    answer.headers["cache-control"] = "no-store"
    if started.consent is not None:
        secure = scope.part(Settings).secure
        cookies.put(answer, started.consent.cookie_name, started.consent.cookie, secure=secure)
    return answer
