"""Our own pages as HTML: plain, readable without a script, with nothing from outside and never in a frame (OA-18)."""

import base64
import hashlib
import re
from html import escape
from typing import Final

from starlette.responses import Response

from isthmus.http.words import Words

#: What an answer in words depends on: what every answer does, and the language that was asked for.
VARY: Final = "Authorization, Cookie, Origin, Accept-Language"
_STYLE: Final = """\
:root{color-scheme:light dark;--ink:#1c2330;--soft:#4a5263;--page:#f4f5f7;--card:#fff;--line:#dfe2e8;--edge:#6b7385;
--wrong:#b3261e;--alert:#fdeceb;--go:#1d4ed8;--on:#fff;--focus:#1d4ed8}
@media(prefers-color-scheme:dark){:root{--ink:#e8eaf0;--soft:#b4bac8;--page:#14171e;--card:#1e222b;--line:#343a47;
--edge:#8b93a5;--wrong:#ff9d94;--alert:#3a1f1e;--go:#8fb4ff;--on:#10131a;--focus:#8fb4ff}}
body{font-family:system-ui,sans-serif;margin:0;min-height:100vh;display:grid;place-items:center;background:var(--page);
color:var(--ink);line-height:1.5}
main{box-sizing:border-box;background:var(--card);border:1px solid var(--line);border-radius:12px;padding:2rem;
margin:1rem 0;width:min(34rem,calc(100vw - 2rem));overflow-wrap:anywhere}
h1{font-size:1.25rem;line-height:1.3;margin:0 0 .5rem}
p{margin:0 0 1rem}
ul{margin:0 0 1rem;padding-left:1.2rem}
code{font:.95em ui-monospace,monospace}
main>:last-child,.alert>:last-child{margin-bottom:0}
label{display:block;font-weight:600;margin-bottom:.25rem}
label span.more{font-weight:400;color:var(--soft)}
input{box-sizing:border-box;width:100%;min-height:2.75rem;font:inherit;padding:.55rem .7rem;color:inherit;
background:var(--card);border:1px solid var(--edge);border-radius:8px}
input[aria-invalid]{border-color:var(--wrong)}
.field{margin-bottom:1rem}
.hint{color:var(--soft);font-size:.9rem;margin:.25rem 0 0}
.wrong{color:var(--wrong);margin:.25rem 0 0}
.alert{border-left:4px solid var(--wrong);background:var(--alert);padding:.7rem 1rem;margin-bottom:1rem}
.alert p{margin:0 0 .5rem}
hr{border:0;border-top:1px solid var(--line);margin:1.5rem 0}
.actions{display:flex;flex-wrap:wrap;gap:.75rem 1rem;align-items:center;margin-top:1.5rem}
button,.go{box-sizing:border-box;font:inherit;font-weight:600;min-height:2.75rem;padding:.6rem 1.1rem;border:0;
border-radius:8px;background:var(--go);color:var(--on);text-decoration:none;display:inline-block;cursor:pointer}
button.other{background:none;color:var(--go);border:1px solid var(--edge)}
.back{color:var(--go);padding:.6rem 0}
:focus-visible{outline:3px solid var(--focus);outline-offset:2px}
@media(max-width:30rem){main{padding:1.25rem}button,.go{width:100%;text-align:center}.actions{justify-content:center}}
"""
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
_QUIET = {"x-frame-options": "DENY", "x-robots-tag": "noindex"}
_LONGEST: Final = 500
_HTML, _JSON = "text/html", "application/json"
_WEIGHT: Final = re.compile(r"q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)", re.IGNORECASE)


def is_for_a_person(accept: str) -> bool:
    """Whether an `Accept` header (RFC 9110 section 12.5.1) names HTML, and JSON no more than that, as browsers do."""
    asked: dict[str, float] = {}
    for part in accept[:_LONGEST].split(","):
        kind, *parameters = (each.strip() for each in part.split(";"))
        weights = [found[1] for each in parameters if (found := _WEIGHT.fullmatch(each))]
        asked[kind.lower()] = float(weights[0]) if weights else 1.0
    return 0 < asked.get(_HTML, 0.0) >= asked.get(_JSON, 0.0)


def page(
    said: Words, title: str, inside: str, status: int, *, script: bool = False, onward: str | None = None
) -> Response:
    """A page of ours; `inside` is HTML. onward: where a browser goes by itself. script: it may run scripts of ours."""
    refresh = "" if onward is None else f'<meta http-equiv="refresh" content="0; url={escape(onward)}">'
    body = (
        f'<!doctype html><html lang="{said.language}"><head><meta charset="utf-8">'
        f'<meta name="referrer" content="same-origin">{refresh}'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title>"
        f"<style>{_STYLE}</style></head><body><main>{inside}</main></body></html>"
    )
    policy = _POLICY + ("; script-src 'self'" if script else "")
    told = {"content-security-policy": policy, "content-language": said.language, "vary": VARY}
    return Response(body, status_code=status, media_type="text/html", headers={**_QUIET, **told})


def alert(*lines: str) -> str:
    """What stands in the way, in plain texts; empty ones are left out."""
    return alerted(*[escape(line) for line in lines])


def alerted(*lines: str) -> str:
    """What stands in the way, in HTML."""
    told = "".join(f"<p>{line}</p>" for line in lines if line)
    return f'<div class="alert" role="alert">{told}</div>' if told else ""


def link(address: str, text: str) -> str:
    """A way on from the page; `text` is HTML."""
    return f'<p class="actions"><a class="go" href="{escape(address)}" rel="noreferrer">{text}</a></p>'
