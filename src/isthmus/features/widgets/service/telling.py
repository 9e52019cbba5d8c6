"""How an integration is, and what happened to it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from isthmus.engine.db import Tx
from isthmus.features import connections
from isthmus.features.connections import Connection, Status
from isthmus.features.widgets import model, store
from isthmus.features.widgets.model import TimeRange
from isthmus.features.widgets.settings import Settings
from isthmus.scope import Scope, System

_CONNECTION: Mapping[Status, str] = {Status.CONNECTED: "active", Status.EXPIRED: "expired", Status.ERROR: "error"}
_DISABLED = "disabled"


@dataclass(frozen=True, slots=True)
class State:
    """How an integration is for this caller."""

    integration_id: str
    name: str
    status: str
    connection_status: str | None
    last_connected_at: datetime | None
    last_sync_at: datetime | None
    error: str | None


async def status(scope: Scope, integration_id: str) -> State:
    """How an integration is. Raises IntegrationNotFound, PersonRequired, NotForYou."""
    used = await connections.use(scope, integration_id, off_too=True)
    found, connection = used.integration, used.connection
    return State(
        found.id,
        found.name,
        _state(found.state, connection),
        _CONNECTION.get(connection.status) if connection else None,
        connection.connected_at if connection else None,
        found.last_sync_at,
        (connection.status_reason or connection.test_error) if connection else None,
    )


def _state(said: str, connection: Connection | None) -> str:
    """What is shown; for one whose connections are people's own, what this person's comes to."""
    if said == _DISABLED:
        return said
    if connection is None:
        return "pending"
    if connection.owner_id is None:
        return said
    return {Status.CONNECTED: "connected", Status.PENDING: "pending"}.get(connection.status, "error")


async def activity(scope: Scope, integration_id: str, within: TimeRange, limit: int) -> tuple[Sequence[Any], int]:
    """The newest of what happened in that time, and how much did. Raises what `status` raises."""
    used = await connections.use(scope, integration_id, off_too=True)
    if used.integration.user_scoped and used.connection is None:
        return (), 0
    own = used.connection.id if used.connection and used.integration.user_scoped else None
    async with scope.tx() as tx:
        rows = await store.page(tx, integration_id, scope.now - model.RANGES[within], own, limit)
    return rows, rows[0]["total"] if rows else 0


async def note(tx: Tx, event: Mapping[str, Any]) -> None:  # house: silent - it keeps what the log tells
    """Keep what an event of the log tells of."""
    made = model.activity(event)
    body = event["body"] or {}
    integration_id = body.get("integrationId") or await store.integration_of(tx, event["tenant_id"], made.connection_id)
    if integration_id:
        await store.put(tx, event["tenant_id"], integration_id, made)


async def sweep(system: System) -> None:
    """Forget what is too old to be shown."""
    async with system.tx() as tx:
        await store.sweep(tx, system.now - system.engine.part(Settings).activities_for)
