"""Issuers that people sign in at, their browsers, and a deployment with both."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import aiohttp
from aiohttp import web
from joserfc import jwk, jwt
from tests.given.independent import Independent
from tests.journeys.deployment import Answer, Deployment, deployment

from isthmus.features import access
from isthmus.kit.clock import SYSTEM
from isthmus.kit.permissions import TENANT_ADMIN, USER, system
from isthmus.sandbox.clock import ShiftedClock

CLIENT = "isthmus-of-tests"
KEY = jwk.RSAKey.generate_key(2048, {"kid": "one", "alg": "RS256", "use": "sig"})
STRANGER = jwk.RSAKey.generate_key(2048, {"kid": "one", "alg": "RS256", "use": "sig"})


@dataclass
class Obedient:
    """An issuer: what its next ID token says is up to the test."""

    url: str = ""
    claims: dict[str, Any] = field(default_factory=dict)
    key: jwk.RSAKey = field(default_factory=lambda: KEY)
    asked: list[dict[str, Any]] = field(default_factory=list)
    said: str = ""
    clock: ShiftedClock = field(default_factory=lambda: ShiftedClock(SYSTEM))

    async def describe(self, _: web.Request) -> web.Response:
        return web.json_response(
            {
                "issuer": self.url,
                "authorization_endpoint": f"{self.url}/authorize",
                "token_endpoint": f"{self.url}/token",
                "jwks_uri": f"{self.url}/keys",
                "authorization_response_iss_parameter_supported": True,
            }
        )

    async def keys(self, _: web.Request) -> web.Response:
        return web.json_response({"keys": [KEY.as_dict(private=False)]})

    async def token(self, request: web.Request) -> web.Response:
        self.asked.append(dict(await request.post()))
        self.said = request.headers.get("authorization", "")
        now = self.clock.unix()
        said = {"iss": self.url, "aud": CLIENT, "sub": "amy", "iat": now, "exp": now + 300, **self.claims}
        kept = {name: value for name, value in said.items() if value is not None}
        text = jwt.encode({"alg": "RS256", "kid": "one"}, kept, self.key)
        return web.json_response({"access_token": "x", "token_type": "Bearer", "id_token": text})


@asynccontextmanager
async def obedient(clock: ShiftedClock) -> AsyncIterator[Obedient]:
    made, site = Obedient(clock=clock), web.Application()
    site.router.add_get("/.well-known/openid-configuration", made.describe)
    site.router.add_get("/keys", made.keys)
    site.router.add_post("/token", made.token)
    runner = web.AppRunner(site)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield made
    await runner.cleanup()


class Person:
    """Somebody's browser: it keeps every cookie of ours."""

    def __init__(self, hall: "Hall") -> None:
        self.hall = hall
        self.cookies: dict[str, str] = {}

    async def call(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        said = {
            "sec-fetch-site": "same-origin",
            **{name.replace("_", "-"): one for name, one in headers.items() if one},
        }
        if self.cookies:
            said["cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        sent = {} if body is None else {"json": body}
        async with (
            aiohttp.ClientSession() as client,
            client.request(
                method, self.hall.running.address + path, headers=said, allow_redirects=False, **sent
            ) as answer,
        ):
            raw = await answer.read()
            parsed = await answer.json() if raw and answer.content_type == "application/json" else raw
            for one in answer.headers.getall("set-cookie", []):
                name, _, rest = one.partition("=")
                assert "; Secure; HttpOnly; SameSite=Lax" in one
                self.cookies[name] = rest.partition(";")[0]
                if "Max-Age=0" in one:
                    del self.cookies[name]
            return Answer(answer.status, answer.headers, parsed)

    async def start(self, issuer: str, **asked: str) -> dict[str, str]:
        """Begin by a link; what the issuer is asked."""
        begun = await self.call("GET", f"/api/auth/oidc/{issuer}/start?{urlencode(asked)}", sec_fetch_site="cross-site")
        assert begun.status == 303, begun.body
        return {name: several[0] for name, several in parse_qs(urlsplit(begun.headers["location"]).query).items()}

    async def invited(self, issuer: str, invitation: str) -> dict[str, str]:
        """Begin with an invitation."""
        body = {"invitation": invitation, "returnTo": "/console"}
        begun = await self.call("POST", f"/api/auth/oidc/{issuer}/start", body)
        assert begun.status == 200, begun.body
        assert invitation not in str(begun.body)
        return {name: one[0] for name, one in parse_qs(urlsplit(begun.body["authorizationUrl"]).query).items()}

    async def back(self, issuer: str, asked: dict[str, str], **changed: str) -> Answer:
        """Come back from the obedient issuer of this name with a code; `accept` and `language` are the browser's."""
        far = self.hall.issuers[issuer]
        far.claims = {"nonce": asked["nonce"], **far.claims}
        query = {"code": "c", "state": asked["state"], "iss": far.url, **changed}
        headers = {"accept": query.pop("accept", ""), "accept_language": query.pop("language", "")}
        path = f"/api/auth/oidc/{issuer}/callback?{urlencode({k: v for k, v in query.items() if v})}"
        answer = await self.call("GET", path, sec_fetch_site="cross-site", **headers)
        far.claims = {}
        return answer

    async def me(self) -> Any:
        """Who the cookie stands for."""
        return (await self.call("GET", "/api/auth/me")).body


@dataclass
class Hall:
    """A deployment that people sign in to at three issuers."""

    running: Deployment
    clock: ShiftedClock
    issuers: dict[str, Obedient]
    tenant: str = ""

    async def invitation(self, email: str, *roles: str, tenant: str = "") -> str:
        """A place for somebody."""
        at = tenant or self.tenant
        scope = self.running.platform.scope(at, system(at, "journeys"))
        return (await access.invite(scope, email, roles or (USER,))).shown.reveal()

    async def member(self, email: str, sub: str, issuer: str = "one", tenant: str = "") -> Person:
        """Somebody who has taken an invitation up with a login."""
        person = Person(self)
        asked = await person.invited(issuer, await self.invitation(email, TENANT_ADMIN, tenant=tenant))
        self.issuers[issuer].claims = {"sub": sub}
        done = await person.back(issuer, asked)
        assert (done.status, done.headers["location"]) == (303, "/console"), done.body
        return person


@asynccontextmanager
async def hall(database_url: str, home: Path, dot: Independent | None = None, **settings: str) -> AsyncIterator[Hall]:
    """A deployment with the issuers `one` and `two`, which obey, and `dot`, where one is given."""
    clock = ShiftedClock(SYSTEM)
    async with obedient(clock) as one, obedient(clock) as two:
        given = {
            "LOGINS__ONE__ISSUER": one.url,
            "LOGINS__ONE__CLIENT_ID": CLIENT,
            "LOGINS__ONE__LABEL": "One",
            "LOGINS__TWO__ISSUER": two.url,
            "LOGINS__TWO__CLIENT_ID": CLIENT,
            "LOGINS__TWO__CLIENT_SECRET": "canary-of-two",
            **settings,
        }
        if dot is not None:
            given |= {
                "LOGINS__DOT__ISSUER": "https://independent.example",
                "LOGINS__DOT__CLIENT_ID": dot.client_id,
                "LOGINS__DOT__CLIENT_SECRET": dot.client_secret,
                "LOGINS__DOT__AUTHORIZE_URL": f"{dot.url}/o/authorize/",
                "LOGINS__DOT__TOKEN_URL": f"{dot.url}/o/token/",
                "LOGINS__DOT__JWKS_URL": f"{dot.url}/o/.well-known/jwks.json",
            }
        async with deployment(database_url, home, 12, clock=clock, **given) as running:
            if dot is not None:
                await dot.register(f"{running.address}/api/auth/oidc/dot/callback")
            made = Hall(running, clock, {"one": one, "two": two})
            made.tenant = (await running.merchant("Amy's")).tenant_id
            yield made
