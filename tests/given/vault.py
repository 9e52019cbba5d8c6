"""A system over one database with a vault of its own, as one process has it."""

from collections.abc import Mapping
from datetime import timedelta

from tests.given import keys

from isthmus.engine.bus import Bus
from isthmus.engine.db import Database
from isthmus.engine.keys import KeyRing
from isthmus.engine.queue import PgQueue
from isthmus.features import vault
from isthmus.kit.clock import SYSTEM, Clock
from isthmus.kit.permissions import PLATFORM_TENANT, TENANT_ADMIN, Principal
from isthmus.scope import Engine, Scope, System

SOON = timedelta(milliseconds=30)


def process(
    database: Database,
    *,
    ring: KeyRing | None = None,
    settings: vault.Settings | None = None,
    reseals: vault.Reseals | None = None,
    clock: Clock = SYSTEM,
    parts: Mapping[type, object] | None = None,
) -> System:
    """One process: its key ring, its cache, its parts."""
    held: dict[type, object] = {
        vault.Vault: vault.Vault(ring or keys.ring("first"), settings),
        vault.Reseals: reseals or vault.Reseals(),
        **(parts or {}),
    }
    return System(Engine(database, Bus(database, clock=clock), PgQueue(database), held), clock)


def scope(system: System, tenant_id: str, *, subject: str = "usr_1") -> Scope:
    """A person of the tenant at work."""
    principal = Principal("user", subject, "test", tenant_id, frozenset({TENANT_ADMIN}))
    asked = ("req_1", "203.0.113.9", "POST /api/things/{id}")
    return Scope(tenant_id, principal, system.engine, system.clock, *asked)


def platform(system: System) -> Scope:
    """An operator at work for the deployment."""
    principal = Principal("operator", "root", "host", PLATFORM_TENANT)
    return Scope(PLATFORM_TENANT, principal, system.engine, system.clock, request_id="req_2")
