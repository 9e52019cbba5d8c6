"""Where browsers pass on their way to a platform and back; nobody is signed in here (security.md OA-02 to OA-12)."""

from typing import Annotated

from fastapi import Path, Query
from starlette.requests import Request
from starlette.responses import Response

from isthmus.features.connections.routes import cookies
from isthmus.features.connections.routes.wording import Wording, asked_for
from isthmus.features.connections.service import finishing
from isthmus.features.connections.service.finishing import Asker, Ending
from isthmus.features.connections.settings import Settings
from isthmus.http import PUBLIC, FactsDep, RequestFacts, Routes, SystemDep
from isthmus.kit.errors import NotFound
from isthmus.kit.secret import Secret
from isthmus.scope import System

routes = Routes(prefix="/api/integrations/oauth", tag="Consent")

_SEE_OTHER, _FOUND = 303, 302


@routes.get(
    "/start",
    permission=PUBLIC,
    limit="callback",
    response_model=None,
    status=_SEE_OTHER,
    media_type="text/html",
    summary="Begin a consent in this browser",
    errors=(NotFound,),
    description="The `authorizationUrl` of a started connection. Works once, for ten minutes.",
)
async def open_link(
    request: Request, system: SystemDep, facts: FactsDep, link: Annotated[str, Query(max_length=200)]
) -> Response:
    """Tie this browser to the consent and send it to the platform."""
    if request.method == "HEAD" or "prefetch" in request.headers.get("sec-purpose", ""):
        return cookies.page(_said(request), _said(request).say("consents.browser"), 200)
    ending = await finishing.open_link(system, _asker(request, facts), Secret(link))
    return _answer(request, system, ending, _SEE_OTHER)


@routes.get(
    "/callback",
    permission=PUBLIC,
    limit="callback",
    response_model=None,
    status=_FOUND,
    media_type="text/html",
    open_query=True,
    summary="Return from a platform that takes one fixed redirect address",
    errors=(NotFound,),
)
async def bare_callback(request: Request, system: SystemDep, facts: FactsDep) -> Response:
    """See `callback`."""
    return await _callback(request, system, facts, None)


@routes.get(
    "/callback/{registration}",
    permission=PUBLIC,
    limit="callback",
    response_model=None,
    status=_FOUND,
    media_type="text/html",
    open_query=True,
    summary="Return from a platform",
    errors=(NotFound,),
    description="Ends at the `returnUrl` with `status=connected&connectionId=`, `status=failed&error=`, or, when the "
    "consent was given in another browser than its starter's, `status=pending&ticket=`.",
)
async def callback(
    request: Request, system: SystemDep, facts: FactsDep, registration: Annotated[str, Path(max_length=100)]
) -> Response:
    """End a consent one way or another."""
    return await _callback(request, system, facts, registration)


async def _callback(request: Request, system: System, facts: RequestFacts, registration: str | None) -> Response:
    if request.method == "HEAD":
        return cookies.page(_said(request), _said(request).say("consents.browser"), 200)
    query = request.query_params.multi_items()
    ending = await finishing.callback(system, _asker(request, facts), registration, query)
    return _answer(request, system, ending, _FOUND)


def _asker(request: Request, facts: RequestFacts) -> Asker:
    return Asker(facts, request.cookies)


def _answer(request: Request, system: System, ending: Ending, status: int) -> Response:
    response = _page(_said(request), ending) if ending.location is None else cookies.away(ending.location, status)
    if ending.cookie_name:
        cookies.put(response, ending.cookie_name, ending.cookie, secure=system.engine.part(Settings).secure)
    return response


def _page(said: Wording, ending: Ending) -> Response:
    ticket = "" if ending.ticket is None else ending.ticket.reveal()
    text = said.say(f"consents.{ending.said}", outcome=ending.outcome, ticket=ticket)
    if ending.unreturnable:
        text = f"{said.say('consents.unreturnable')} {text}"
    return cookies.page(said, text, ending.status)


def _said(request: Request) -> Wording:
    return asked_for(request.headers.get("accept-language", ""))
