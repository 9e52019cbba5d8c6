"""Is the process alive, and are the parts it needs there: which part, never why (security.md HE-13)."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from starlette.responses import Response

from isthmus.http.answers import Wire, document
from isthmus.http.routes import PUBLIC, Routes

#: A part of the platform: returns when it is there, raises when it is not.
Check = Callable[[], Awaitable[object]]

_CHECK_SECONDS = 2.0


class Alive(Wire):
    """The process answers."""

    status: str


class Ready(Wire):
    """`ready` or `unavailable`, and the same for each part."""

    status: str
    parts: dict[str, str]


async def _ask(check: Check) -> None:
    async with asyncio.timeout(_CHECK_SECONDS):
        await check()


def health_routes(checks: Mapping[str, Check]) -> Routes:
    """`/health/live` and `/health/ready` over these parts."""
    routes = Routes(prefix="/health", tag="Health")

    @routes.get("/live", permission=PUBLIC, limit="open", response_model=Alive, summary="Is the process alive")
    async def live() -> Response:
        return document({"status": "alive"})

    @routes.get("/ready", permission=PUBLIC, limit="open", response_model=Ready, summary="Can it do its work")
    async def ready() -> Response:
        results = await asyncio.gather(*(_ask(check) for check in checks.values()), return_exceptions=True)
        failed = {name for name, result in zip(checks, results, strict=True) if isinstance(result, BaseException)}
        parts = {name: "unavailable" if name in failed else "ready" for name in checks}
        well = not failed
        shape = {"status": "ready" if well else "unavailable", "parts": parts}
        return document(shape, status=200 if well else 503)

    return routes
