"""What has become of a connection's calls: sums by hour, and a short log."""

from datetime import datetime
from typing import Annotated

from fastapi import Query
from starlette.responses import Response

from isthmus.features.connections.errors import ConnectionNotFound
from isthmus.features.connections.model.recording import Entry, Hour, Level
from isthmus.features.connections.routes.shapes import READ
from isthmus.features.connections.service import recording
from isthmus.http import Answer, Moment, PageDep, Routes, ScopeDep, document
from isthmus.kit.paging import Page

routes = Routes(prefix="/api/connections", tag="Connections")


class HourOut(Answer, frozen=True):
    """The calls of one hour; times in milliseconds, summed."""

    hour: datetime
    calls: int
    attempts: int
    failed: int
    throttled: int
    waited_ms: int
    duration_ms: int


class HourList(Answer, frozen=True):
    """The oldest hour first; hours without a call are left out."""

    items: list[HourOut]


class CallOut(Answer, frozen=True):
    """One call that failed, or that only worked when it was sent again."""

    id: str
    at: datetime
    level: Level
    method: str
    route: str
    status: int | None
    code: str
    message: str
    attempts: int
    duration_ms: int


class CallList(Answer, frozen=True):
    """The newest calls first."""

    items: list[CallOut]
    limit: int
    has_more: bool
    offset: int | None = None
    next_offset: int | None = None
    next_cursor: str | None = None


@routes.get(
    "/{id}/metrics",
    permission=READ,
    limit="connection",
    response_model=HourList,
    summary="The calls of a connection, by the hour",
    description="At most 31 days at once, by default the last day; kept for 90 days. The newest seconds may be "
    "missing.",
    errors=(ConnectionNotFound,),
)
async def list_hours(
    scope: ScopeDep,
    id: str,  # noqa: A002 - the name of the path parameter
    starts: Annotated[Moment | None, Query(alias="from", description="Included.")] = None,
    ends: Annotated[Moment | None, Query(alias="to", description="Not included.")] = None,
) -> Response:
    """How many calls there were and how they went."""
    return document(HourList([_hour(one) for one in await recording.hours(scope, id, starts, ends)]))


@routes.get(
    "/{id}/logs",
    permission=READ,
    limit="connection",
    response_model=CallList,
    summary="The calls of a connection that are worth a look",
    description="`warning`: failed; `error`: the platform has ended the grant; `info`: worked when it was sent again. "
    "The newest 200 are kept.",
    errors=(ConnectionNotFound,),
)
async def list_calls(
    scope: ScopeDep,
    paging: PageDep,
    id: str,  # noqa: A002 - as above
    level: Annotated[Level | None, Query()] = None,
) -> Response:
    """The log, the newest first."""
    page = await recording.calls(scope, id, level, paging.ask)
    return paging.listing("items", Page([_call(one) for one in page.items], page.next_after, has_more=page.has_more))


def _hour(one: Hour) -> HourOut:
    return HourOut(one.hour, one.calls, one.attempts, one.failed, one.throttled, one.waited_ms, one.duration_ms)


def _call(one: Entry) -> CallOut:
    return CallOut(
        id=one.id, at=one.at, level=one.level, method=one.method, route=one.route, status=one.status, code=one.code,
        message=one.message, attempts=one.attempts, duration_ms=one.duration_ms,
    )  # fmt: skip
