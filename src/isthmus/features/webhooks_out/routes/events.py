"""`/api/events`: publish one's own, and read the log without receiving anything."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import datetime
from typing import Annotated, Any

from fastapi import Query
from pydantic import Field, JsonValue
from starlette.responses import Response

from isthmus.features.webhooks_out.errors import EventsForgotten, EventTypeNotFound, TooManyEvents, WrongEvent
from isthmus.features.webhooks_out.routes.access import EVENTS, PUBLISH
from isthmus.features.webhooks_out.service import publishing as service
from isthmus.http import Answer, LiveDep, Routes, ScopeDep, Sent, Wire, accepted, document

routes: Routes = Routes(prefix="/api/events", tag="Webhooks")
_After = Annotated[str | None, Query(max_length=64, description="`next` of the page before; absent: from the start.")]
_Types = Annotated[list[str] | None, Query(max_length=100, description="Types, or `group.*`; absent: all.")]


class PublishEvent(Wire):
    """An event of a type that the tenant registered."""

    type: str = Field(max_length=200)
    subject: str = Field(default="", max_length=200)
    data: dict[str, JsonValue] = Field(default_factory=dict)


class Published(Answer, frozen=True, kw_only=True):
    """The event is in the log; endpoints get it from there, with this id as `webhook-id`."""

    id: str
    type: str


class MessageOut(Answer, frozen=True, kw_only=True):
    """One event, as endpoints get it."""

    id: str
    type: str
    timestamp: str
    subject: str
    data: dict[str, Any]


class MessagePage(Answer, frozen=True, kw_only=True):
    """Events in commit order; `next` is where to go on, also without any, for as long as events are kept."""

    items: list[MessageOut]
    next: str
    has_more: bool
    asked_at: datetime


@routes.post(
    "",
    permission=PUBLISH,
    limit="event",
    response_model=Published,
    summary="Publish an event of a registered type",
    status=202,
    errors=(EventTypeNotFound, WrongEvent, TooManyEvents),
)
async def publish_event(scope: ScopeDep, body: PublishEvent) -> Response:
    """Send an `Idempotency-Key`, so that a repeated request publishes once."""
    id_ = await service.publish(scope, body.type, body.subject, body.data)
    return accepted(Published(id=id_, type=body.type))


@routes.get(
    "",
    permission=EVENTS,
    limit="other",
    response_model=MessagePage,
    summary="Poll for events",
    errors=(EventsForgotten,),
)
async def poll_events(
    scope: ScopeDep,
    after: _After = None,
    types: _Types = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> Response:
    """The same messages that endpoints get, for those who cannot receive."""
    page = await service.poll(scope, after, types or [], limit)
    items = [MessageOut(**one.shape) for one in page.messages]
    return document(MessagePage(items=items, next=page.next, has_more=page.has_more, asked_at=scope.now))


@routes.get(
    "/stream",
    permission=EVENTS,
    limit="other",
    response_model=None,
    summary="Events, live",
    errors=(EventsForgotten,),
    stream=True,
)
async def stream_events(scope: ScopeDep, live: LiveDep, types: _Types = None) -> Response:
    """From now on, or from `Last-Event-ID` on."""

    async def source(after: str | None) -> AsyncIterator[Sent]:
        async with aclosing(service.follow(scope, after, types or [])) as news:
            async for place, message in news:
                yield Sent(place, message.type, message.shape)

    return live.stream(source)
