"""The hosted connect page as HTML: plain forms that work without a script, and nothing from outside."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from html import escape

from starlette.responses import Response

from isthmus.connect.manifest import Field
from isthmus.features.connections.service.pages import PATH, View

OAUTH = "oauth2"
_STYLE = """\
body{font-family:system-ui,sans-serif;margin:0;min-height:100vh;display:grid;place-items:center;background:#f4f5f7;
color:#1c2330}
main{background:#fff;border:1px solid #dfe2e8;border-radius:12px;padding:2rem;margin:1rem;
width:min(30rem,calc(100vw - 6rem));line-height:1.5;overflow-wrap:anywhere}
h1{font-size:1.25rem;margin:0 0 .5rem}
p{margin:0 0 1rem}
ul{margin:0 0 1rem;padding-left:1.2rem}
label{display:block;font-weight:600;margin-bottom:.25rem}
input{box-sizing:border-box;width:100%;font:inherit;padding:.55rem .7rem;border:1px solid #6b7385;border-radius:8px}
input[aria-invalid]{border-color:#b3261e}
.field{margin-bottom:1rem}
.hint{color:#4a5263;font-size:.9rem;margin:.25rem 0 0}
.wrong{color:#b3261e;margin:.25rem 0 0}
.alert{border-left:4px solid #b3261e;background:#fdeceb;padding:.7rem 1rem;margin-bottom:1rem}
button,.go{font:inherit;font-weight:600;padding:.6rem 1.1rem;border:0;border-radius:8px;background:#1d4ed8;
color:#fff;text-decoration:none;display:inline-block;cursor:pointer}
.back{margin-left:1rem;color:#1d4ed8}
:focus-visible{outline:3px solid #93b4fd;outline-offset:2px}
"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
_QUIET = {"x-frame-options": "DENY", "x-robots-tag": "noindex"}
#: Reads the token from behind the `#`, where it reached no server, and sends it as the form that a page would send.
SCRIPT = """"use strict";
const token = location.hash.slice(1);
if (token) {
  history.replaceState(null, "", location.pathname);
  document.getElementById("token").value = token;
  document.getElementById("enter").submit();
}
"""


def script() -> Response:
    """The one script of these pages."""
    return Response(SCRIPT, media_type="text/javascript")


def entry(said: str = "", status: int = 200) -> Response:
    """Where a link leads to: takes the token from behind its `#`, or from whoever types it."""
    inside = (
        f"{_alert(said)}<h1>Connect an account</h1><p>Open the link that you were given, or paste its code here.</p>"
        f'<form id="enter" method="post" action="{PATH}"><div class="field"><label for="token">Code</label>'
        '<input id="token" name="token" type="password" autocomplete="off" required maxlength="200"></div>'
        f'<button>Go on</button></form><script src="{PATH}/script.js"></script>'
    )
    return _page("Connect an account", inside, status, script=True)


def ask(view: View, problem: str = "", wrong: Mapping[str, str] | None = None, status: int = 200) -> Response:
    """What a session is asked: the provider's fields, or whether to go on to its consent."""
    provider = view.offer.provider
    name, consent = provider.display_name, provider.auth == OAUTH
    go, shown = f"Go on to {name}" if consent else "Connect", escape(view.offer.integration.name)
    parts = [
        _alert(problem or view.said),
        f"<h1>Connect {escape(name)}</h1>",
        f"<p>{_asker(view)} asks to connect your account at {escape(name)} as <strong>{shown}</strong>.</p>",
        _scopes(view) if consent else "",
        f'<form method="post" action="{PATH}/{escape(view.offer.session.id)}">',
        *[_field(one, (wrong or {}).get(one.name, "")) for one in view.offer.fields],
        f"<button>{escape(go)}</button>{_turn_back(view)}</form>",
    ]
    return _page(f"Connect {name}", "".join(parts), status)


def ended(view: View, status: int = 200) -> Response:
    """The end: connected, or over; on to the return address, by itself where it went well."""
    name = view.offer.provider.display_name
    if not view.done:
        inside = f"{_alert(view.said)}<h1>This cannot go on</h1><p>{escape(view.over)}</p>{_link(view.back, 'Go back')}"
        return _page("This cannot go on", inside, status)
    said = "You may close this page." if view.back is None else "One moment, you are taken back."
    inside = f"<h1>{escape(name)} is connected</h1><p>{said}</p>{_link(view.back, 'Go back')}"
    return _page(f"{name} is connected", inside, status, onward=view.back)


def onward(address: str, name: str) -> Response:
    """To the provider. A page and not a redirect: a form's redirect may not leave us (form-action)."""
    inside = f"<h1>On to {escape(name)}</h1><p>One moment, you are taken there.</p>{_link(address, 'Go on')}"
    return _page(f"On to {name}", inside, 200, onward=address)


def refused(said: str, status: int) -> Response:
    """There is no such page for this browser."""
    return _page("This cannot go on", f"<h1>This cannot go on</h1><p>{escape(said)}</p>", status)


def _page(title: str, inside: str, status: int, *, script: bool = False, onward: str | None = None) -> Response:
    refresh = "" if onward is None else f'<meta http-equiv="refresh" content="0; url={escape(onward)}">'
    body = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta name="referrer" content="same-origin">{refresh}<meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title>"
        f"<style>{_STYLE}</style></head><body><main>{inside}</main></body></html>"
    )
    policy = _POLICY + ("; script-src 'self'" if script else "")
    return Response(
        body, status_code=status, media_type="text/html", headers={**_QUIET, "content-security-policy": policy}
    )


def _alert(said: str) -> str:
    return f'<div class="alert" role="alert">{escape(said)}</div>' if said else ""


def _asker(view: View) -> str:
    origin = escape(view.offer.session.origin)
    return f"<strong>{escape(view.asker)}</strong> ({origin})" if view.asker else f"<strong>{origin}</strong>"


def _scopes(view: View) -> str:
    oauth = view.offer.provider.oauth
    scopes: Sequence[str] = oauth.scopes if oauth is not None else ()
    if not scopes:
        return ""
    listed = "".join(f"<li><code>{escape(scope)}</code></li>" for scope in scopes)
    return f"<p>It will be asked to allow:</p><ul>{listed}</ul>"


def _field(field: Field, wrong: str) -> str:
    name, told = escape(field.name), []
    if field.help:
        told.append(f'<p class="hint" id="{name}-hint">{escape(field.help)}</p>')
    if wrong:
        told.append(f'<p class="wrong" id="{name}-wrong">{escape(wrong)}</p>')
    about = " ".join(f"{name}-{part}" for part, there in (("hint", field.help), ("wrong", wrong)) if there)
    kind = "password" if field.secret else "text"
    marks = [
        f'id="{name}" name="{name}" type="{kind}" autocomplete="off" spellcheck="false"',
        "required" if field.required else "",
        f'aria-describedby="{about}"' if about else "",
        'aria-invalid="true"' if wrong else "",
    ]
    optional = "" if field.required else " (optional)"
    return (
        f'<div class="field"><label for="{name}">{escape(field.label)}{optional}</label>'
        f"<input {' '.join(filter(None, marks))}>{''.join(told)}</div>"
    )


def _turn_back(view: View) -> str:
    return "" if view.back is None else f'<a class="back" href="{escape(view.back)}" rel="noreferrer">Cancel</a>'


def _link(address: str | None, text: str) -> str:
    return (
        "" if address is None else f'<p><a class="go" href="{escape(address)}" rel="noreferrer">{escape(text)}</a></p>'
    )
