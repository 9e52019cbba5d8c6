"""A process with an intake, sources at it, and senders that sign as platforms do."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from hashlib import blake2b
from typing import Any

from tests.given import vault
from tests.given.connectors import shipped

from isthmus.engine.db import Database
from isthmus.features import catalog, connections
from isthmus.features.webhooks_in.model import signing
from isthmus.features.webhooks_in.service import finding, managing, working
from isthmus.features.webhooks_in.service.finding import Finder
from isthmus.features.webhooks_in.service.intake import Intake
from isthmus.features.webhooks_in.service.managing import Seen, Wanted
from isthmus.features.webhooks_in.settings import Settings
from isthmus.features.webhooks_in.store import tasks
from isthmus.http import Arrival, Departure
from isthmus.kit.clock import SYSTEM, Clock
from isthmus.kit.secret import Secret
from isthmus.scope import Scope, System

PUBLIC = "https://hooks.example.com"
#: No look is given up: the machine of the tests may be busy with others.
QUICK = Settings(linger=timedelta(milliseconds=1), source_cache=timedelta(0), first_look=timedelta(seconds=20))
GITHUB = Secret("It's a Secret to Everybody")


@dataclass
class World:
    """One process."""

    system: System
    intake: Intake

    def scope(self, tenant_id: str) -> Scope:
        """Somebody of a tenant."""
        return vault.scope(self.system, tenant_id)

    async def source(self, tenant_id: str = "ten_one", provider: str = "github", **more: Any) -> tuple[Seen, str]:
        """A source, and its token."""
        given = {"secret": GITHUB, **more} if provider == "github" else more
        seen = await managing.add(self.scope(tenant_id), Wanted(provider, **given))
        assert seen.url is not None
        return seen, seen.url.reveal().rpartition("/")[2]

    async def send(
        self, token: str, body: bytes, headers: Mapping[str, str], method: str = "POST", query: str = ""
    ) -> Departure:
        """One request as the edge hands it over."""
        sent = {name.lower(): value for name, value in headers.items()}
        arrival = Arrival(
            method=method,
            path=token,
            query=query.encode(),
            headers=sent,
            body=body,
            address="203.0.113.7",
            request_id="req_1",
        )
        return await self.intake.answer(arrival)

    async def push(self, tenant_id: str, seen: Seen, token: str, body: bytes, **headers: str) -> Departure:
        """A delivery as the platform signs it."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        source = await finding.live(self.scope(tenant_id), seen.source.id)
        assert source is not None
        unsigned = signing.request("POST", finding.address(self.system, token), named, body)
        secret, named_so = source.secrets[0].secret, f"msg_{blake2b(body, digest_size=8).hexdigest()}"
        signed = signing.sign(unsigned, source.scheme, secret, self.system.now, app=source.app, message_id=named_so)
        return await self.send(token, body, signed.headers)

    async def work(self, tenant_id: str) -> None:
        """Work off what is due, as the queue would have it done, until nothing is."""
        for _ in range(20):
            async with self.system.tx() as tx:
                _, due = await tasks.due(tx, self.system.now, self.system.now, 100)
            keys = [key for tenant, key, _ in due if tenant == tenant_id]
            if not keys:
                return
            for key in keys:
                await working.work(self.scope(tenant_id), key)

    async def rows(self, sql: str) -> list[dict[str, Any]]:
        """What stands in the database."""
        async with self.system.tx() as tx:
            return [dict(row) for row in await tx.fetch_sql(sql)]


def world(database: Database, clock: Clock = SYSTEM, parts: Mapping[type, object] | None = None, **knobs: Any) -> World:
    """A process on this database."""
    settings = replace(QUICK, **knobs)
    shelf: dict[type, object] = {
        Settings: settings,
        catalog.Providers: catalog.Providers(dict(shipped())),
        catalog.GivenApps: catalog.GivenApps(),
        connections.Settings: connections.Settings(public_url=PUBLIC),
    }
    system = vault.process(database, clock=clock, parts={**shelf, **(parts or {})})
    return World(system, Intake(system, settings, Finder(system, settings)))
