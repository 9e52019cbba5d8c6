"""The cookie that ties a browser to one consent, and the pages shown when there is no address to return to."""

import base64
import hashlib
from html import escape
from http import HTTPStatus

from starlette.responses import Response

from isthmus.features.connections.model import flow
from isthmus.features.connections.routes.wording import Wording
from isthmus.http.drawn import VARY
from isthmus.kit.secret import Secret

_SECONDS = int(flow.LIFETIME.total_seconds())
_STYLE = (
    "body{font-family:system-ui,sans-serif;margin:0;min-height:100vh;display:grid;place-items:center;background:#f4f5f7;"
    "color:#1c2330}main{background:#fff;border:1px solid #dfe2e8;border-radius:12px;padding:2rem;max-width:30rem;"
    "line-height:1.5;overflow-wrap:anywhere}h1{font-size:1.2rem;margin:0 0 .5rem}p{margin:0}"
)
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
#: Nothing of a consent is framed (security.md OA-18); the edge adds that it is not cached or told to the next page.
_QUIET = {
    "content-security-policy": f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; frame-ancestors 'none'; "
    "base-uri 'none'; form-action 'none'",
    "x-frame-options": "DENY",
    "x-robots-tag": "noindex",
}


def put(response: Response, name: str, value: Secret | None, *, secure: bool) -> None:
    """Set the cookie for the life of a consent, or remove it."""
    text, age = ("", 0) if value is None else (value.reveal(), _SECONDS)
    shield = "; Secure" if secure else ""
    response.headers.append("set-cookie", f"{name}={text}; Path=/; Max-Age={age}; HttpOnly; SameSite=Lax{shield}")


def away(address: Secret, status: int) -> Response:
    """On to another address."""
    return Response(status_code=status, headers={**_QUIET, "location": address.reveal()})


def page(said: Wording, text: str, status: int) -> Response:
    """A page of our own: a sentence, no script, nothing from outside."""
    title = "Isthmus" if status < HTTPStatus.BAD_REQUEST else said.say("failed")
    body = (
        f'<!doctype html><html lang="{said.language}"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style></head><body><main><h1>{escape(title)}</h1><p>{escape(text)}</p></main></body></html>"
    )
    headers = {**_QUIET, "content-language": said.language, "vary": VARY}
    return Response(body, status_code=status, media_type="text/html", headers=headers)
