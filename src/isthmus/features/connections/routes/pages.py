"""The hosted connect page, for browsers that a connect token opened it to; nobody is signed in (security.md OA-18)."""

from starlette.requests import Request
from starlette.responses import Response

from isthmus.features.connections.errors import (
    ConnectSessionInvalid,
    IntegrationDisabled,
    NotForYou,
    OriginRefused,
    WrongAccountGiven,
)
from isthmus.features.connections.routes import cookies, drawing
from isthmus.features.connections.routes.own import CONNECTING
from isthmus.features.connections.routes.wording import Wording, asked_for
from isthmus.features.connections.service import pages
from isthmus.features.connections.service.connecting import Caller
from isthmus.features.connections.service.pages import View
from isthmus.features.connections.settings import Settings
from isthmus.http import PUBLIC, CrossSite, FactsDep, RequestFacts, Routes, SystemDep, check_own_page
from isthmus.kit.errors import Invalid, Problem
from isthmus.kit.secret import Secret
from isthmus.scope import System

routes = Routes(prefix="/connect", tag="Connect page")

_SEE_OTHER = 303
_FORM_BYTES = 128 * 1024
_LONGEST = 10_000
_MOST_FIELDS = 50
_ELSEWHERE = "elsewhere"


@routes.get(
    "",
    permission=PUBLIC,
    limit="callback",
    response_model=None,
    media_type="text/html",
    summary="The connect page of a link",
    description="The `connectUrl` of a connect session. The token stands behind the `#`, so it reaches no log; a "
    "script sends it on as a form.",
)
async def open_entry(request: Request) -> Response:
    """Where the token is read from the link."""
    return drawing.entry(_said(request))


@routes.get(
    "/script.js",
    permission=PUBLIC,
    limit="callback",
    response_model=None,
    media_type="text/javascript",
    summary="The connect page's script",
    hidden=True,
)
async def script() -> Response:
    """Reads the link."""
    return drawing.script()


@routes.post(
    "",
    permission=PUBLIC,
    limit="callback",
    response_model=None,
    media_type="text/html",
    status=_SEE_OTHER,
    body_cap=_FORM_BYTES,
    summary="Open the connect page with a token",
    description="A form with the field `token`, sent by a page of the session's origin, or by our own page. The "
    "browser gets a proof of its own and is sent to the session's page.",
    errors=(ConnectSessionInvalid, OriginRefused, Invalid),
)
async def enter(request: Request, system: SystemDep, facts: FactsDep) -> Response:
    """Exchange the token."""
    said = _said(request)
    try:
        token = (await _form(request)).get("token", "")
        entered = await pages.enter(system, _caller(request, facts), Secret(token))
    except ConnectSessionInvalid as refused:
        return drawing.entry(said, str(refused.details["reason"]), refused.status)
    except OriginRefused as refused:
        return drawing.entry(said, "origin", refused.status)
    except Invalid as refused:
        return drawing.entry(said, "unknown", refused.status)
    answer = Response(status_code=_SEE_OTHER, headers={"location": f"{pages.PATH}/{entered.session.id}"})
    cookies.put(answer, entered.cookie_name, entered.cookie, secure=system.engine.part(Settings).secure)
    return answer


@routes.get(
    "/{id}",
    permission=PUBLIC,
    limit="callback",
    response_model=None,
    media_type="text/html",
    open_query=True,
    summary="The page of a connect session",
    description="For the browser that opened it with the token.",
    errors=(ConnectSessionInvalid,),
)
async def show(request: Request, system: SystemDep, facts: FactsDep, id: str) -> Response:  # noqa: A002 - the path's name
    """What is asked, or how it ended; the query is what a consent's return has added."""
    came_back = dict(request.query_params)
    try:
        view = await pages.look(system, _caller(request, facts), id, request.cookies, came_back)
    except ConnectSessionInvalid:
        return drawing.refused(_said(request), _ELSEWHERE, 401)
    said = _said(request, view)
    return drawing.ended(said, view) if view.done or view.over else drawing.ask(said, view)


@routes.post(
    "/{id}",
    permission=PUBLIC,
    limit="callback",
    response_model=None,
    media_type="text/html",
    body_cap=_FORM_BYTES,
    summary="Connect on the page of a connect session",
    description="A form with the provider's fields, sent by our own page. What the far side refuses is shown; what "
    "goes well ends at the session's `returnUrl` with `status=connected&connectionId=`.",
    errors=(ConnectSessionInvalid, CrossSite, Invalid, WrongAccountGiven, IntegrationDisabled, NotForYou, *CONNECTING),
)
async def connect(request: Request, system: SystemDep, facts: FactsDep, id: str) -> Response:  # noqa: A002 - as above
    """Try what was filled in, or go on to the consent."""
    check_own_page(request.method, dict(request.headers.raw))
    caller, given = _caller(request, facts), dict[str, str]()
    try:
        given = await _form(request)
        consent = given.pop(drawing.WAY, "") == drawing.OAUTH
        keys = {name: Secret(value) for name, value in given.items() if value}
        started = await pages.begin(system, caller, id, request.cookies, pages.Filled(keys, consent))
    except Problem as problem:
        filled = [name for name, value in given.items() if value]
        return await _again(request, system, id, caller, drawing.Refusal(problem, filled))
    view = await pages.look(system, caller, id, request.cookies, {})
    if started.consent is None:
        return drawing.ended(_said(request, view), view)
    answer = drawing.onward(_said(request, view), started.consent.link.reveal(), view)
    secure = system.engine.part(Settings).secure
    cookies.put(answer, started.consent.cookie_name, started.consent.cookie, secure=secure)
    return answer


async def _again(
    request: Request, system: System, session_id: str, caller: Caller, refusal: drawing.Refusal
) -> Response:
    """The page once more, with what stood in the way."""
    try:
        view = await pages.look(system, caller, session_id, request.cookies, {})
    except ConnectSessionInvalid:
        return drawing.refused(_said(request), _ELSEWHERE, 401)
    said = _said(request, view)
    if view.done or view.over:
        return drawing.ended(said, view, refusal.problem.status)
    return drawing.ask(said, view, refusal)


def _said(request: Request, view: View | None = None) -> Wording:
    """In the language that the session was made in, else in the browser's."""
    chosen = None if view is None else view.offer.session.language
    return asked_for(request.headers.get("accept-language", ""), chosen)


async def _form(request: Request) -> dict[str, str]:
    """The texts of a form. Raises Invalid."""
    async with request.form(max_files=0, max_fields=_MOST_FIELDS) as form:
        given = {name: value.strip() for name, value in form.items() if isinstance(value, str)}
    for name, value in given.items():
        if len(value) > _LONGEST or "\x00" in value:
            raise Invalid.field(name[:100], "This is too long, or no text.")
    return given


def _caller(request: Request, facts: RequestFacts) -> Caller:
    return Caller(facts, request.headers.get("origin", ""))
