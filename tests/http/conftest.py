"""An edge over a handful of routes, called in process."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest

from isthmus.http import (
    App,
    HttpSettings,
    RequestFacts,
    Routes,
    SharedKey,
    TokenAuthenticator,
    create_app,
    mint,
    own_issuer,
)
from isthmus.kit.clock import ManualClock
from isthmus.kit.permissions import Principal
from isthmus.kit.secret import Secret

KEY = Secret("k" * 40)


@dataclass(frozen=True)
class FakeScope:
    """What the edge hands to endpoints here: the edge knows nothing of the real one."""

    principal: Principal
    facts: RequestFacts


@dataclass
class Lab:
    """An application, its clock, and tokens for it."""

    app: App
    clock: ManualClock
    key: SharedKey

    def token(self, *roles: str, tenant: str = "ten_a", subject: str = "usr_1", seconds: int = 3600) -> str:
        minted = mint(
            self.key, tenant_id=tenant, subject=subject, roles=roles or ("user",), clock=self.clock, seconds=seconds
        )
        return minted.reveal()

    def signed(self, *roles: str, **more: Any) -> dict[str, str]:
        return {"authorization": f"Bearer {self.token(*roles, **more)}"}

    def client(self, peer: str = "203.0.113.9") -> httpx2.AsyncClient:
        transport = httpx2.ASGITransport(app=self.app, client=(peer, 4711), raise_app_exceptions=False)
        return httpx2.AsyncClient(transport=transport, base_url="http://localhost")

    async def call(self, method: str, path: str, **more: Any) -> httpx2.Response:
        peer = more.pop("peer", "203.0.113.9")
        async with self.client(peer) as client:
            return await client.request(method, path, **more)


MakeLab = Callable[..., Lab]


@pytest.fixture
def lab() -> MakeLab:
    """Builds an application over these routes."""

    def make(*routes: Routes, settings: Mapping[str, Any] | None = None, **more: Any) -> Lab:
        clock = ManualClock()
        key = SharedKey(KEY)
        authenticators: Sequence[Any] = more.pop("authenticators", [TokenAuthenticator([own_issuer(key)], clock)])
        app = create_app(
            list(routes),
            open_scope=more.pop("open_scope", FakeScope),
            authenticators=authenticators,
            secret=KEY,
            settings=HttpSettings(**(settings or {})),
            clock=clock,
            **more,
        )
        return Lab(app, clock, key)

    return make
