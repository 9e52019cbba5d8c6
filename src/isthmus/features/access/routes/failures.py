"""The page of a sign-in at an issuer that came to nothing: what happened, why, what to do, and a way to try again.

The browser remembers for a day where it wanted to sign in, so that the page can lead there; nothing of that is secret,
and what stands there only ever becomes a link of this server.
"""

import base64
from html import escape
from pathlib import Path
from urllib.parse import parse_qs, quote, urlencode

from starlette.requests import Request
from starlette.responses import Response

from isthmus.http import Words, read_texts
from isthmus.http.asgi import KEY
from isthmus.http.drawn import VARY, alert, link, page
from isthmus.kit.errors import Problem
from isthmus.kit.languages import preferred

_TEXTS = Path(__file__).with_name("texts.toml")
_PLACE = "__Host-isthmus_login_again"
_PLACE_SECONDS = 86_400
#: Whose account was the wrong one, so that the issuer has to ask for another.
_WRONG_PERSON = frozenset({"SIGN_IN_FAILED", "LOGIN_TAKEN"})


def login_failed(problem: Problem, request: Request) -> Response:
    """In the language of the browser."""
    language = preferred(request.headers.get("accept-language", ""))
    said = Words(language, read_texts(_TEXTS, language))
    name = "_".join(filter(None, (problem.code, str(problem.details.get("reason", "")))))
    wrong_person = problem.code in _WRONG_PERSON
    parts = [
        alert(said.of_table("why", name)),
        f"<h1>{said.html('title')}</h1><p>{escape(said.of_table('how', name))}</p>",
        f'<p class="hint">{said.html("reference", id=f"<code>{escape(request.scope[KEY].request_id)}</code>")}</p>',
    ]
    again = _again(request, fresh=wrong_person)
    if again:
        parts.append(link(again, said.html("another" if wrong_person else "again")))
    answer = page(said, said.say("title"), "".join(parts), problem.status)
    answer.headers["vary"] = f"{VARY}, Accept"
    return answer


def remember_place(answer: Response, tenant: str, return_to: str) -> Response:
    """Note in the browser where it wants to sign in; without a tenant, that there is nothing to begin by a link."""
    text = base64.urlsafe_b64encode(urlencode({"tenant": tenant, "returnTo": return_to}).encode()).decode()
    value, seconds = (text.rstrip("="), _PLACE_SECONDS) if tenant else ("", 0)
    said = f"{_PLACE}={value}; Path=/; Max-Age={seconds}; Secure; HttpOnly; SameSite=Lax"
    answer.headers.append("set-cookie", said)
    return answer


def _again(request: Request, *, fresh: bool) -> str:
    """Where the browser begins anew; empty where nobody knows."""
    kept, issuer = request.cookies.get(_PLACE, ""), request.path_params.get("issuer", "")
    try:
        asked = parse_qs(base64.urlsafe_b64decode(kept + "=" * (-len(kept) % 4)).decode())
    except ValueError:
        return ""
    if not kept or not issuer or "tenant" not in asked:
        return ""
    query: dict[str, str] = {name: asked[name][0] for name in ("tenant", "returnTo") if name in asked}
    if fresh:
        query["fresh"] = "true"
    return f"/api/auth/oidc/{quote(issuer, safe='')}/start?{urlencode(query)}"
