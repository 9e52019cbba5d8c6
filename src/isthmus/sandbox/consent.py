"""The page on which a seller allows or refuses an application, for people and for programs."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from html.parser import HTMLParser
from urllib.parse import urljoin

import aiohttp

from isthmus.kit.errors import Unavailable
from isthmus.sandbox.model import App
from isthmus.sandbox.wire import HTML, Reply

PATH = "/consent"
_PAGE_LIMIT = 1 << 18
_HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
}


@dataclass(slots=True)
class Ask:
    """What an application asked a seller for, waiting for the answer. `choices` are (value, label) of the accounts."""

    ticket: str
    app: App
    redirect: str
    choices: Sequence[tuple[str, str]]
    state: str | None = None
    scopes: tuple[str, ...] = ()
    extra: dict[str, str] = field(default_factory=dict)


def page(title: str, body: str, status: int = 200) -> Reply:
    """A plain page of a sandbox; `body` is trusted markup."""
    head = f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title></head>'
    style = ' style="font-family:sans-serif;max-width:32rem;margin:4rem auto"'
    text = f"{head}<body{style}><h1>{escape(title)}</h1>{body}</body></html>"
    return Reply(text.encode(), status, HTML, dict(_HEADERS))


def refusal(title: str, reason: str) -> Reply:
    """A page that says why the seller cannot be asked; nothing is sent to the callback address."""
    return page(title, f"<p>{escape(reason)}</p>", 400)


def form(platform: str, ask: Ask) -> Reply:
    """The question, with a list of accounts to sign in as, Approve and Deny."""
    options = "".join([f'<option value="{escape(value)}">{escape(label)}</option>' for value, label in ask.choices])
    wanted = f"<p>It asks for: {escape(', '.join(ask.scopes))}.</p>" if ask.scopes else ""
    return page(
        f"{platform} sandbox: allow access?",
        f"<p><strong>{escape(ask.app.name)}</strong> wants to work with your shop.</p>{wanted}"
        f'<form method="post" action="{PATH}"><input type="hidden" name="ticket" value="{escape(ask.ticket)}">'
        f'<p><label>Sign in as <select name="seller">{options}</select></label></p>'
        '<p><button name="decision" value="approve">Approve</button> '
        '<button name="decision" value="deny">Deny</button></p></form>',
    )


class _Form(HTMLParser):
    """Finds the address, the hidden fields and the accounts of the page above."""

    def __init__(self) -> None:
        super().__init__()
        self.action: str | None = None
        self.hidden: dict[str, str] = {}
        self.accounts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.action = given.get("action", "")
        elif tag == "input" and given.get("type") == "hidden":
            self.hidden[given.get("name", "")] = given.get("value", "")
        elif tag == "option":
            self.accounts.append(given.get("value", ""))


async def walk(link: str, *, seller: str | None = None, approve: bool = True, timeout_seconds: float = 10.0) -> str:
    """Answer a consent link as a person would; returns the callback address that the browser would open next.

    `seller` is the account to sign in as, by default the first. Raises `Unavailable` when the link shows no form.
    """
    deadline = aiohttp.ClientTimeout(total=timeout_seconds)
    async with aiohttp.ClientSession(timeout=deadline) as session:
        async with session.get(link, allow_redirects=False) as answer:
            if "location" in answer.headers:
                return answer.headers["location"]
            text = (await answer.content.read(_PAGE_LIMIT)).decode("utf-8", "replace")
        parsed = _Form()
        parsed.feed(text)
        if parsed.action is None or not parsed.accounts:
            raise Unavailable(f"the consent page has no form (HTTP {answer.status})")
        decision = "approve" if approve else "deny"
        fields = {**parsed.hidden, "seller": seller or parsed.accounts[0], "decision": decision}
        target = urljoin(link, parsed.action)
        async with session.post(target, data=fields, allow_redirects=False) as answer:
            if "location" not in answer.headers:
                raise Unavailable(f"the consent form was not accepted (HTTP {answer.status})")
            return answer.headers["location"]
