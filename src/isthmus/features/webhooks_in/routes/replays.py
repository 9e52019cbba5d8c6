"""Replays over HTTP: counted, begun, looked at, stopped."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from starlette.responses import Response

from isthmus.features.webhooks_in.errors import ReplayNotFound, TooManyReplays
from isthmus.features.webhooks_in.routes.shapes import MANAGE, READ, check_body
from isthmus.features.webhooks_in.service import replaying
from isthmus.features.webhooks_in.service.looking import Filters
from isthmus.http import Answer, Moment, PageDep, Routes, ScopeDep, Wire, accepted, document
from isthmus.kit.errors import Invalid
from isthmus.kit.paging import Page

routes: Routes = Routes(prefix="/api/webhooks/replay", tag="Webhooks in")


class Replay(Wire):
    """Which deliveries to work off once more; with `plan` they are only counted.

    Those that had nowhere to go, of the state `unrouted`, are taken only where they are asked for, and routed anew.
    """

    since: Moment
    until: Moment | None = None
    source_id: str | None = None
    connection_id: str | None = None
    provider: str | None = None
    event: str | None = None
    state: Literal["done", "ignored", "dead", "unrouted"] | None = None
    topic: str | None = None
    object: str | None = None
    account: str | None = None
    body_path: str | None = None
    body_value: str | None = None
    plan: bool = False


class ReplayedOut(Answer, frozen=True, kw_only=True):
    """What a replay takes: what was asked for."""

    since: datetime
    until: datetime
    source_id: str | None = None
    connection_id: str | None = None
    provider: str | None = None
    event: str | None = None
    state: str | None = None
    topic: str | None = None
    object: str | None = None
    account: str | None = None
    body_path: str | None = None
    body_value: str | None = None


class ReplayOut(Answer, frozen=True, kw_only=True):
    """How far a replay is. `state` is `planned`, `running`, `done` or `cancelled`; not `exact`: at least `total`."""

    id: str | None
    state: str
    total: int
    done: int
    exact: bool = True
    wanted: ReplayedOut | None = None
    requested_by: str | None = None
    created_at: datetime | None = None
    done_at: datetime | None = None


class ReplayList(Answer, frozen=True, kw_only=True):
    """A page of replays."""

    items: list[ReplayOut]
    limit: int
    has_more: bool
    next_cursor: str | None = None


@routes.get("", permission=READ, limit="other", response_model=ReplayList, summary="The replays")
async def list_replays(scope: ScopeDep, paging: PageDep) -> Response:
    """Newest first, with what each was to take."""
    page = await replaying.replays(scope, paging.ask)
    return paging.listing("items", Page([_out(row) for row in page.items], page.next_after, has_more=page.has_more))


@routes.post(
    "",
    permission=MANAGE,
    limit="other",
    heavy="plan",
    response_model=ReplayOut,
    status=202,
    errors=(TooManyReplays,),
    summary="Count, or work off once more, what fits a filter",
)
async def begin_replay(scope: ScopeDep, body: Replay) -> Response:
    """With `plan` nothing is done; without it the replay goes on by itself, behind what comes in meanwhile.

    Counting ends after two seconds: where `exact` is false, there are at least `total`.
    """
    check_body(body.body_path, body.body_value)
    until = body.until or scope.now
    if until < body.since:
        raise Invalid.field("until", "The end lies before the beginning.")
    filters = Filters(
        since=body.since,
        until=until,
        source_id=body.source_id,
        connection_id=body.connection_id,
        provider=body.provider,
        event=body.event,
        state=body.state,
        topic=body.topic,
        object=body.object,
        account=body.account,
        body_path=body.body_path,
        body_value=body.body_value,
    )
    if body.plan:
        total, exact = await replaying.plan(scope, filters)
        return accepted(ReplayOut(id=None, state="planned", total=total, exact=exact, done=0))
    return accepted(_out(await replaying.begin(scope, filters)))


@routes.get(
    "/{replay_id}",
    permission=READ,
    limit="other",
    response_model=ReplayOut,
    summary="How far a replay is",
    errors=(ReplayNotFound,),
)
async def get_replay(scope: ScopeDep, replay_id: str) -> Response:
    """Done counts what has been handed out."""
    return document(_out(await replaying.replay(scope, replay_id)))


@routes.post(
    "/{replay_id}/cancel",
    permission=MANAGE,
    limit="other",
    response_model=ReplayOut,
    summary="Stop a replay",
    errors=(ReplayNotFound,),
)
async def cancel_replay(scope: ScopeDep, replay_id: str) -> Response:
    """What it has handed out already is worked off."""
    return document(_out(await replaying.cancel(scope, replay_id)))


def _out(row: Mapping[str, Any]) -> ReplayOut:
    names = ("id", "state", "total", "exact", "done", "requested_by", "created_at", "done_at")
    return ReplayOut(**{name: row[name] for name in names}, wanted=ReplayedOut(**replaying.wanted(row)))
