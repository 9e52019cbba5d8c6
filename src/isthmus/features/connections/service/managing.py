"""Looking at connections, trying them, and ending them."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from isthmus.client import AuthError, ClientError, PlatformError, TokenRejected, Tokens
from isthmus.features import catalog
from isthmus.features.connections.errors import ConnectionExpired, ConnectionNotFound, ConnectionPending
from isthmus.features.connections.events import Disconnected, ReturnOriginsChanged, Tested
from isthmus.features.connections.model import lease, returns
from isthmus.features.connections.model.connection import INTEGRATION_STATUS, Connection, Filters
from isthmus.features.connections.service import sealing, sessions, starting
from isthmus.features.connections.service.clients import Clients
from isthmus.features.connections.settings import Settings
from isthmus.features.connections.store import connections as store
from isthmus.features.connections.store import flows, tokens
from isthmus.kit.errors import Invalid, Problem
from isthmus.kit.paging import Ask, Page
from isthmus.scope import Scope

SORTS = tuple(store.SORTABLE)
_EVERYTHING = Filters()
_FIRST = Ask()


async def connections(
    scope: Scope, *, filters: Filters = _EVERYTHING, ask: Ask = _FIRST, sort: str = "createdAt", descending: bool = True
) -> Page[Connection]:
    """Some of the tenant's connections."""
    async with scope.tx() as tx:
        items, total = await store.page(tx, scope.principal, filters, ask, sort, descending=descending)
    return Page(items, total=total, has_more=ask.offset + len(items) < total)


@dataclass(frozen=True, slots=True)
class Trial:
    """How a test went."""

    success: bool
    message: str
    tested_at: datetime
    seconds: float
    error: str | None = None
    details: Mapping[str, str] = field(default_factory=dict)


async def test(scope: Scope, connection_id: str) -> Trial:
    """Try the stored credentials at the stored hosts (VA-02). Raises ConnectionNotFound.

    A person asking is worth one more try: a postponed or uncertain refresh is not held back by what was before.
    """
    connection = await starting.get(scope, connection_id)
    await _forgive(scope, connection_id)
    began = scope.clock.monotonic()
    error, details = await _tried(scope, connection)
    seconds = scope.clock.monotonic() - began
    async with scope.tx() as tx:
        await store.update_tested(tx, connection_id, scope.now)
        tx.emit(Tested(subject=connection_id, body={"success": error is None, "error": error}))
    message = "The connection works." if error is None else "The connection does not work just now."
    return Trial(error is None, message, scope.now, seconds, error, details)


async def _tried(scope: Scope, connection: Connection) -> tuple[str | None, dict[str, str]]:
    try:
        registration = await catalog.registration(scope, connection.provider, connection.registration_id)
        async with sessions.session(scope, connection.id) as session:
            account = await registration.connector.test(session)
    except (ConnectionExpired, ConnectionPending, catalog.AppMissing) as unusable:
        return unusable.code.lower(), {"reason": unusable.message}
    except ClientError as failed:
        return _said(failed), {"platformCode": failed.code} if isinstance(failed, PlatformError) else {}
    error = None if account.id == connection.account_id else "wrong_account"
    return error, {"accountId": account.id, "accountName": account.name, "region": account.region}


def _said(failed: ClientError) -> str:
    if isinstance(failed, TokenRejected | AuthError):
        return "credentials_refused"
    return "platform_refused" if isinstance(failed, PlatformError) else failed.kind


async def _forgive(scope: Scope, connection_id: str) -> None:
    async with scope.tx() as tx:
        held = await tokens.load(tx, connection_id, lock=True)
        if held is None:
            raise ConnectionNotFound
        state = lease.forgiven(held.state, held.at)
        if state == held.state:
            return
        await tokens.update_lease(tx, connection_id, state, scope.now)
        await store.update_integration_of(tx, connection_id, INTEGRATION_STATUS[state.status], scope.now)
    await scope.part(Clients).drop(scope.tenant_id, connection_id)


async def disconnect(scope: Scope, connection_id: str) -> str:
    """End a connection: our copy of its credentials is destroyed, whatever the platform says (OA-16).

    Answers how the far side took it: `revoked`, `not_supported`, `failed` or `nothing_to_revoke`.
    """
    return await end(scope, await starting.get(scope, connection_id))


async def end(scope: Scope, connection: Connection) -> str:
    """The same for a connection that was looked up, whosever it is."""
    connection_id = connection.id
    revoked = await _revoke(scope, connection)
    async with scope.tx() as tx:
        integration_id = await store.delete_connection(tx, connection_id)
        if integration_id is None:
            raise ConnectionNotFound
        await store.update_integration(tx, integration_id, "pending", scope.now)
        tx.emit(
            Disconnected(
                subject=connection_id,
                body={"provider": connection.provider, "integrationId": integration_id, "revoked": revoked},
                before={"status": connection.status.value, "accountId": connection.account_id},
            )
        )
    await scope.part(Clients).drop(scope.tenant_id, connection_id)
    return revoked


async def _revoke(scope: Scope, connection: Connection) -> str:
    if connection.auth != sessions.OAUTH:
        return "nothing_to_revoke"
    try:
        found = await _tokens(scope, connection.id)
        if found is None:
            return "nothing_to_revoke"
        registration = await catalog.registration(scope, connection.provider, connection.registration_id)
        deadline = scope.part(Settings).revoke_deadline.total_seconds()
        account = sessions.account_of(connection)
        async with asyncio.timeout(deadline), scope.part(Clients).plain(registration, scope.clock) as client:
            ended = await registration.connector.revoke(registration.app, account, found, client, scope.clock)
    except (ClientError, TimeoutError, Problem):
        return "failed"
    return "revoked" if ended else "not_supported"


async def _tokens(scope: Scope, connection_id: str) -> Tokens | None:
    async with scope.tx() as tx:
        held = await tokens.load(tx, connection_id)
        if held is None or held.access is None:
            return None
        return await sealing.open_tokens(scope, tx, connection_id, held)


async def return_origins(scope: Scope) -> list[str]:
    """This tenant's own list of origins to which consents may return."""
    async with scope.tx() as tx:
        return sorted(await flows.return_origins(tx))


async def set_return_origins(scope: Scope, origins: Sequence[str]) -> list[str]:
    """Make the list exactly these, such as `https://app.example.com`. Raises Invalid, naming each wrong one."""
    wanted: set[str] = set()
    wrong: list[dict[str, str]] = []
    for place, origin in enumerate(origins):
        try:
            wanted.add(returns.origin_of(origin))
        except ValueError as error:
            wrong.append({"path": f"origins.{place}", "message": f"This is not an origin: {error}."})
    if wrong:
        raise Invalid("Some origins are not usable.", details={"fields": wrong})
    async with scope.tx() as tx:
        before = sorted(await flows.return_origins(tx))
        if before != sorted(wanted):
            await flows.update_origins(tx, wanted, scope.now)
            facts = {"before": {"origins": before}, "after": {"origins": sorted(wanted)}}
            tx.emit(ReturnOriginsChanged(subject=scope.tenant_id, **facts))
    return sorted(wanted)
