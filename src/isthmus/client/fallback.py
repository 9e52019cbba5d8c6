"""What stands in for a host whose breaker is open: other base URLs first, then a function of the caller's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from isthmus.client.call import Call
from isthmus.client.errors import BreakerOpen, ClientError, ConnectFailed
from isthmus.client.message import Request, Response
from isthmus.client.url import Url

Function = Callable[[Request, ClientError], Awaitable[Response]]
Run = Callable[[Call], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Fallbacks:
    """bases: other base URLs of the same API, tried in order; function: the last resort."""

    base: Url | None
    bases: tuple[Url, ...] = ()
    function: Function | None = None

    async def run(self, call: Call, run: Run) -> Response:
        """Make the call; the response of a stand-in is marked. Raises what the first host raised if none stands in."""
        try:
            return await run(call)
        except BreakerOpen as error:
            failure = error
        original = call.request
        for base in self.bases:
            call.request = original.with_url(self._moved(original.url, base))
            try:
                response = await run(call)
            except (BreakerOpen, ConnectFailed):
                continue
            response.fallback = True
            return response
        call.request = original
        if self.function is None:
            raise failure
        response = await self.function(original, failure)
        response.fallback = True
        return response

    def _moved(self, url: Url, base: Url) -> Url:
        own = self.base.path.rstrip("/") if self.base is not None else ""
        rest = url.path.removeprefix(own) if own else url.path
        return Url(base.scheme, base.host, base.port, base.path.rstrip("/") + rest, url.query, base.origin)
