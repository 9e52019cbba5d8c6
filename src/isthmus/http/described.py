"""Serves the API's description: the document in JSON and YAML, and the page for people."""

import asyncio
from collections.abc import Callable, Sequence
from functools import cache, partial

import msgspec
from starlette.responses import Response

from isthmus.http import openapi, reference
from isthmus.http.answers import redirect
from isthmus.http.routes import PUBLIC, DeclaredRoute, Routes
from isthmus.kit import yamls

_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)


def description_routes(routes: Callable[[], Sequence[DeclaredRoute]], *, title: str, version: str) -> Routes:
    """`/api/openapi.json`, `/api/openapi.yaml` and `/docs` over the routes that `routes()` answers when asked."""
    made = Routes(prefix="", tag="Description")

    @cache
    def as_json() -> bytes:
        return msgspec.json.encode(openapi.build(routes(), title=title, version=version))

    @cache
    def as_yaml() -> bytes:
        return yamls.written(msgspec.json.decode(as_json())).encode()

    @cache
    def as_page() -> bytes:
        return reference.page(msgspec.json.decode(as_json())).encode()

    def declare(path: str, summary: str, media: str, make: Callable[[], bytes], *, hidden: bool = False) -> None:
        @made.get(
            path,
            permission=PUBLIC,
            limit="open",
            response_model=None,
            summary=summary,
            media_type=media,
            hidden=hidden,
        )
        async def answer() -> Response:
            body = await asyncio.to_thread(make)
            headers = {"cache-control": "no-cache", "content-security-policy": _POLICY}
            return Response(body, media_type=media, headers=headers)

    declare("/api/openapi.json", "This API as OpenAPI 3.1, JSON", "application/json", as_json, hidden=True)
    declare("/api/openapi.yaml", "This API as OpenAPI 3.1, YAML", "application/yaml", as_yaml, hidden=True)
    declare("/docs", "This API for people", "text/html; charset=utf-8", as_page, hidden=True)
    for name, media in (("style.css", "text/css; charset=utf-8"), ("script.js", "text/javascript; charset=utf-8")):
        declare(f"/docs/{name}", name, media, partial(reference.static, name), hidden=True)

    @made.get("/", permission=PUBLIC, limit="open", response_model=None, summary="Start", status=302, hidden=True)
    async def start() -> Response:
        return redirect("/docs")

    return made
