"""Trying the credentials of a connection: when somebody asks, and a few times a day by itself."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from isthmus.client import (
    AuthError,
    ClientError,
    DeadlineExceeded,
    PlatformError,
    RateLimited,
    Throttled,
    TokenRejected,
)
from isthmus.connect.spi import Unmappable
from isthmus.engine.db import Tx as SystemTx
from isthmus.engine.queue import Wake
from isthmus.features import catalog
from isthmus.features.connections.errors import ConnectionExpired, ConnectionNotFound, ConnectionPending
from isthmus.features.connections.events import Failing, Recovered, Tested
from isthmus.features.connections.model import lease
from isthmus.features.connections.model import trying as model
from isthmus.features.connections.model.connection import INTEGRATION_STATUS, Connection, Fact
from isthmus.features.connections.service import sessions, starting
from isthmus.features.connections.service.clients import Clients
from isthmus.features.connections.settings import Settings
from isthmus.features.connections.store import connections as store
from isthmus.features.connections.store import integrations, tests, tokens
from isthmus.kit.chance import draw
from isthmus.scope import Scope, System, Tx

JOB = "connections.test"
_SHOWN = 500
#: For how many seconds somebody who asks is kept waiting: less than a request may take.
_PATIENCE = 25.0


@dataclass(frozen=True, slots=True)
class Trial:
    """How a test went."""

    success: bool
    message: str
    tested_at: datetime
    seconds: float
    error: str | None = None
    details: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Found:
    """What the far side said; `works` is None where it was not asked for want of permits."""

    works: bool | None
    error: str | None = None
    details: Mapping[str, str] = field(default_factory=dict)
    #: What the far side adds to the account, such as that its stock lies at several places by now.
    extra: Mapping[str, str] = field(default_factory=dict)


async def test(scope: Scope, connection_id: str) -> Trial:
    """Try the stored credentials at the stored hosts (VA-02). Raises ConnectionNotFound.

    A person asking is worth one more try: a postponed or uncertain refresh is not held back by what was before.
    """
    connection = await starting.get(scope, connection_id)
    await _forgive(scope, connection)
    began = scope.clock.monotonic()
    found = await _tried(scope, connection)
    seconds = scope.clock.monotonic() - began
    await _settle(scope, connection_id, found, asked=True)
    message = "The connection works." if found.error is None else "The connection does not work just now."
    return Trial(found.error is None, message, scope.now, seconds, found.error, found.details)


async def try_when_due(scope: Scope, connection_id: str) -> None:
    """The scheduled test of one connection, whosever it is; nothing if another worker has it or it is not due."""
    async with scope.tx() as tx:
        if not await tests.update_claimed(tx, connection_id, scope.now, scope.now + model.CLAIM):
            return
        connection = await store.by_id(tx, connection_id)
    if connection is None:
        return
    found = await _tried(scope, connection) if connection.enabled else _Found(None)
    await _settle(scope, connection_id, found, asked=False)


async def missing(system: System, tx: SystemTx) -> Sequence[Wake]:
    """The tests that are due, the oldest first; a few at a time, so that a long stop ends without a rush."""
    most = system.engine.part(Settings).tests_at_once
    return [Wake(JOB, connection_id, tenant_id) for tenant_id, connection_id in await tests.due(tx, system.now, most)]


async def _settle(scope: Scope, connection_id: str, found: _Found, *, asked: bool) -> None:
    every = scope.part(Settings).test_every
    async with scope.tx() as tx:
        held = await store.by_id(tx, connection_id, lock=True)
        if held is None:
            if asked:
                raise ConnectionNotFound
            return
        step = model.after(held.status, held.test_failures, works=found.works)
        state = tests.State(step.failures, found.error, model.next_at(scope.now, every, draw()))
        await tests.update_tested(tx, connection_id, state, scope.now)
        await _keep(tx, held, found)
        if asked:
            await integrations.update_testing(tx, held.integration_id, None)
            tx.emit(Tested(subject=connection_id, body={"success": found.error is None, "error": found.error}))
        if step.fact is None:
            return
        reason = found.error if step.fact is Fact.FAILING else None
        await store.update_status(tx, connection_id, [held.status], step.status, reason, scope.now)
        await store.update_integration_of(tx, connection_id, INTEGRATION_STATUS[step.status], scope.now)
        body = {"integrationId": held.integration_id}
        if step.fact is Fact.FAILING:
            tx.emit(Failing(subject=connection_id, body={**body, "error": found.error or ""}))
        else:
            tx.emit(Recovered(subject=connection_id, body=body))


async def _keep(tx: Tx, held: Connection, found: _Found) -> None:
    """What the far side says of the account may have grown since it was connected."""
    known = held.account.get("extra", {})
    told = {**known, **found.extra}
    if found.works and told != known:
        await tests.update_account(tx, held.id, {**held.account, "extra": told})


async def _tried(scope: Scope, connection: Connection) -> _Found:
    # tokens may have to be exchanged first
    waited = min(2 * scope.part(Settings).exchange_deadline.total_seconds(), _PATIENCE)
    try:
        registration = await catalog.registration(scope, connection.provider, connection.registration_id)
        async with asyncio.timeout(waited), sessions.trusted(scope, connection.id) as session:
            account = await registration.connector.test(session)
    except (ConnectionExpired, ConnectionPending, catalog.AppMissing) as unusable:
        return _Found(False, unusable.code.lower(), {"reason": unusable.message})
    except Unmappable as unreadable:
        return _Found(False, "account_unnamed", {"reason": unreadable.reason})
    except ClientError as failed:
        asked = not isinstance(failed, RateLimited | Throttled)
        details = _told(failed) if isinstance(failed, PlatformError) else {}
        return _Found(False if asked else None, _said(failed), details)
    except TimeoutError:
        return _Found(False, DeadlineExceeded.CODE)
    told = {"accountId": account.id, "accountName": account.name, "region": account.region}
    same = account.id == connection.account_id
    return _Found(same, None if same else "wrong_account", told, account.extra)


def _told(failed: PlatformError) -> dict[str, str]:
    told = {"platformCode": failed.code, "platformMessage": failed.message[:_SHOWN]}
    return {name: value for name, value in told.items() if value}


def _said(failed: ClientError) -> str:
    if isinstance(failed, TokenRejected | AuthError):
        return "credentials_refused"
    return "platform_refused" if isinstance(failed, PlatformError) else failed.kind


async def _forgive(scope: Scope, connection: Connection) -> None:
    connection_id = connection.id
    async with scope.tx() as tx:
        held = await tokens.load(tx, connection_id, lock=True)
        if held is None:
            raise ConnectionNotFound
        await integrations.update_testing(tx, connection.integration_id, scope.now + model.CLAIM)
        state = lease.forgiven(held.state, held.at)
        if state == held.state:
            return
        await tokens.update_lease(tx, connection_id, state, scope.now)
        await store.update_integration_of(tx, connection_id, INTEGRATION_STATUS[state.status], scope.now)
    await scope.part(Clients).drop(scope.tenant_id, connection_id)
