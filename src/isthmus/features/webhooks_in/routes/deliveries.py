"""The log of deliveries over HTTP: look, retry, replay."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import timedelta
from typing import Annotated, Literal

from fastapi import Query
from starlette.responses import Response

from isthmus.features.webhooks_in.errors import (
    DeliveryNotFound,
    NotRetryable,
)
from isthmus.features.webhooks_in.routes.shapes import (
    MANAGE,
    READ,
    FeedOut,
    InboundList,
    WholeOut,
    check_body,
    delivery_out,
    feed_item,
    feed_out,
    whole_out,
)
from isthmus.features.webhooks_in.service import following, looking
from isthmus.features.webhooks_in.service.looking import Filters
from isthmus.http import LiveDep, Moment, PageDep, Routes, ScopeDep, Sent, accepted, document
from isthmus.kit.paging import Page

routes: Routes = Routes(prefix="/api/webhooks", tag="Webhooks in")
_STATES = Literal["received", "unrouted", "waiting", "done", "ignored", "dead"]
#: Readers of event streams take no event of more than a MiB.
_IN_EVENT = 512 * 1024
_LONG_AGO = timedelta(days=3650)


@routes.get("", permission=READ, limit="other", response_model=InboundList, summary="What the platforms pushed")
async def list_deliveries(  # noqa: PLR0913 - a query parameter each
    scope: ScopeDep,
    paging: PageDep,
    *,
    source_id: Annotated[str | None, Query(alias="sourceId")] = None,
    connection_id: Annotated[str | None, Query(alias="connectionId")] = None,
    provider: Annotated[str | None, Query()] = None,
    event: Annotated[str | None, Query()] = None,
    state: Annotated[_STATES | None, Query()] = None,
    since: Annotated[Moment | None, Query(alias="from")] = None,
    topic: Annotated[str | None, Query()] = None,
    object_: Annotated[str | None, Query(alias="object")] = None,
    account: Annotated[str | None, Query()] = None,
    body_path: Annotated[str | None, Query(alias="bodyPath", max_length=200)] = None,
    body_value: Annotated[str | None, Query(alias="bodyValue", max_length=500)] = None,
    until: Annotated[Moment | None, Query(alias="to")] = None,
) -> Response:
    """Newest first. `event=order.*` is a group; `bodyPath=data.item_id&bodyValue=100` looks into the JSON of bodies."""
    check_body(body_path, body_value)
    filters = Filters(
        since=since or scope.now - _LONG_AGO,
        until=until or scope.now + _LONG_AGO,
        source_id=source_id,
        connection_id=connection_id,
        provider=provider,
        event=event,
        state=state,
        topic=topic,
        object=object_,
        account=account,
        body_path=body_path,
        body_value=body_value,
    )
    page = await looking.deliveries(scope, filters, paging.ask)
    shown = Page([delivery_out(one) for one in page.items], page.next_after, has_more=page.has_more)
    return paging.listing("items", shown)


@routes.get("/feed", permission=READ, limit="other", response_model=FeedOut, summary="What comes in, as it was sent")
async def feed(
    scope: ScopeDep,
    *,
    after: Annotated[str | None, Query(max_length=64)] = None,
    source_id: Annotated[str | None, Query(alias="sourceId")] = None,
    event: Annotated[str | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> Response:
    """Without `after` nothing but the place to go on from; headers that open doors are hidden."""
    return document(feed_out(await following.feed(scope, after, (source_id, event), limit)))


@routes.get("/stream", permission=READ, limit="other", response_model=None, summary="What comes in, live", stream=True)
async def stream(
    scope: ScopeDep,
    live: LiveDep,
    *,
    source_id: Annotated[str | None, Query(alias="sourceId")] = None,
    event: Annotated[str | None, Query()] = None,
) -> Response:
    """Each `delivery` as it was sent, from now on or from `Last-Event-ID` on; headers that open doors are hidden.

    After a cut some come again: remember the ids of a minute. The first event, `ready`, says where the stream begins.
    """

    async def source(after: str | None) -> AsyncIterator[Sent]:
        async with aclosing(following.follow(scope, after, (source_id, event))) as news:
            async for place, one in news:
                yield Sent(place, "ready", {}) if one is None else Sent(place, "delivery", feed_item(one, _IN_EVENT))

    return live.stream(source)


@routes.get(
    "/{delivery_id}",
    permission=READ,
    limit="other",
    response_model=WholeOut,
    summary="One delivery with its verdict and timeline",
    errors=(DeliveryNotFound,),
)
async def get_delivery(scope: ScopeDep, delivery_id: str) -> Response:
    """Headers that open doors are hidden."""
    return document(whole_out(await looking.delivery(scope, delivery_id)))


@routes.post(
    "/{delivery_id}/retry",
    permission=MANAGE,
    limit="other",
    response_model=WholeOut,
    status=202,
    summary="Work a delivery off once more",
    errors=(DeliveryNotFound, NotRetryable),
)
async def retry_delivery(
    scope: ScopeDep, delivery_id: str, *, handler: Annotated[str | None, Query()] = None
) -> Response:
    """What failed, of all handlers or of one; where nothing failed, everything. The schedule begins anew."""
    return accepted(whole_out(await looking.retry(scope, delivery_id, handler)))
