"""Document 002's Widget Data Endpoints."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

import msgspec
from fastapi import Query
from pydantic import StringConstraints
from starlette.responses import Response

from isthmus.features import catalog, connections, sync
from isthmus.features.widgets import service
from isthmus.features.widgets.errors import PlatformSilent
from isthmus.features.widgets.model import ActivityStatus, ActivityType, TimeRange
from isthmus.http import Answer, Routes, ScopeDep, document
from isthmus.kit.permissions import SUPER_ADMIN, TENANT_ADMIN, USER, permission

READ = permission("widgets:read", "See what widgets show of integrations.", SUPER_ADMIN, TENANT_ADMIN, USER)

routes = Routes(prefix="/api/tenant/integrations", tag="Widgets")

_LIMIT = 10
_USE = (connections.IntegrationNotFound, connections.PersonRequired, connections.NotForYou)
Name = Annotated[str, StringConstraints(min_length=1, max_length=100)]


class WidgetStatusOut(Answer, frozen=True, kw_only=True):
    """How an integration is; where each person connects alone, how it is for the caller."""

    integration_id: str
    name: str
    status: Annotated[str, msgspec.Meta(extra_json_schema={"enum": ["pending", "connected", "error", "disabled"]})]
    connection_status: (
        Annotated[str, msgspec.Meta(extra_json_schema={"enum": ["active", "expired", "revoked", "error"]})]
        | msgspec.UnsetType
    ) = msgspec.UNSET
    last_connected_at: datetime | msgspec.UnsetType = msgspec.UNSET
    last_sync_at: datetime | msgspec.UnsetType = msgspec.UNSET
    error: str | msgspec.UnsetType = msgspec.UNSET


class ActivityOut(Answer, frozen=True, kw_only=True):
    """Something that happened."""

    id: str
    type: ActivityType
    status: ActivityStatus
    timestamp: datetime
    details: Mapping[str, Any]


class ActivitiesOut(Answer, frozen=True, kw_only=True):
    """The newest of what happened; `total` counts all of it."""

    activities: list[ActivityOut]
    total: int


class DataOut(Answer, frozen=True, kw_only=True):
    """Records as the platform had them at `fetchedAt`; `stale` where it has not answered since."""

    data: Sequence[Mapping[str, Any]]
    total: int
    entity: str
    fetched_at: datetime
    stale: bool


@routes.get(
    "/{id}/widgets/status",
    permission=READ,
    limit="widget",
    response_model=WidgetStatusOut,
    summary="How an integration is, for a widget",
    embed=True,
    errors=_USE,
)
async def status(scope: ScopeDep, id: str) -> Response:  # noqa: A002 - the path's name
    """How it is for the caller."""
    found = await service.status(scope, id)
    return document(
        WidgetStatusOut(
            integration_id=found.integration_id,
            name=found.name,
            status=found.status,
            connection_status=found.connection_status or msgspec.UNSET,
            last_connected_at=found.last_connected_at or msgspec.UNSET,
            last_sync_at=found.last_sync_at or msgspec.UNSET,
            error=found.error or msgspec.UNSET,
        )
    )


@routes.get(
    "/{id}/widgets/activity",
    permission=READ,
    limit="widget",
    response_model=ActivitiesOut,
    summary="What happened to an integration, for a widget",
    embed=True,
    errors=_USE,
)
async def activity(
    scope: ScopeDep,
    id: str,  # noqa: A002 - the path's name
    within: Annotated[TimeRange, Query(alias="timeRange", description="How far back.")] = "24h",
    limit: Annotated[int, Query(ge=1, le=100, description="Most activities.")] = _LIMIT,
) -> Response:
    """The newest first."""
    rows, total = await service.activity(scope, id, within, limit)
    shown = [
        ActivityOut(id=row["id"], type=row["type"], status=row["status"], timestamp=row["at"], details=row["details"])
        for row in rows
    ]
    return document(ActivitiesOut(activities=shown, total=total))


@routes.get(
    "/{id}/widgets/data",
    permission=READ,
    limit="widget",
    response_model=DataOut,
    summary="Records of an integration, for a widget",
    description="Read live, and shown again for a moment. `filters` is a JSON object of fields with the value that "
    "they must have, or with comparisons: `eq`, `ne`, `gt`, `gte`, `lt`, `lte`, `in`, `contains`.",
    errors=(
        *_USE,
        connections.UserScopeDenied,
        connections.IntegrationDisabled,
        catalog.PlanRequired,
        connections.IntegrationNotConnected,
        connections.ConnectionPending,
        connections.ConnectionExpired,
        connections.ShardTypeForbidden,
        sync.NotReadable,
        PlatformSilent,
    ),
)
async def data(
    scope: ScopeDep,
    id: str,  # noqa: A002 - the path's name
    entity: Annotated[Name, Query(description="The entity to show, such as products.")],
    fields: Annotated[list[Name] | None, Query(max_length=50, description="Fields to show; all if not given.")] = None,
    filters: Annotated[str, Query(max_length=4000, description="A JSON object.")] = "",
    limit: Annotated[int, Query(ge=1, le=100, description="Most records.")] = _LIMIT,
    user_id: Annotated[
        str | None, Query(alias="userId", min_length=1, max_length=200, description="Your own id, where you say it.")
    ] = None,
) -> Response:
    """Some records."""
    wanted = service.Wanted(entity, fields or (), filters, limit)
    found = await service.data(scope, id, wanted, user_id=user_id)
    return document(
        DataOut(data=found.records, total=found.total, entity=entity, fetched_at=found.fetched_at, stale=found.stale)
    )
