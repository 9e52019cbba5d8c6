"""The cookie that ties a browser to one consent, and the pages shown when there is no address to return to."""

from html import escape
from http import HTTPStatus

from starlette.responses import Response

from isthmus.features.connections.model import flow
from isthmus.features.connections.routes.wording import Wording
from isthmus.http import drawn
from isthmus.kit.secret import Secret

_SECONDS = int(flow.LIFETIME.total_seconds())
#: Nothing of a consent is framed (security.md OA-18); the edge adds that it is not cached or told to the next page.
_QUIET = {
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
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
    return drawn.page(said, title, f"<h1>{escape(title)}</h1><p>{escape(text)}</p>", status)
