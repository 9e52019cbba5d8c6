"""Small clients of the three emulated platforms, written from the reference, apart from connectors and sandboxes."""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import aiohttp
import msgspec

from isthmus.sandbox import App, Shop, walk

CALLBACK = "http://127.0.0.1:9/callback"
Json = dict[str, Any]


@dataclass
class Answer:
    """Status, headers and body of an answer; `json` is the decoded body."""

    status: int
    body: bytes
    headers: Mapping[str, str]

    @property
    def json(self) -> Json:
        return msgspec.json.decode(self.body, type=Json)


async def fetch(method: str, url: str, **options: Any) -> Answer:
    """One request over a fresh connection, without following redirects."""
    connector = aiohttp.TCPConnector(force_close=True)
    timeout = aiohttp.ClientTimeout(total=10)
    async with (
        aiohttp.ClientSession(connector=connector, timeout=timeout) as session,
        session.request(method, url, allow_redirects=False, **options) as answer,
    ):
        return Answer(answer.status, await answer.read(), answer.headers)


def query_of(address: str) -> dict[str, str]:
    """The parameters of a callback address."""
    return {key: values[0] for key, values in parse_qs(urlsplit(address).query, keep_blank_values=True).items()}


@dataclass
class TikiUser:
    """An application at work on Tiki."""

    shop: Shop
    app: App = field(init=False)
    access: str = ""
    refresh: str = ""

    def __post_init__(self) -> None:
        self.app = self.shop.apps[0]

    def link(self, **changes: str | None) -> str:
        query = {
            "response_type": "code",
            "client_id": self.app.key,
            "redirect_uri": CALLBACK,
            "scope": "product inventory offline",
            "state": "state-123456",
        } | changes
        kept = {key: value for key, value in query.items() if value is not None}
        return f"{self.shop.hosts['consent']}/sc/oauth2/auth?{urlencode(kept)}"

    async def code(self, seller: str | None = None, **changes: str | None) -> str:
        return query_of(await walk(self.link(**changes), seller=seller))["code"]

    async def token(self, **fields: str | None) -> Answer:
        wanted = {"redirect_uri": CALLBACK, **self.app.credentials, **fields}
        data = {key: value for key, value in wanted.items() if value is not None}
        return await fetch("POST", f"{self.shop.hosts['auth']}/sc/oauth2/token", data=data)

    async def connect(self, seller: str | None = None, **changes: str | None) -> None:
        answer = await self.token(grant_type="authorization_code", code=await self.code(seller, **changes))
        self.keep(answer)

    def keep(self, answer: Answer) -> None:
        assert answer.status == 200, answer.body
        self.access, self.refresh = answer.json["access_token"], answer.json.get("refresh_token", "")

    async def get(self, path: str, version: str = "v2", **query: object) -> Answer:
        headers = {"Authorization": f"Bearer {self.access}"}
        params = {key: str(value) for key, value in query.items()}
        return await fetch(
            "GET", f"{self.shop.hosts['api']}/integration/{version}{path}", params=params, headers=headers
        )


@dataclass
class LazadaUser:
    """An application at work on Lazada; `skew` moves its clock, in seconds."""

    shop: Shop
    app: App = field(init=False)
    access: str = ""
    refresh: str = ""
    skew: float = 0

    def __post_init__(self) -> None:
        self.app = self.shop.apps[0]

    def link(self, **changes: str) -> str:
        query = {"response_type": "code", "force_auth": "true", "client_id": self.app.key, "redirect_uri": CALLBACK}
        return f"{self.shop.hosts['consent']}/oauth/authorize?{urlencode({**query, 'state': 's-1', **changes})}"

    def signed(self, path: str, values: Mapping[str, object], body: str = "") -> dict[str, str]:
        stamp = str(self.shop.clock.milliseconds() + int(self.skew * 1000))
        common = {"app_key": self.app.key, "timestamp": stamp, "sign_method": "sha256"}
        params = common | {key: str(value) for key, value in values.items()}
        base = path + "".join(f"{key}{params[key]}" for key in sorted(params) if params[key]) + body
        mac = hmac.new(self.app.credentials["app_secret"].encode(), base.encode(), hashlib.sha256)
        return params | {"sign": mac.hexdigest().upper()}

    async def call(self, path: str, host: str = "api", method: str = "GET", **values: object) -> Answer:
        token = {"access_token": self.access} if self.access else {}
        params = self.signed(path, token | values)
        return await self.send(path, params, host, method)

    async def send(self, path: str, params: dict[str, str], host: str = "api", method: str = "GET") -> Answer:
        place: Json = {"params": params} if method == "GET" else {"data": params}
        return await fetch(method, f"{self.shop.hosts[host]}/rest{path}", **place)

    async def code(self, account: str | None = None) -> str:
        return query_of(await walk(self.link(), seller=account))["code"]

    async def connect(self, account: str | None = None) -> Json:
        answer = await self.call("/auth/token/create", "auth", "POST", code=await self.code(account))
        assert answer.json["code"] == "0", answer.body
        self.access, self.refresh = answer.json["access_token"], answer.json["refresh_token"]
        return answer.json


@dataclass
class ShopeeUser:
    """An application at work on Shopee; `skew` moves its clock, in seconds."""

    shop: Shop
    app: App = field(init=False)
    access: str = ""
    refresh: str = ""
    entity: str = ""
    skew: int = 0

    def __post_init__(self) -> None:
        self.app = self.shop.apps[0]

    def signed(self, path: str, *bound: str) -> dict[str, str]:
        stamp = str(self.shop.clock.unix() + self.skew)
        base = f"{self.app.key}{path}{stamp}{''.join(bound)}"
        mac = hmac.new(self.app.credentials["partner_key"].encode(), base.encode(), hashlib.sha256)
        return {"partner_id": self.app.key, "timestamp": stamp, "sign": mac.hexdigest()}

    def link(self, redirect: str = CALLBACK) -> str:
        path = "/api/v2/shop/auth_partner"
        return f"{self.shop.hosts['consent']}{path}?{urlencode({**self.signed(path), 'redirect': redirect})}"

    async def post(self, path: str, body: Mapping[str, object]) -> Json:
        address = f"{self.shop.hosts['auth']}{path}?{urlencode(self.signed(path))}"
        return (await fetch("POST", address, json=body)).json

    async def exchange(self, code: str, **entity: int) -> Json:
        return await self.post("/api/v2/auth/token/get", {"code": code, "partner_id": int(self.app.key), **entity})

    async def renew(self, token: str, **entity: int) -> Json:
        body = {"refresh_token": token, "partner_id": int(self.app.key), **entity}
        return await self.post("/api/v2/auth/access_token/get", body)

    async def connect(self, account: str | None = None) -> Json:
        back = query_of(await walk(self.link(), seller=account))
        kind = "shop_id" if "shop_id" in back else "main_account_id"
        pair = await self.exchange(back["code"], **{kind: int(back[kind])})
        assert pair["error"] == "", pair
        self.access, self.refresh, self.entity = pair["access_token"], pair["refresh_token"], back[kind]
        return pair

    async def get(self, path: str, query: Sequence[tuple[str, object]] | None = None, kind: str = "shop_id") -> Answer:
        full = f"/api/v2/{path}"
        bound = {"access_token": self.access, kind: self.entity} if self.access else {}
        params = [*self.signed(full, *bound.values()).items(), *bound.items()]
        params += [(key, str(value)) for key, value in query or []]
        return await fetch("GET", f"{self.shop.hosts['api']}{full}", params=params)


def lacking(pattern: object, value: object, path: str = "") -> list[str]:
    """The places where `value` lacks a field of `pattern`, or has it with another type; a list holds one pattern."""
    if pattern is None:
        return []
    if isinstance(pattern, dict):
        if not isinstance(value, dict):
            return [f"{path}: no object"]
        missing = [f"{path}.{name}: missing" for name in pattern if name not in value]
        found = [lacking(part, value[name], f"{path}.{name}") for name, part in pattern.items() if name in value]
        return missing + [place for places in found for place in places]
    if isinstance(pattern, list):
        if not isinstance(value, list):
            return [f"{path}: no list"]
        return [place for part in pattern for each in value[:3] for place in lacking(part, each, f"{path}[]")]
    return [] if type(value) is type(pattern) else [f"{path}: {type(value).__name__}"]
