"""Records that full reads did not find, and the approval of their deletion."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import Query
from pydantic import Field
from starlette.responses import Response

from isthmus.features.sync import service
from isthmus.features.sync.errors import RunNotFound
from isthmus.features.sync.routes.runs import READ, TRIGGER, routes
from isthmus.http import Answer, PageDep, ScopeDep, Wire, document
from isthmus.kit.paging import Page


class SuspectOut(Answer, frozen=True, kw_only=True):
    """A record that a full read did not find; `waiting` ones need a decision."""

    id: str
    run_id: str
    connection_id: str
    provider: str
    entity: str
    external_id: str
    record_id: str
    state: str
    reason: str | None
    decided_by: str | None
    created_at: datetime
    decided_at: datetime | None


class SuspectList(Answer, frozen=True, kw_only=True):
    """A page of suspects."""

    items: list[SuspectOut]
    limit: int
    has_more: bool
    next_cursor: str | None = None


class Decide(Wire):
    """Which waiting deletions of a run, all by default, and what is to become of them."""

    run_id: str
    decision: Literal["approve", "reject"]
    ids: Annotated[list[str], Field(max_length=1_000)] | None = None


class Decided(Answer, frozen=True, kw_only=True):
    """How many were waiting."""

    count: int


@routes.get("/deletions", permission=READ, limit="other", response_model=SuspectList, summary="Missing records")
async def list_suspects(
    scope: ScopeDep,
    paging: PageDep,
    connection_id: Annotated[str | None, Query(alias="connectionId", max_length=64)] = None,
    state: Annotated[Literal["open", "waiting", "approved", "rejected", "deleted", "found"] | None, Query()] = None,
    run_id: Annotated[str | None, Query(alias="runId", max_length=64)] = None,
) -> Response:
    """What full reads did not find, newest first: absence alone deletes nothing."""
    page = await service.suspects(scope, paging.ask, connection_id=connection_id, state=state, run_id=run_id)
    items = [SuspectOut(**row) for row in page.items]
    return paging.listing("items", Page(items, page.next_after, None, page.has_more))


@routes.post(
    "/deletions/decide",
    permission=TRIGGER,
    limit="other",
    response_model=Decided,
    summary="Approve or reject deletions",
    errors=(RunNotFound,),
)
async def decide(scope: ScopeDep, body: Decide) -> Response:
    """Approved ones are asked for at the platform once more, where it can be asked, and then marked as deleted."""
    return document(
        Decided(count=await service.decide(scope, body.run_id, body.ids, approve=body.decision == "approve"))
    )
