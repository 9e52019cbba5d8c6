"""Opens a deployment's parts in their order and closes them in reverse; everything else is given what it needs."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from isthmus.app.keys import Signing, cursor_secret, signing
from isthmus.app.parts import parts
from isthmus.connect import registry
from isthmus.engine.bus import Bus
from isthmus.engine.db import DataDirectoryTaken, Database, EmbeddedPostgres, migrate
from isthmus.engine.keys import KeyRing
from isthmus.engine.queue import PgQueue
from isthmus.features import access, connections, vault
from isthmus.http import Authenticator, Check, HttpSettings
from isthmus.kit.clock import SYSTEM, Clock
from isthmus.kit.permissions import Principal
from isthmus.kit.secret import Secret
from isthmus.scope import Engine, Scope, System
from isthmus.settings import Settings

_LOG = logging.getLogger("isthmus.app")


@dataclass(slots=True)
class Platform:
    """An open deployment: engines, parts, and who may sign in."""

    settings: Settings
    engine: Engine
    clock: Clock
    http_settings: HttpSettings
    signing: Signing
    cursor_secret: Secret = field(repr=False)
    notes: list[str] = field(default_factory=list)

    @property
    def system(self) -> System:
        """The platform's own hand."""
        return System(self.engine, self.clock)

    @property
    def authenticators(self) -> Sequence[Authenticator]:
        """Whose credentials are believed."""
        return self.signing.authenticators

    @property
    def checks(self) -> Mapping[str, Check]:
        """The parts that `/health/ready` asks."""
        return {"database": self.engine.database.ping, "vault": self._vault_holds}

    async def _vault_holds(self) -> None:
        await vault.check_canary(self.system)

    def scope(self, tenant_id: str, principal: Principal) -> Scope:
        """A scope for a command or a test."""
        return Scope(tenant_id, principal, self.engine, self.clock)

    async def development_token(self, tenant: str, *, subject: str, roles: Sequence[str], hours: float) -> str:
        """A bearer token for a tenant, by id or slug. Raises NoDevelopmentKey, TenantNotFound."""
        found = await access.find_tenant(self.system, tenant)
        return self.signing.mint(found.id, subject, roles, hours, self.clock).reveal()
