"""Break-glass: an operator goes into a tenant, is seen there, and is out again (security.md SA-01)."""

import hmac
from dataclasses import dataclass, replace

from isthmus.engine.db import is_tenant_id
from isthmus.features.access.errors import DeploymentTenant, GlassNotFound, TenantNotFound, TenantNotLetIn
from isthmus.features.access.events import GlassBroken, OperatorEntered, OperatorLeft
from isthmus.features.access.model import accounts as tokens
from isthmus.features.access.model import glasses as model
from isthmus.features.access.model.glasses import Glass
from isthmus.features.access.model.tenants import TenantStatus
from isthmus.features.access.service.keys import Rights
from isthmus.features.access.service.sessions import ISSUER
from isthmus.features.access.store import glasses as store
from isthmus.features.access.store import tenants as tenants_store
from isthmus.http import Credentials, Verified
from isthmus.kit import ids
from isthmus.kit.errors import Unauthenticated
from isthmus.kit.paging import Ask, Page
from isthmus.kit.permissions import BREAK_GLASS, PLATFORM_TENANT, TENANT_ADMIN, Principal
from isthmus.kit.secret import Secret
from isthmus.scope import Scope, System

#: How members of the deployment are named as operators, but for their id.
_ACCOUNT = f"user:{ISSUER}:"
_AT_A_TIME = 100


@dataclass(frozen=True, slots=True)
class Broken:
    """An operator is in, by this token, which is shown this once."""

    glass: Glass
    shown: Secret


@dataclass(frozen=True, slots=True)
class Why:
    """Why an operator has to go in, and for how many minutes."""

    reason: str
    ticket: str
    minutes: int | None = None


async def break_glass(scope: Scope, tenant_id: str, why: Why) -> Broken:
    """Let the caller, a super admin, into a tenant: its people read of it in their log, and may end it.

    Raises Invalid, TenantNotFound, DeploymentTenant, TenantNotLetIn.
    """
    until = scope.now + model.read_minutes(why.minutes)
    glass = Glass(
        id=scope.id("bgl"),
        operator=scope.principal.id,
        reason=model.read_reason(why.reason),
        ticket=model.read_ticket(why.ticket),
        begun_at=scope.now,
        until=until,
        session=scope.principal.session or None,
    )
    platform = scope.platform()  # house: platform - who goes into a tenant is the deployment's own matter too
    async with platform.tx() as tx:
        found = await tenants_store.tenant(tx, tenant_id)
        if found is None:
            raise TenantNotFound
        if found.id == PLATFORM_TENANT:
            raise DeploymentTenant
        if found.status is not TenantStatus.ACTIVE:
            raise TenantNotLetIn
        tx.emit(GlassBroken(subject=found.id, after=_told(glass)))
    shown = Secret(model.TOKEN + ids.base62(tokens.RANDOM_LETTERS))
    async with replace(scope, tenant_id=found.id).tx() as tx:
        await store.insert_glass(tx, glass, tokens.digest(shown))
        tx.emit(OperatorEntered(subject=glass.id, after=_told(glass)))
    return Broken(glass, shown)


async def glasses(scope: Scope, ask: Ask) -> Page[Glass]:
    """When operators were inside the scope's tenant, the newest first."""
    async with scope.tx() as tx:
        found = await store.glasses(tx, before=ask.after, offset=ask.offset, limit=ask.limit + 1)
    kept, more = found[: ask.limit], len(found) > ask.limit
    return Page(kept, next_after=kept[-1].id if more else None, has_more=more)


async def send_out(scope: Scope, glass_id: str) -> None:
    """End an operator's time inside the scope's tenant; everywhere within five seconds. Raises GlassNotFound."""
    async with scope.tx() as tx:
        found = await store.glass(tx, glass_id)
        if found is None:
            raise GlassNotFound
        if await store.update_ended(tx, glass_id, now=scope.now, by=scope.principal.id):
            tx.emit(OperatorLeft(subject=glass_id, before=_told(found)))


async def leave(scope: Scope, tenant_id: str, glass_id: str) -> None:
    """The operator who went into a tenant is done there. Raises GlassNotFound."""
    if not is_tenant_id(tenant_id):
        raise GlassNotFound
    await send_out(replace(scope, tenant_id=tenant_id), glass_id)


async def send_out_left(system: System) -> None:
    """End what is open of operators who were removed, or whose session has ended: nothing opens to them since, and here
    the tenants read of it.
    """
    async with system.tx() as tx:
        every = await store.left(tx, _ACCOUNT, system.now, _AT_A_TIME)
    for tenant_id, glass_id in every:
        await send_out(system.scope(tenant_id, "access"), glass_id)


class GlassAuthenticator:
    """Tells which operator is inside a tenant. There they may do what a key of an admin might, and nothing that takes a
    fresh proof: no exports, no one-time secrets, no keys, no members.
    """

    def __init__(self, system: System) -> None:
        self._system = system

    async def verify(self, credentials: Credentials) -> Verified | None:
        """The operator inside; None for what has not the form of such a token. Raises Unauthenticated, Unavailable."""
        if credentials.kind != "bearer" or not tokens.bears(credentials.text, model.TOKEN):
            return None
        digest = tokens.digest(Secret(credentials.text))
        async with self._system.tx() as tx:
            found = await store.shown(tx, digest, _ACCOUNT, self._system.now)
        if found is None or not hmac.compare_digest(found.digest, digest) or not found.tenant_live:
            raise Unauthenticated
        if found.operator_gone or not found.glass.is_open(self._system.now):
            raise Unauthenticated
        known = self._system.engine.part(Rights).known.values()
        held = frozenset(one.name for one in known if TENANT_ADMIN in one.roles)
        # the session is never proved: what takes a proof stays closed to operators
        who = Principal(
            BREAK_GLASS,
            found.glass.id,
            ISSUER,
            found.tenant_id,
            permissions=held,
            session=found.glass.id,
            on_behalf_of=found.glass.operator,
        )
        return Verified(who, found.glass.until.timestamp())


def _told(glass: Glass) -> dict[str, object]:
    return {
        "operator": glass.operator,
        "reason": glass.reason,
        "ticket": glass.ticket,
        "until": glass.until.isoformat(),
        "glass": glass.id,
    }
