"""`/api/webhooks/recoveries`, and how one begins."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from fastapi import Query
from starlette.responses import Response

from isthmus.features.webhooks_out.errors import EndpointNotFound, RecoveryNotFound, TooManyRecoveries, WrongEndpoint
from isthmus.features.webhooks_out.routes.access import MANAGE, READ
from isthmus.features.webhooks_out.service import recovering as service
from isthmus.http import Answer, Moment, PageDep, Routes, ScopeDep, Wire, accepted, document
from isthmus.kit.paging import Page

routes: Routes = Routes(prefix="/api/webhooks", tag="Webhooks")


class Recover(Wire):
    """From when to when the endpoint missed messages; `until` is now where it is left out."""

    since: Moment
    until: Moment | None = None


class RecoveryOut(Answer, frozen=True, kw_only=True):
    """How far a recovery is; `found` counts the messages that are sent anew."""

    id: str
    endpoint_id: str
    since: datetime
    until: datetime
    state: str
    found: int
    created_at: datetime
    done_at: datetime | None


class RecoveryList(Answer, frozen=True, kw_only=True):
    """A page of recoveries."""

    items: list[RecoveryOut]
    limit: int
    has_more: bool
    next_cursor: str | None = None


@routes.post(
    "/endpoints/{id}/recover",
    permission=MANAGE,
    limit="other",
    response_model=RecoveryOut,
    summary="Send everything that an endpoint missed in a time",
    status=202,
    errors=(EndpointNotFound, WrongEndpoint, TooManyRecoveries),
)
async def recover_endpoint(scope: ScopeDep, id: str, body: Recover) -> Response:  # noqa: A002 - the parameter's name on the wire
    """Dead letters, and what came while it was disabled; a job does it and outlives a crash."""
    return accepted(_out(await service.recover(scope, id, body.since, body.until)))


@routes.get(
    "/recoveries", permission=READ, limit="other", response_model=RecoveryList, summary="The recoveries of endpoints"
)
async def list_recoveries(
    scope: ScopeDep,
    paging: PageDep,
    endpoint_id: Annotated[str | None, Query(alias="endpointId", max_length=64)] = None,
) -> Response:
    """The newest first."""
    page = await service.listing(scope, paging.ask, endpoint_id)
    return paging.listing("items", Page([_out(one) for one in page.items], page.next_after, None, page.has_more))


@routes.get(
    "/recoveries/{id}",
    permission=READ,
    limit="other",
    response_model=RecoveryOut,
    summary="How far a recovery is",
    errors=(RecoveryNotFound,),
)
async def get_recovery(scope: ScopeDep, id: str) -> Response:  # noqa: A002 - as above
    """Its state is `running`, `done` or `cancelled`."""
    return document(_out(await service.recovery(scope, id)))


@routes.post(
    "/recoveries/{id}/cancel",
    permission=MANAGE,
    limit="other",
    response_model=RecoveryOut,
    summary="Stop a recovery",
    errors=(RecoveryNotFound,),
)
async def cancel_recovery(scope: ScopeDep, id: str) -> Response:  # noqa: A002 - as above
    """What it has found already is sent; one that has ended stays as it is."""
    return document(_out(await service.cancel(scope, id)))


def _out(row: Mapping[str, Any]) -> RecoveryOut:
    return RecoveryOut(**{name: row[name] for name in RecoveryOut.__struct_fields__})
