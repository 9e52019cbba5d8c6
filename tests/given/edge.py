"""An HTTP edge over some rooms' routes and a real system, called in process."""

from collections.abc import Mapping
from typing import Any

import httpx2

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
from isthmus.kit.permissions import TENANT_ADMIN, Principal
from isthmus.kit.secret import Secret
from isthmus.scope import Scope, System

_KEY = Secret("k" * 40)


class Edge:
    """Answers requests of any tenant and role."""

    def __init__(self, system: System, *routes: Routes, settings: HttpSettings | None = None) -> None:
        self._key, self._clock = SharedKey(_KEY), system.clock

        def open_scope(principal: Principal, facts: RequestFacts) -> Scope:
            engine, clock = system.engine, system.clock
            return Scope(principal.tenant_id, principal, engine, clock, *facts)

        authenticators = [TokenAuthenticator([own_issuer(self._key)], system.clock)]
        self._app = create_app(
            list(routes),
            open_scope=open_scope,
            authenticators=authenticators,
            secret=_KEY,
            system=system,
            checks={},
            settings=settings or HttpSettings(),
            clock=system.clock,
        )

    @property
    def app(self) -> App:
        """The application, for a real server."""
        return self._app

    def bearer(self, tenant: str, role: str, subject: str = "usr_1") -> str:
        """The header's value of somebody of the tenant in that role; an empty one is none."""
        token = mint(self._key, tenant_id=tenant, subject=subject, roles=[role] if role else [], clock=self._clock)
        return f"Bearer {token.reveal()}"

    async def call(
        self, method: str, path: str, *, tenant: str = "ten_a", role: str = TENANT_ADMIN, **options: Any
    ) -> httpx2.Response:
        """Any request as somebody (`subject`) of the tenant in that role; `params` and `json` as httpx takes them."""
        transport = httpx2.ASGITransport(app=self._app, client=("203.0.113.9", 4711))
        async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
            bearer = self.bearer(tenant, role, options.pop("subject", "usr_1"))
            headers = {"authorization": bearer, **options.pop("headers", {})}
            return await client.request(method, path, headers=headers, **options)

    async def get(
        self, path: str, *, tenant: str = "ten_a", role: str = TENANT_ADMIN, query: Mapping[str, Any] | None = None
    ) -> httpx2.Response:
        """GET as somebody of the tenant in that role."""
        return await self.call("GET", path, tenant=tenant, role=role, params=dict(query or {}))
