"""Looking at connections, and ending them."""

from collections.abc import Sequence

from isthmus.client import Tokens
from isthmus.features import vault
from isthmus.features.connections.errors import ConnectionNotFound, ReturnOriginsChangedMeanwhile
from isthmus.features.connections.events import Disconnected, ReturnOriginsChanged
from isthmus.features.connections.model import returns
from isthmus.features.connections.model.connection import Connection, Filters
from isthmus.features.connections.service import leaving, revoking, sealing, sessions, starting
from isthmus.features.connections.service.clients import Clients
from isthmus.features.connections.service.trying import Trial as Trial
from isthmus.features.connections.service.trying import test as test
from isthmus.features.connections.store import connections as store
from isthmus.features.connections.store import flows, listing, tokens
from isthmus.kit.errors import Invalid
from isthmus.kit.etags import etag
from isthmus.kit.paging import Ask, Page
from isthmus.scope import Scope

SORTS = tuple(listing.SORTABLE)
_EVERYTHING = Filters()
_FIRST = Ask()
_AT_ONCE = 100


async def connections(
    scope: Scope, *, filters: Filters = _EVERYTHING, ask: Ask = _FIRST, sort: str = "createdAt", descending: bool = True
) -> Page[Connection]:
    """Some of the tenant's connections."""
    async with scope.tx() as tx:
        items, total = await listing.page(tx, scope.principal, filters, ask, sort, descending=descending)
    return Page(items, total=total, has_more=ask.offset + len(items) < total)


async def disconnect(scope: Scope, connection_id: str) -> str:
    """End a connection: our copy of its credentials is destroyed, whatever the platform says (OA-16).

    Answers how the far side took it: `revoked`, `not_supported`, `failed` or `nothing_to_revoke`.
    """
    return await end(scope, await starting.get(scope, connection_id))


async def end_all(scope: Scope) -> None:  # house: silent - each end is told
    """End every connection of a tenant that is being deleted, at the far sides too."""
    while True:
        async with scope.tx() as tx:
            found = await store.some(tx, _AT_ONCE)
        for connection in found:
            await end(scope, connection)
        if len(found) < _AT_ONCE:
            return


async def end(scope: Scope, connection: Connection, *, tell: bool = True) -> str:
    """The same for a connection that was looked up, whosever it is.

    tell: whether the far side is told now; otherwise a job revokes what there is to revoke.
    """
    connection_id = connection.id
    if tell:
        await leaving.leave(scope, connection)
    found = await _tokens(scope, connection)
    revoked = "nothing_to_revoke"
    if found is not None:
        revoked = await revoking.revoke(scope, connection, found) if tell else "failed"
    async with scope.tx() as tx:
        integration_id = await store.delete_connection(tx, connection_id)
        if integration_id is None:
            raise ConnectionNotFound
        if found is not None and revoked == "failed":
            await revoking.keep(scope, tx, connection, found)
        await store.update_integration(tx, integration_id, "pending", scope.now)
        tx.emit(
            Disconnected(
                subject=connection_id,
                body={"provider": connection.provider, "integrationId": integration_id, "revoked": revoked},
                before={"status": connection.status.value, **_account(connection)},
            )
        )
    await scope.part(Clients).drop(scope.tenant_id, connection_id)
    return revoked


def _account(connection: Connection) -> dict[str, object]:
    """Whose account it was, as far as the log may tell: a person's own is nobody else's to read."""
    return {} if connection.owner is not None else {"accountId": connection.account_id}


async def _tokens(scope: Scope, connection: Connection) -> Tokens | None:
    if connection.auth != sessions.OAUTH:
        return None
    async with scope.tx() as tx:
        held = await tokens.load(tx, connection.id)
        if held is None or held.access is None:
            return None
        try:
            return await sealing.open_tokens(scope, tx, connection.id, held)
        except vault.Unreadable:
            return None


async def return_origins(scope: Scope) -> list[str]:
    """This tenant's own list of origins to which consents may return."""
    async with scope.tx() as tx:
        return sorted(await flows.return_origins(tx))


async def set_return_origins(scope: Scope, origins: Sequence[str]) -> list[str]:
    """Make the list exactly these, such as `https://app.example.com`. Raises Invalid, naming each wrong one.

    Raises ReturnOriginsChangedMeanwhile where the list is not as the caller has read it.
    """
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
        await flows.hold_origins(tx)
        before = sorted(await flows.return_origins(tx))
        if before != sorted(wanted):
            scope.check_seen(etag(before), ReturnOriginsChangedMeanwhile)
            await flows.update_origins(tx, wanted, scope.now)
            facts = {"before": {"origins": before}, "after": {"origins": sorted(wanted)}}
            tx.emit(ReturnOriginsChanged(subject=scope.tenant_id, **facts))
    return sorted(wanted)
