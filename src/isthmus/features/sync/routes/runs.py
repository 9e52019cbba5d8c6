"""Sync runs over HTTP: trigger, cancel, look, and live progress."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

from fastapi import Query
from pydantic import Field
from starlette.responses import Response

from isthmus.features import records
from isthmus.features.catalog import PlanRequired
from isthmus.features.connections import ConnectionNotFound, ConnectionPending
from isthmus.features.sync import service
from isthmus.features.sync.errors import (
    NothingToRetry,
    NotReadable,
    NotResumable,
    RunEnded,
    RunInProgress,
    RunNotFound,
    TooManyRuns,
)
from isthmus.features.sync.model import Mode, Run, State, pace
from isthmus.features.sync.service import Extent, RunFilter, Status
from isthmus.http import Answer, LiveDep, Moment, PageDep, Routes, ScopeDep, Sent, Wire, accepted, document
from isthmus.kit.errors import Invalid
from isthmus.kit.paging import Page
from isthmus.kit.permissions import SUPER_ADMIN, TENANT_ADMIN, USER, permission
from isthmus.scope import Scope

READ = permission("sync:read", "See sync runs and their progress", SUPER_ADMIN, TENANT_ADMIN, USER)
TRIGGER = permission("sync:trigger", "Start and cancel sync runs", SUPER_ADMIN, TENANT_ADMIN)
routes = Routes(prefix="/api/sync", tag="Sync")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
#: What keeps a run from beginning, whoever begins it.
_BEGUN = (PlanRequired, TooManyRuns, records.StoreFull, NotReadable)


class StartEntity(Wire):
    """Which connection to read, and how much of it."""

    connection_id: str
    mode: Literal["full", "incremental"] = "incremental"
    since: Annotated[Moment | None, Field(description="Read what changed from then on.")] = None
    dry_run: Annotated[bool, Field(description="Write nothing; list what would be written.")] = False


class StartSync(Wire):
    """Which connection to read, which of its entities (all that it offers by default), and how much of them."""

    connection_id: str
    mode: Literal["full", "incremental"] = "incremental"
    entities: Annotated[list[str], Field(max_length=20)] | None = None
    since: Annotated[Moment | None, Field(description="Read what changed from then on.")] = None
    dry_run: Annotated[bool, Field(description="Write nothing; list what would be written.")] = False


class RefreshRecord(Wire):
    """Which record to read anew, by the platform's own id."""

    connection_id: str
    entity: str
    external_id: Annotated[str, Field(min_length=1, max_length=200)]


class RunError(Answer, frozen=True, kw_only=True):
    """Why a run ended, or what it is waiting to get over."""

    code: str
    message: str | None


class RunOut(Answer, frozen=True, kw_only=True):
    """A run. `records` counts what the platform sent, `total` what it says there is; `failed` could not be kept.

    A full read with `judgedBefore` proves the reads before it: the drift counts what they had missed until then.
    """

    id: str
    connection_id: str
    provider: str
    entity: str
    mode: str
    state: str
    since: datetime | None
    until: datetime
    total: int | None
    pages: int
    records: int
    listings: int
    variants: int
    created: int
    updated: int
    unchanged: int
    failed: int
    retries: int
    throttled: int
    waited_ms: int
    waiting_until: datetime | None
    waiting_reason: str | None
    attempts: int
    error: RunError | None
    requested_by: str
    per_second: float | None
    eta_seconds: float | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    changed_at: datetime
    dry_run: bool
    retry_of: str | None
    judged_before: datetime | None
    drift_created: int
    drift_updated: int
    drift_missing: int


class RunList(Answer, frozen=True, kw_only=True):
    """A page of runs."""

    items: list[RunOut]
    limit: int
    has_more: bool
    next_cursor: str | None = None


class StartedOut(Answer, frozen=True, kw_only=True):
    """The runs of a connection that now wait or are under way."""

    items: list[RunOut]


class StatusOut(Answer, frozen=True, kw_only=True):
    """How a connection stands: its newest run, how far it has been read, and when it is read next."""

    connection_id: str
    entity: str
    last_run: RunOut
    watermark: datetime | None
    last_completed_at: datetime | None
    next_run_at: datetime | None


class StatusList(Answer, frozen=True, kw_only=True):
    """The connections that were ever read."""

    items: list[StatusOut]


@routes.post(
    "/products",
    permission=TRIGGER,
    limit="other",
    response_model=RunOut,
    summary="Read a connection's listings",
    status=202,
    errors=(ConnectionNotFound, ConnectionPending, RunInProgress, *_BEGUN),
)
async def start_products(scope: ScopeDep, body: StartEntity) -> Response:
    """Answers the queued run; 409 with the run that is under way where there is one."""
    run = await _start(scope, body, service.PRODUCTS)
    return accepted(_out(scope, run))


@routes.post(
    "/orders",
    permission=TRIGGER,
    limit="other",
    response_model=RunOut,
    summary="Read a connection's orders",
    status=202,
    errors=(ConnectionNotFound, ConnectionPending, RunInProgress, *_BEGUN),
)
async def start_orders(scope: ScopeDep, body: StartEntity) -> Response:
    """As for products."""
    run = await _start(scope, body, service.ORDERS)
    return accepted(_out(scope, run))


@routes.post(
    "",
    permission=TRIGGER,
    limit="other",
    response_model=StartedOut,
    summary="Read a connection",
    status=202,
    errors=(ConnectionNotFound, ConnectionPending, *_BEGUN),
)
async def start_all(scope: ScopeDep, body: StartSync) -> Response:
    """One run for each entity; one that is under way already is answered as it stands."""
    extent = Extent(Mode(body.mode), body.since, body.dry_run)
    runs = await service.start_all(scope, body.connection_id, body.entities, extent)
    return accepted(StartedOut(items=[_out(scope, run) for run in runs]))


@routes.post(
    "/refresh",
    permission=TRIGGER,
    limit="other",
    response_model=None,
    summary="Read one record anew",
    status=202,
    errors=(ConnectionNotFound, ConnectionPending, PlanRequired, NotReadable),
)
async def refresh_record(scope: ScopeDep, body: RefreshRecord) -> Response:
    """The record is read soon; what it holds then shows in its list, and a failure as `sync.refresh_failed`."""
    await service.refresh(scope, body.connection_id, body.entity, body.external_id)
    return Response(status_code=202)


@routes.post(
    "/{run_id}/cancel",
    permission=TRIGGER,
    limit="other",
    response_model=RunOut,
    summary="Stop a run",
    status=202,
    errors=(RunNotFound, RunEnded),
)
async def cancel_run(scope: ScopeDep, run_id: str) -> Response:
    """What was read stays; a later run begins where the last completed one ended."""
    return accepted(_out(scope, await service.cancel(scope, run_id)))


@routes.post(
    "/{run_id}/resume",
    permission=TRIGGER,
    limit="other",
    response_model=RunOut,
    summary="Let a run go on",
    status=202,
    errors=(
        RunNotFound,
        NotResumable,
        ConnectionNotFound,
        ConnectionPending,
        RunInProgress,
        *_BEGUN,
    ),
)
async def resume_run(scope: ScopeDep, run_id: str) -> Response:
    """One that failed, was parked or was stopped goes on behind the last page that it wrote."""
    return accepted(_out(scope, await service.resume(scope, run_id)))


@routes.post(
    "/{run_id}/retry",
    permission=TRIGGER,
    limit="other",
    response_model=RunOut,
    summary="Read a run's failed records again",
    status=202,
    errors=(RunNotFound, NothingToRetry, RunInProgress, *_BEGUN),
)
async def retry_run(scope: ScopeDep, run_id: str) -> Response:
    """One run that asks the platform for each of them by its id."""
    return accepted(_out(scope, await service.retry(scope, run_id)))


@routes.get("/runs", permission=READ, limit="other", response_model=RunList, summary="Runs, newest first")
async def list_runs(
    scope: ScopeDep,
    paging: PageDep,
    connection_id: Annotated[str | None, Query(alias="connectionId", max_length=64)] = None,
    state: Annotated[State | None, Query()] = None,
    entity: Annotated[str | None, Query(max_length=64)] = None,
    asked_from: Annotated[Moment | None, Query(alias="from")] = None,
    asked_to: Annotated[Moment | None, Query(alias="to")] = None,
) -> Response:
    """All runs, or those of one connection, state, entity, or time of asking."""
    page = await service.runs(scope, RunFilter(connection_id, state, entity, asked_from, asked_to), paging.ask)
    return paging.listing("items", Page([_out(scope, run) for run in page.items], page.next_after, None, page.has_more))


@routes.get(
    "/runs/{run_id}", permission=READ, limit="other", response_model=RunOut, summary="One run", errors=(RunNotFound,)
)
async def get_run(scope: ScopeDep, run_id: str) -> Response:
    """The run with its counters, its pace and what it waits for."""
    return document(_out(scope, await service.run(scope, run_id)))


@routes.get("/status", permission=READ, limit="other", response_model=StatusList, summary="How each connection stands")
async def get_status(
    scope: ScopeDep, connection_id: Annotated[str | None, Query(alias="connectionId", max_length=64)] = None
) -> Response:
    """The newest run of each connection; `nextRunAt` is empty while nothing is scheduled."""
    found = await service.status(scope, connection_id)
    times = await service.next_times(scope)
    return document(StatusList(items=[_status(scope, one, times) for one in found]))


@routes.get(
    "/stream",
    permission=READ,
    limit="other",
    response_model=None,
    summary="Progress of every run and upload, live",
    stream=True,
)
async def stream(scope: ScopeDep, live: LiveDep) -> Response:
    """Events named `run` and `upload`, each with it as it stands; `Last-Event-ID` goes on where a reader left.

    Uploads are told to those who may see them, with how much of the file is done, rows a second, and the seconds left.
    """

    async def source(after: str | None) -> AsyncIterator[Sent]:
        async with aclosing(service.news(scope, _moment(after))) as news:
            async for one in news:
                named = ("run", _out(scope, one)) if isinstance(one, Run) else (one.kind, one.shown)
                yield Sent(str((one.changed_at - _EPOCH) // _MICROSECOND), *named)

    return live.stream(source)


async def _start(scope: Scope, body: StartEntity, entity: str) -> Run:
    mode = Mode(body.mode)
    return await service.start(
        scope, body.connection_id, entity=entity, mode=mode, since=body.since, dry_run=body.dry_run
    )


def _moment(event_id: str | None) -> datetime | None:
    if event_id is None:
        return None
    if not (event_id.isascii() and event_id.isdecimal() and len(event_id) <= 16):
        raise Invalid.field("Last-Event-ID", "This is not an id of this stream.")
    return _EPOCH + int(event_id) * _MICROSECOND


def _out(scope: Scope, run: Run) -> RunOut:
    speed = pace(run, scope.now)
    same = {name: getattr(run, name) for name in RunOut.__struct_fields__ if hasattr(run, name)}
    error = RunError(code=run.error_code, message=run.error_message) if run.error_code else None
    return RunOut(**same, error=error, per_second=speed.per_second, eta_seconds=speed.eta_seconds)


def _status(scope: Scope, one: Status, times: service.Times) -> StatusOut:
    return StatusOut(
        connection_id=one.connection_id,
        entity=one.entity,
        last_run=_out(scope, one.run),
        watermark=one.watermark,
        last_completed_at=one.completed_at,
        next_run_at=times.get((one.connection_id, one.entity)),
    )
