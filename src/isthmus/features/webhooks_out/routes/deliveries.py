"""`/api/webhooks/deliveries`."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Query
from starlette.responses import Response

from isthmus.features.webhooks_out.errors import (
    DeliveryNotFound,
    DeliveryUnderWay,
    EndpointIdle,
)
from isthmus.features.webhooks_out.routes.access import MANAGE, READ
from isthmus.features.webhooks_out.service import deliveries as service
from isthmus.features.webhooks_out.service.deliveries import DeliveryFilters
from isthmus.http import Answer, Moment, PageDep, Routes, ScopeDep, accepted, document
from isthmus.kit.paging import Page

routes: Routes = Routes(prefix="/api/webhooks", tag="Webhooks")


class DeliveryOut(Answer, frozen=True, kw_only=True):
    """One message for one endpoint: pending, delivered, dead, or missed while the endpoint was disabled."""

    id: str
    endpoint_id: str
    event_id: str
    type: str
    state: str
    attempts: int
    next_at: datetime | None
    last_status: int | None
    last_error: str | None
    created_at: datetime
    done_at: datetime | None


class DeliveryList(Answer, frozen=True, kw_only=True):
    """A page of deliveries."""

    items: list[DeliveryOut]
    limit: int
    has_more: bool
    next_cursor: str | None = None


class AttemptOut(Answer, frozen=True, kw_only=True):
    """One attempt: what was sent, to which address, and what came back.

    Its trigger is `schedule`, `manual` or `recovery`; at most 16 KiB of a body are kept.
    """

    id: str
    trigger: str
    at: datetime
    url: str
    address: str | None
    request_headers: dict[str, str]
    status: int | None
    response_headers: dict[str, str] | None
    response: str | None
    duration_ms: int | None
    error: str | None


class InspectedOut(Answer, frozen=True, kw_only=True):
    """A delivery with its message and its attempts, oldest first."""

    delivery: DeliveryOut
    message: dict[str, Any] | None
    attempts: list[AttemptOut]


@routes.get("/deliveries", permission=READ, limit="other", response_model=DeliveryList, summary="Deliveries")
async def list_deliveries(
    scope: ScopeDep,
    paging: PageDep,
    *,
    endpoint_id: Annotated[str | None, Query(alias="endpointId", max_length=64)] = None,
    state: Annotated[Literal["pending", "delivered", "dead", "missed"] | None, Query()] = None,
    type: Annotated[str | None, Query(max_length=100)] = None,  # noqa: A002 - the filter's name on the wire
    event_id: Annotated[str | None, Query(alias="eventId", max_length=64)] = None,
    since: Annotated[Moment | None, Query(alias="from", description="Included.")] = None,
    until: Annotated[Moment | None, Query(alias="to", description="Left out.")] = None,
) -> Response:
    """The newest first; `from` and `to` are about when they were made."""
    filters = DeliveryFilters(
        endpoint_id=endpoint_id, state=state, type=type, event_id=event_id, since=since, until=until
    )
    page = await service.listing(scope, paging.ask, filters)
    return paging.listing("items", Page([_out(one) for one in page.items], page.next_after, None, page.has_more))


@routes.get(
    "/deliveries/{id}",
    permission=READ,
    limit="other",
    response_model=InspectedOut,
    summary="One delivery with its attempts",
    errors=(DeliveryNotFound,),
)
async def get_delivery(scope: ScopeDep, id: str) -> Response:  # noqa: A002 - the parameter's name on the wire
    """What was sent and what came back, attempt by attempt."""
    found = await service.inspect(scope, id)
    attempts = [_attempt(one) for one in found.attempts]
    message = None if found.message is None else dict(found.message)
    return document(InspectedOut(delivery=_out(found.delivery), message=message, attempts=attempts))


@routes.post(
    "/deliveries/{id}/retry",
    permission=MANAGE,
    limit="other",
    response_model=DeliveryOut,
    summary="Send a delivery once more",
    status=202,
    errors=(DeliveryNotFound, DeliveryUnderWay, EndpointIdle),
)
async def retry_delivery(scope: ScopeDep, id: str) -> Response:  # noqa: A002 - as above
    """A dead or delivered one begins anew with the whole schedule; one that waits is tried now."""
    return accepted(_out(await service.retry(scope, id)))


def _out(row: Mapping[str, Any]) -> DeliveryOut:
    return DeliveryOut(**{name: row[name] for name in DeliveryOut.__struct_fields__})


def _attempt(row: Mapping[str, Any]) -> AttemptOut:
    body = row["response"]
    text = None if body is None else body.decode("utf-8", "replace")
    return AttemptOut(**{**{name: row[name] for name in AttemptOut.__struct_fields__}, "response": text})
