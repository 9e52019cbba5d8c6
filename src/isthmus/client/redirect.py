"""Redirects as a pure rule: judged again, never from https to http, secrets never to another origin (SS-06)."""

from __future__ import annotations

from multidict import CIMultiDict

from isthmus.client.errors import RedirectRefused
from isthmus.client.message import Request
from isthmus.client.url import resolve

STATUSES = frozenset({301, 302, 303, 307, 308})
_HARMLESS = ("Accept", "Accept-Encoding", "Accept-Language", "User-Agent")


def follow(request: Request, status: int, location: str | None) -> Request:
    """The request that follows `request` after a redirect. Raises RedirectRefused and InvalidRequest."""
    if not location:
        raise RedirectRefused("a redirect without a place to go", sent=True)
    url = resolve(request.url, location)
    same = url.origin == request.url.origin
    if request.url.scheme == "https" and url.scheme != "https":
        raise RedirectRefused("a redirect from https to http is not followed", sent=True)
    method, content = request.method, request.content
    headers = request.headers.copy()
    if method not in {"GET", "HEAD"}:
        if status != 303:
            raise RedirectRefused(f"a {method} is not sent again after a redirect", sent=True)
        method, content = "GET", None
        headers.popall("Content-Type", None)
    if not same:
        headers = CIMultiDict({name: headers[name] for name in _HARMLESS if name in headers})
    return Request(method, url, headers, content)
