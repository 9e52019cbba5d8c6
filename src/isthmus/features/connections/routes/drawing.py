"""The hosted connect page as HTML: plain forms that work without a script, and nothing from outside."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from starlette.responses import Response

from isthmus.connect.manifest import Field
from isthmus.features.catalog import AppMissing
from isthmus.features.connections.routes.wording import Wording
from isthmus.features.connections.service.pages import PATH, View
from isthmus.http.drawn import alert, alerted, link, page
from isthmus.kit.errors import Problem
from isthmus.kit.languages import LANGUAGES

OAUTH = "oauth2"
#: Why a page cannot go on that goes on in a moment.
_BUSY = "trying"
#: The form's own field for the way that is chosen; no field of a provider has a dash in its name.
WAY = "isthmus-way"
#: Reads the token from behind the `#`, where it reached no server, and sends it as the form that a page would send.
SCRIPT = """"use strict";
function enter() {
  const token = location.hash.slice(1);
  if (!token) return;
  history.replaceState(null, "", location.pathname);
  document.getElementById("token").value = token;
  document.getElementById("enter").submit();
}
addEventListener("hashchange", enter);
enter();
"""


def script() -> Response:
    """The one script of these pages."""
    return Response(SCRIPT, media_type="text/javascript")


def entry(said: Wording, why: str = "", status: int = 200) -> Response:
    """Where a link leads to: takes the token from behind its `#`, or from whoever types it."""
    told = said.say(f"reasons.{why}") if why else ""
    inside = (
        f"{alert(told, said.say('hint_new') if why else '')}<h1>{said.html('title')}</h1><p>{said.html('open')}</p>"
        f'<form id="enter" method="post" action="{PATH}"><div class="field">'
        f'<label for="token">{said.html("code")}</label>'
        '<input id="token" name="token" type="password" autocomplete="off" required maxlength="200"></div>'
        f'<div class="actions"><button>{said.html("on")}</button></div></form><script src="{PATH}/script.js"></script>'
    )
    return page(said, said.say("title"), inside, status, script=True)


@dataclass(frozen=True, slots=True)
class Refusal:
    """What stood in the way of what was sent, and which fields were filled in."""

    problem: Problem
    given: Collection[str] = ()


def ask(said: Wording, view: View, refusal: Refusal | None = None) -> Response:
    """What a session is asked: the provider's fields, or whether to go on to its consent."""
    fields = view.offer.fields
    name = _name(said, view)
    status = 200 if refusal is None else refusal.problem.status
    if not view.offer.app_ready:
        return _unset(said, view, name, status)
    told = said.of_table("outcomes", view.failed, provider=name) if view.failed else ""
    wrong = {} if refusal is None else _wrong(said, fields, refusal)
    parts = [
        alert(told) if refusal is None else _refused(said, refusal, name, fields),
        f"<h1>{said.html('connect', provider=escape(name))}</h1>",
        f"<p>{said.html('asks', asker=_asker(view), provider=escape(name), integration=_integration(view))}</p>",
        f'<form method="post" action="{PATH}/{escape(view.offer.session.id)}">',
        *_fields(said, fields, wrong),
        f"{_ways(said, view, escape(name))}</form>",
    ]
    return page(said, said.say("connect", provider=name), "".join(parts), status)


def _unset(said: Wording, view: View, name: str, status: int) -> Response:
    """Nobody can go on here yet, and no button says otherwise; the link stays good."""
    told, _ = said.problem(AppMissing(), name)
    inside = f"{alert(told)}<h1>{said.html('connect', provider=escape(name))}</h1>{_link(said, view.back, 'back')}"
    return page(said, said.say("connect", provider=name), inside, status)


def ended(said: Wording, view: View, status: int = 200) -> Response:
    """The end: connected, or over; on to the return address, by itself where it went well."""
    name = _name(said, view)
    if not view.done:
        title = said.say("stuck")
        hint = "" if view.over == _BUSY else said.html("hint_new")
        why = f"{said.html(f'reasons.{view.over}')} {hint}".strip()
        told = said.of_table("outcomes", view.failed, provider=name) if view.failed else ""
        inside = f"{alert(told)}<h1>{escape(title)}</h1><p>{why}</p>{_link(said, view.back, 'back')}"
        return page(said, title, inside, status)
    title = said.say("connected", provider=name)
    more = said.html("close" if view.back is None else "returning")
    inside = f'<h1>{escape(title)}</h1><p role="status">{more}</p>{_link(said, view.back, "back")}'
    return page(said, title, inside, status, onward=view.back)


def onward(said: Wording, address: str, view: View) -> Response:
    """To the provider. A page and not a redirect: a form's redirect may not leave us (form-action)."""
    title = said.say("leaving", provider=_name(said, view))
    inside = f'<h1>{escape(title)}</h1><p role="status">{said.html("sending")}</p>{_link(said, address, "on")}'
    return page(said, title, inside, 200, onward=address)


def refused(said: Wording, why: str, status: int) -> Response:
    """There is no such page for this browser."""
    title = said.say("stuck")
    return page(said, title, f"<h1>{escape(title)}</h1><p>{said.html(f'reasons.{why}')}</p>", status)


def _name(said: Wording, view: View) -> str:
    provider = view.offer.provider
    own = provider.names.get(said.language)
    return own if own and said.language != LANGUAGES[0] else provider.display_name


def _ways(said: Wording, view: View, name: str) -> str:
    """A button for each way; a consent asks for no secret, so fields that are left empty do not stop it."""
    provider, back = view.offer.provider, _turn_back(said, view)
    onward, scopes = said.html("consent", provider=name), _scopes(said, view)
    if provider.auth == OAUTH:
        return f'{scopes}<div class="actions"><button>{onward}</button>{back}</div>'
    send = f"<button>{said.html('send')}</button>"
    if OAUTH not in provider.manifest.auth_also:
        return f'<div class="actions">{send}{back}</div>'
    other = f'<button class="other" name="{WAY}" value="{OAUTH}" formnovalidate>{onward}</button>'
    either = f"<p>{said.html('either', provider=name)}</p>"
    return f'<div class="actions">{send}</div><hr>{either}{scopes}<div class="actions">{other}{back}</div>'


def _integration(view: View) -> str:
    return _strong(view.offer.integration.name)


def _strong(text: str) -> str:
    return f"<strong>{escape(text)}</strong>"


def _refused(said: Wording, refusal: Refusal, name: str, fields: Sequence[Field]) -> str:
    """What stood in the way; what concerns no field that is shown is told here."""
    text, quoted = said.problem(refusal.problem, name)
    shown = {one.name for one in fields}
    others = [one["message"] for one in refusal.problem.details.get("fields", ()) if one["path"] not in shown]
    lines = [f'<q lang="en">{escape(one)}</q>' for one in (*([quoted] if quoted else []), *others)]
    return alerted(escape(text), f"{said.html('answered')} {' '.join(lines)}" if lines else "")


def _wrong(said: Wording, fields: Sequence[Field], refusal: Refusal) -> dict[str, str]:
    """What is wrong with which field."""
    named = {one["path"] for one in refusal.problem.details.get("fields", ())}
    return {
        one.name: said.html("form" if one.name in refusal.given else "missing") for one in fields if one.name in named
    }


def _asker(view: View) -> str:
    origin = escape(view.offer.session.origin)
    return f"{_strong(view.asker)} ({origin})" if view.asker else f"<strong>{origin}</strong>"


def _scopes(said: Wording, view: View) -> str:
    oauth = view.offer.provider.oauth
    scopes: Sequence[str] = oauth.scopes if oauth is not None else ()
    if not scopes:
        return ""
    listed = "".join(f"<li><code>{escape(scope)}</code></li>" for scope in scopes)
    return f"<p>{said.html('allow', provider=escape(_name(said, view)))}</p><ul>{listed}</ul>"


def _fields(said: Wording, fields: Sequence[Field], wrong: Mapping[str, str]) -> Iterator[str]:
    first = next((one.name for one in fields if one.name in wrong), None)
    return (_field(said, one, wrong.get(one.name, ""), first=one.name == first) for one in fields)


def _field(said: Wording, field: Field, wrong: str, *, first: bool) -> str:
    name, help_, told = escape(field.name), said.help(field), []
    if help_:
        told.append(f'<p class="hint" id="{name}-hint">{help_}</p>')
    if wrong:
        told.append(f'<p class="wrong" id="{name}-wrong">{wrong}</p>')
    about = " ".join(f"{name}-{part}" for part, there in (("hint", help_), ("wrong", wrong)) if there)
    kind = "password" if field.secret else "text"
    marks = [
        f'id="{name}" name="{name}" type="{kind}" autocomplete="off" spellcheck="false"',
        "required" if field.required else "",
        f'aria-describedby="{about}"' if about else "",
        'aria-invalid="true"' if wrong else "",
        "autofocus" if first else "",
    ]
    optional = "" if field.required else f' <span class="more">{said.html("optional")}</span>'
    return (
        f'<div class="field"><label for="{name}">{said.label(field)}{optional}</label>'
        f"<input {' '.join(filter(None, marks))}>{''.join(told)}</div>"
    )


def _turn_back(said: Wording, view: View) -> str:
    if view.back is None:
        return ""
    return f'<a class="back" href="{escape(view.back)}" rel="noreferrer">{said.html("cancel")}</a>'


def _link(said: Wording, address: str | None, text: str) -> str:
    return "" if address is None else link(address, said.html(text))
