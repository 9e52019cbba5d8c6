"""Tenants with people who make API keys, over a system that knows some permissions."""

from tests.given import vault as house

from isthmus.engine.db import Database
from isthmus.features import access
from isthmus.features.access.feature import FEATURE
from isthmus.kit.clock import ManualClock
from isthmus.kit.permissions import SUPER_ADMIN, TENANT_ADMIN, USER, Principal, permission
from isthmus.scope import Scope, System

READ = permission("products:read", "Read.", SUPER_ADMIN, TENANT_ADMIN, USER)
TRIGGER = permission("sync:trigger", "Start.", SUPER_ADMIN, TENANT_ADMIN)


def process(database: Database, clock: ManualClock, settings: access.Settings | None = None) -> System:
    """One process whose keys can hold the permissions to read and to start."""
    rights = access.Rights([READ, TRIGGER, *FEATURE.permissions])
    held: dict[type, object] = {access.Rights: rights, access.Hasher: access.Hasher()}
    held[access.Settings] = settings or access.Settings()
    return house.process(database, clock=clock, parts=held)


async def tenant(system: System, name: str = "Shop") -> Scope:
    """The admin of a new tenant."""
    made = await access.create_tenant(house.platform(system), name)
    return house.scope(system, made.id)


def as_user(scope: Scope) -> Scope:
    """Somebody of the same tenant who is no admin."""
    person = Principal("user", "usr_2", "test", scope.tenant_id, frozenset({USER}))
    return Scope(scope.tenant_id, person, scope.engine, scope.clock)
