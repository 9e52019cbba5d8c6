# ruff: noqa: ARG002 - the signatures are the contract's
"""A small far side with rotating refresh tokens, any number of accounts, and bad days; and its connector.

A refresh token is good for one use; a second one ends the account's grant, as strict platforms do.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web

from isthmus.client import ApiClient, Failure, PlatformError, RefreshFailed, RefreshRefused, Request, Response, Tokens
from isthmus.client.judge import by_status
from isthmus.connect import granting, reading
from isthmus.connect.manifest import Limit, Manifest
from isthmus.connect.registry import Found
from isthmus.connect.shapes import Listing
from isthmus.connect.spi import Account, App, Callback, Consent, Granted, RawRecord, RecordPage, Session, Window
from isthmus.connectors import tiki
from isthmus.kit.clock import Clock


@dataclass
class Far:
    """The far side's state; `mode` says what the token endpoint does, `delay` how long it takes."""

    url: str = ""
    life: int = 3600
    #: What the token endpoint says of the refresh token's life and of scopes, if anything.
    refresh_life: int = 0
    scope: str = ""
    mode: str = "ok"
    revoke_mode: str = "ok"
    delay: float = 0.0
    #: What the next calls of an account are answered before they are looked at.
    statuses: list[int] = field(default_factory=list)
    #: While there is one, answers of the token endpoint wait for it.
    gate: asyncio.Event | None = None
    #: While there is one, nobody is told who they are.
    silence: asyncio.Event | None = None
    keys: dict[str, str] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    refreshes: Counter[str] = field(default_factory=Counter)
    _serial: int = 0
    _access: dict[str, str] = field(default_factory=dict)
    _refresh: dict[str, str] = field(default_factory=dict)

    def kill(self, account: str) -> None:
        """The owner ends the grant at the platform."""
        self._access = {token: owner for token, owner in self._access.items() if owner != account}
        self._refresh = {token: owner for token, owner in self._refresh.items() if owner != account}

    def pair(self, account: str) -> dict[str, Any]:
        self._serial += 1
        access, refresh = f"canary-access-{self._serial}-{account}", f"canary-refresh-{self._serial}-{account}"
        self._access[access], self._refresh[refresh] = account, account
        more: dict[str, Any] = {"refresh_expires_in": self.refresh_life} if self.refresh_life else {}
        more |= {"scope": self.scope} if self.scope else {}
        return {"access_token": access, "refresh_token": refresh, "expires_in": self.life, **more}

    async def token(self, request: web.Request) -> web.StreamResponse:
        form = await request.post()
        self.counts["token"] += 1
        if self.mode == "down":
            return web.Response(status=503, text="down")
        if self.mode == "hang":
            await asyncio.sleep(3600)
        answer, status = self._granted(form)
        await asyncio.sleep(self.delay)
        if self.gate is not None:
            await self.gate.wait()
        if self.mode == "drop":
            assert request.transport is not None
            request.transport.abort()
        return web.json_response(answer, status=status)

    def _granted(self, form: Mapping[str, Any]) -> tuple[dict[str, Any], int]:
        if "code" in form:
            self.counts["exchange"] += 1
            return self.pair(str(form["code"])), 200
        account = self._refresh.pop(str(form.get("refresh_token")), None)
        self.refreshes[str(form.get("refresh_token"))] += 1
        self.counts["refresh"] += 1
        if account is None:
            return {"error": "invalid_grant", "error_description": "unknown or used"}, 400
        return self.pair(account), 200

    async def me(self, request: web.Request) -> web.StreamResponse:
        self.counts["me"] += 1
        if self.silence is not None:
            await self.silence.wait()
        if self.statuses:
            return web.json_response({}, status=self.statuses.pop(0), headers={"Retry-After": "0"})
        sent = request.headers.get("Authorization", "").removeprefix("Bearer ")
        account = self._access.get(sent) or self.keys.get(sent)
        if account is None:
            return web.json_response({"error": f"unauthorized: {sent}"}, status=401)
        return web.json_response({"id": account})

    async def revoke(self, request: web.Request) -> web.StreamResponse:
        self.counts["revoke"] += 1
        if self.revoke_mode == "hang":
            await asyncio.sleep(3600)
        return web.json_response({}, status=500 if self.revoke_mode == "broken" else 200)


@asynccontextmanager
async def far() -> AsyncIterator[Far]:
    """The far side on a loopback port."""
    state = Far()
    app = web.Application()
    app.add_routes([web.post("/token", state.token), web.get("/me", state.me), web.post("/revoke", state.revoke)])
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    state.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield state
    finally:
        await runner.cleanup()


class Rotor:
    """The connector."""

    def __init__(self, manifest: Manifest) -> None:
        self.manifest = manifest

    def consent_url(self, app: App, consent: Consent, now: datetime) -> str:
        return f"{app.hosts['api']}/authorize?state={consent.state}&challenge={consent.challenge}"

    def read_callback(self, query: Mapping[str, str], redirect_uri: str) -> Callback:
        return granting.callback(query, redirect_uri)

    async def exchange(self, app: App, callback: Callback, client: ApiClient, clock: Clock) -> Sequence[Granted]:
        """A code such as `a+b` covers two accounts."""
        found = []
        for account in callback.code.reveal().split(" "):
            answer = await client.post(f"{app.hosts['api']}/token", form={"code": account})
            found.append(Granted(Account(account, f"Shop {account}"), granting.tokens(answer, clock.now())))
        return found

    async def refresh(self, app: App, account: Account, tokens: Tokens, client: ApiClient, clock: Clock) -> Tokens:
        if tokens.refresh_token is None:
            raise RefreshRefused("no refresh token")
        form = {"refresh_token": tokens.refresh_token.reveal()}
        try:
            answer = await client.post(f"{app.hosts['api']}/token", form=form)
        except PlatformError as error:
            if error.code == "invalid_grant":
                raise RefreshRefused("invalid_grant") from error
            raise RefreshFailed(str(error)) from error
        return granting.tokens(answer, clock.now())

    async def revoke(self, app: App, account: Account, tokens: Tokens, client: ApiClient, clock: Clock) -> bool:
        await client.post(f"{app.hosts['api']}/revoke", form={"token": tokens.access_token.reveal()})
        return True

    def attach(self, app: App, account: Account, request: Request, tokens: Tokens, now: datetime) -> Request:
        token = app.credentials.get("api_key", tokens.access_token)
        return request.with_headers({"Authorization": f"Bearer {token.reveal()}"})

    def classify(self, response: Response) -> Failure | None:
        if response.status == 400:
            return Failure(kind="caller", code=msgspec.json.decode(response.content).get("error"))
        if response.status == 401:
            return Failure(kind="token", message=str(msgspec.json.decode(response.content)["error"]))
        return by_status(response)

    async def test(self, session: Session) -> Account:
        answer = await session.client.get("/me")
        known = msgspec.json.decode(answer.content, type=dict[str, str])
        return Account(reading.ident(known["id"], "account"))

    async def pull_listings(self, session: Session, window: Window, cursor: str | None) -> RecordPage:
        return RecordPage([], None)

    def map_listing(self, record: RawRecord, account: Account) -> Listing:
        raise AssertionError("not used")


def found(name: str, url: str, auth: str = "oauth2", limits: Sequence[Limit] = (), **oauth: Any) -> Found:
    """The provider's folder: `oauth2`, or `api_key` with one field."""
    facts: dict[str, Any] = {
        "id": name,
        "names": {"en": name.capitalize()},
        "category": "custom",
        "integration_type": "custom",
        "description": "For tests.",
        "auth": auth,
        "api_version": "1",
        "documentation_url": "https://docs.example.com",
        "hosts": {"api": url},
    }
    if auth == "oauth2":
        facts["oauth"] = {"pkce": True, **oauth}
    else:
        facts["credential_fields"] = [{"name": "api_key", "label": "Key", "secret": True}]
    manifest = msgspec.structs.replace(msgspec.convert(facts, Manifest), limits=tuple(limits))
    return Found(manifest, Rotor(manifest), Path(tiki.__file__).parent)
