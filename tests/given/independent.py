"""A provider whose server nobody here wrote: Django OAuth Toolkit in its own process, and the facts to use it by."""

import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import aiohttp

from isthmus.connect import registry
from isthmus.features import catalog
from isthmus.kit.secret import Secret
from isthmus.scope import Scope, System

NAME, ALONE = "independent", "independent_alone"
_SERVER = Path(__file__).with_name("independent_server.py")
_HIDDEN = re.compile(r"<input[^>]*type=\"hidden\"[^>]*>")
_ATTRIBUTE = re.compile(r"(name|value)=\"([^\"]*)\"")
MANIFEST = """
id = "independent"
names = { en = "Independent" }
category = "custom"
integration_type = "custom"
description = "A server that keeps to the standards."
auth = "oauth2"
api_version = ""
documentation_url = "https://docs.example.com"

[hosts]
api = "https://independent.example"
consent = "https://independent.example/o/authorize/"
token = "https://independent.example/o/token/"
revoke = "https://independent.example/o/revoke_token/"

[oauth]
scopes = ["read"]
pkce = true

[[app_fields]]
name = "client_id"
label = "Client id"

[[app_fields]]
name = "client_secret"
label = "Client secret"
secret = true

[service]
attach = [{ place = "header", name = "Authorization", value = "Bearer {access_token}" }]

[service.verify]
path = "/me"
account = "id"
name = "name"
"""

#: The same server for those who bring a client id and secret of their own.
TRADING = """
id = "independent_alone"
names = { en = "Independent, alone" }
category = "custom"
integration_type = "custom"
description = "A server that gives an app tokens of its own."
auth = "custom"
api_version = ""
documentation_url = "https://docs.example.com"

[hosts]
api = "ADDRESS"
token = "ADDRESS/o/token/"

[oauth]
grant = "client_credentials"
scopes = ["read"]
client_auth = "basic"

[[credential_fields]]
name = "client_id"
label = "Client id"

[[credential_fields]]
name = "client_secret"
label = "Client secret"
secret = true

[service]
attach = [{ place = "header", name = "Authorization", value = "Bearer {access_token}" }]

[service.verify]
path = "/me"
account = "id"
name = "name"
"""


@dataclass
class Independent:
    """The running server."""

    url: str
    client_id: str
    client_secret: str = field(repr=False)
    robot_id: str
    robot_secret: str = field(repr=False)

    @property
    def hosts(self) -> dict[str, str]:
        """Where the manifest's hosts are here."""
        return {
            "api": self.url,
            "consent": f"{self.url}/o/authorize/",
            "token": f"{self.url}/o/token/",
            "revoke": f"{self.url}/o/revoke_token/",
        }

    async def state(self) -> dict[str, Any]:
        """How many tokens are good."""
        async with aiohttp.ClientSession() as client, client.get(f"{self.url}/state") as answer:
            return dict(await answer.json())

    async def robot(self, **change: str) -> None:
        """Give the app that acts for itself another `secret`; without one, its tokens end."""
        place = f"{self.url}/robot?{urlencode(change)}"
        async with aiohttp.ClientSession() as client, client.get(place) as answer:
            assert answer.status == 204
        self.robot_secret = change.get("secret", self.robot_secret)

    async def register(self, address: str) -> None:
        """Tell it our redirect address."""
        place = f"{self.url}/register?{urlencode({'uri': address})}"
        async with aiohttp.ClientSession() as client, client.get(place) as answer:
            assert answer.status == 204

    async def consent(self, address: str, person: str, *, allow: bool = True) -> str:
        """Open its consent page as a person, send the form, and answer where it leads."""
        async with aiohttp.ClientSession(cookies={"person": person}) as client:
            async with client.get(address, allow_redirects=False) as answer:
                assert answer.status == 200, await answer.text()
                page = await answer.text()
            found = [dict(_ATTRIBUTE.findall(one)) for one in _HIDDEN.findall(page)]
            form = {one["name"]: unescape(one.get("value", "")) for one in found if "name" in one}
            form |= {"allow": "Authorize"} if allow else {}
            async with client.post(address, data=form, allow_redirects=False) as answer:
                assert answer.status == 302, await answer.text()
                return answer.headers["location"]

    async def access_token(self, redirect: str, person: str) -> dict[str, Any]:
        """The token reply of a whole code flow, by hand."""
        verifier = "v" * 43
        query = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": redirect,
            "scope": "read openid",
            "code_challenge": verifier,
            "code_challenge_method": "plain",
        }
        back = await self.consent(f"{self.url}/o/authorize/?{urlencode(query)}", person)
        code = dict(one.split("=", 1) for one in urlsplit(back).query.split("&"))["code"]
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect,
            "code_verifier": verifier,
            "client_id": self.client_id,
            "client_secret": self.client_secret,
        }
        async with aiohttp.ClientSession() as client, client.post(f"{self.url}/o/token/", data=form) as answer:
            return dict(await answer.json())


@asynccontextmanager
async def independent(folder: Path) -> AsyncIterator[Independent]:
    """The server on a free port, with its files in the folder."""
    server = await asyncio.create_subprocess_exec(
        sys.executable, str(_SERVER), str(folder), stdout=asyncio.subprocess.PIPE
    )
    assert server.stdout is not None
    try:
        async with asyncio.timeout(60):
            said = json.loads(await server.stdout.readline())
        yield Independent(**said)
    finally:
        server.kill()
        await server.wait()


def offer(system: System, folder: Path, url: str = "https://independent.example") -> None:
    """Put the providers on the shelf of this process; there is no code of them, only facts."""
    found: dict[str, registry.Found] = {}
    for name, facts in ((NAME, MANIFEST), (ALONE, TRADING.replace("ADDRESS", url))):
        home = folder / name
        home.mkdir(exist_ok=True)
        (home / "manifest.toml").write_text(facts)
        found[name] = registry.load(home, "none")
    parts: Any = system.engine.parts
    parts[catalog.Providers] = catalog.Providers(found)


async def register(system: System, scope: Scope, server: Independent, base: str) -> None:
    """The deployment's app at the server, and the server's knowledge of us."""
    credentials = {"client_id": Secret(server.client_id), "client_secret": Secret(server.client_secret)}
    app = await catalog.set_app(scope, NAME, credentials=credentials, hosts=server.hosts)
    await server.register(base + app.redirect_path)
