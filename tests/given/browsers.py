"""A browser on a page of the server: it keeps the session's cookie and says where it asks from."""

from typing import Any

import aiohttp
from tests.journeys.deployment import Answer, Place, sent

from isthmus.http import SESSION_COOKIE


class Browser:
    """Keeps one cookie. The jar of the client would not send a secure one over loopback."""

    def __init__(self, server: Place, kept: str = "") -> None:
        self.server = server
        self.kept = kept

    async def call(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """One call by a page of the server; `headers` replace what the browser says, an empty one is left out."""
        said = {"sec-fetch-site": "same-origin", **headers}
        if self.kept:
            said.setdefault("cookie", f"theme=dark; {SESSION_COOKIE}={self.kept}")
        said = {name.replace("_", "-"): value for name, value in said.items() if value}
        url = self.server.address + path
        async with (
            aiohttp.ClientSession() as client,
            client.request(method, url, **sent(body), headers=said, allow_redirects=False) as answer,
        ):
            raw = await answer.read()
            parsed = await answer.json() if raw and answer.content_type == "application/json" else raw
            self._keep(answer.headers.getall("set-cookie", []))
            return Answer(answer.status, answer.headers, parsed)

    def _keep(self, cookies: list[str]) -> None:
        for cookie in cookies:
            name, _, rest = cookie.partition("=")
            assert name == SESSION_COOKIE
            self.kept = rest.partition(";")[0]
