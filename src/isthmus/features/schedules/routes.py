"""`/api/config`: how each connection is read, and when."""

from collections.abc import Sequence
from datetime import datetime, time, timedelta
from typing import Annotated, Any, Literal

from pydantic import Field
from starlette.responses import Response

from isthmus.features.catalog import PlanRequired
from isthmus.features.connections import ConnectionNotFound, IntegrationChangedMeanwhile
from isthmus.features.schedules import service
from isthmus.features.schedules.errors import (
    ScheduleNotFound,
    SchedulesChangedMeanwhile,
    TooManySchedules,
    WrongSchedule,
)
from isthmus.features.schedules.model import Rest, Rule, Schedule, etag_of
from isthmus.features.schedules.service import Wish
from isthmus.features.sync import NotReadable
from isthmus.http import Answer, Routes, ScopeDep, Wire, document
from isthmus.kit.permissions import SUPER_ADMIN, TENANT_ADMIN, USER, permission

READ = permission("config:read", "See how connections are read, and when", SUPER_ADMIN, TENANT_ADMIN, USER)
MANAGE = permission("config:manage", "Set, pause and resume schedules", TENANT_ADMIN)
routes = Routes(prefix="/api/config", tag="Configuration")
_TIME = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"


class Hours(Wire):
    """Hours of rest by the zone's clock; over midnight where the end comes first."""

    start: Annotated[str, Field(pattern=_TIME)]
    end: Annotated[str, Field(pattern=_TIME)]


class ScheduleIn(Wire):
    """When one entity is read: every so many seconds, or by cron; `full` reads everything, to reconcile."""

    entity: Annotated[str, Field(min_length=1, max_length=100)]
    mode: Literal["incremental", "full"] = "incremental"
    every_seconds: Annotated[int, Field(ge=60, le=2_678_400)] | None = None
    cron: Annotated[str, Field(max_length=100)] | None = None
    time_zone: Annotated[str, Field(max_length=64)] = "UTC"
    jitter_seconds: Annotated[int, Field(ge=0, le=21_600)] = 60
    blackout: Annotated[list[Hours], Field(max_length=10, default_factory=list)]


class NamedScheduleIn(ScheduleIn):
    """A schedule, and the connection that it is of."""

    connection_id: Annotated[str, Field(min_length=1, max_length=64)]


class AllConfigIn(Wire):
    """Schedules of several connections."""

    schedules: Annotated[list[NamedScheduleIn], Field(min_length=1, max_length=500)]


class ConfigIn(Wire):
    """The whole of a connection's schedules; an empty list stops reading by itself."""

    schedules: Annotated[list[ScheduleIn], Field(max_length=50)]


class OptionsIn(Wire):
    """What is chosen of a marketplace's own options, by their names; it replaces what was chosen before."""

    options: Annotated[dict[str, str | bool | int], Field(max_length=100)]


class Which(Wire):
    """Which entity; all of the connection's when left out."""

    entity: str | None = None


class HoursOut(Answer, frozen=True, kw_only=True):
    """Hours of rest."""

    start: str
    end: str


class ScheduleOut(Answer, frozen=True, kw_only=True):
    """A schedule; `parked` waits until the connection can be signed in to again, for the `reason`."""

    id: str
    connection_id: str
    entity: str
    mode: str
    every_seconds: int | None
    cron: str | None
    time_zone: str
    jitter_seconds: int
    blackout: list[HoursOut]
    state: str
    reason: str | None
    next_at: datetime | None
    last_at: datetime | None
    last_run_id: str | None
    version: int


class SchedulesOut(Answer, frozen=True, kw_only=True):
    """Schedules by connection and entity."""

    schedules: list[ScheduleOut]
    etag: str


class OptionOut(Answer, frozen=True, kw_only=True):
    """An option that a marketplace knows."""

    name: str
    label: str
    help: str
    required: bool
    pattern: str


class OptionsOut(Answer, frozen=True, kw_only=True):
    """A marketplace's own options for a connection, and what was chosen of them; both empty where it has none."""

    fields: list[OptionOut]
    options: dict[str, Any]
    etag: str


@routes.get("", permission=READ, limit="other", response_model=SchedulesOut, summary="All schedules")
async def get_all(scope: ScopeDep) -> Response:
    """Of every connection of the tenant."""
    return document(_config(await service.schedules(scope)))


@routes.put(
    "",
    permission=MANAGE,
    limit="other",
    response_model=SchedulesOut,
    summary="Set the schedules of several connections",
    errors=(ConnectionNotFound, NotReadable, WrongSchedule, TooManySchedules, PlanRequired),
    if_changed=SchedulesChangedMeanwhile,
)
async def put_all(scope: ScopeDep, body: AllConfigIn) -> Response:
    """Replaces those of each connection that is named, all or none; the others keep theirs. Answers all schedules."""
    wanted: dict[str, list[Wish]] = {}
    for one in body.schedules:
        wanted.setdefault(one.connection_id, []).append(Wish(one.entity, _rule(one), one.mode))
    return document(_config(await service.set_many(scope, wanted)))


@routes.get(
    "/{connection_id}",
    permission=READ,
    limit="other",
    response_model=SchedulesOut,
    summary="A connection's schedules",
    errors=(ConnectionNotFound,),
)
async def get_one(scope: ScopeDep, connection_id: str) -> Response:
    """When each of its entities is read."""
    return document(_config(await service.schedules(scope, connection_id)))


@routes.put(
    "/{connection_id}",
    permission=MANAGE,
    limit="other",
    response_model=SchedulesOut,
    summary="Set a connection's schedules",
    errors=(ConnectionNotFound, NotReadable, WrongSchedule, TooManySchedules, PlanRequired),
    if_changed=SchedulesChangedMeanwhile,
)
async def put_one(scope: ScopeDep, connection_id: str, body: ConfigIn) -> Response:
    """Replaces them all; those that stay the same keep their times."""
    wishes = [Wish(one.entity, _rule(one), one.mode) for one in body.schedules]
    return document(_config(await service.set_schedules(scope, connection_id, wishes)))


@routes.get(
    "/{connection_id}/options",
    permission=READ,
    limit="other",
    response_model=OptionsOut,
    summary="A connection's marketplace options",
    errors=(ConnectionNotFound,),
)
async def get_options(scope: ScopeDep, connection_id: str) -> Response:
    """What the marketplace lets a shop choose, as its manifest says, and what was chosen."""
    return document(_options(await service.options(scope, connection_id)))


@routes.put(
    "/{connection_id}/options",
    permission=MANAGE,
    limit="other",
    response_model=OptionsOut,
    summary="Choose marketplace options",
    errors=(ConnectionNotFound,),
    if_changed=IntegrationChangedMeanwhile,
)
async def put_options(scope: ScopeDep, connection_id: str, body: OptionsIn) -> Response:
    """They hold for every connection of the same integration."""
    return document(_options(await service.choose(scope, connection_id, body.options)))


@routes.post(
    "/{connection_id}/pause",
    permission=MANAGE,
    limit="other",
    response_model=SchedulesOut,
    summary="Pause schedules",
    errors=(ConnectionNotFound, ScheduleNotFound),
)
async def pause(scope: ScopeDep, connection_id: str, body: Which) -> Response:
    """Nothing is started by itself until they are resumed; runs that live go on."""
    return document(_config(await service.pause(scope, connection_id, body.entity)))


@routes.post(
    "/{connection_id}/resume",
    permission=MANAGE,
    limit="other",
    response_model=SchedulesOut,
    summary="Resume schedules",
    errors=(ConnectionNotFound, ScheduleNotFound, PlanRequired),
)
async def resume(scope: ScopeDep, connection_id: str, body: Which) -> Response:
    """What came due meanwhile is started once."""
    return document(_config(await service.resume(scope, connection_id, body.entity)))


def _rule(given: ScheduleIn) -> Rule:
    return Rule(
        every=None if given.every_seconds is None else timedelta(seconds=given.every_seconds),
        cron=given.cron,
        zone=given.time_zone,
        jitter=timedelta(seconds=given.jitter_seconds),
        rests=tuple(Rest(time.fromisoformat(one.start), time.fromisoformat(one.end)) for one in given.blackout),
    )


def _options(known: service.Options) -> OptionsOut:
    fields = [
        OptionOut(name=one.name, label=one.label, help=one.help, required=one.required, pattern=one.pattern)
        for one in known.fields
    ]
    return OptionsOut(fields=fields, options=dict(known.chosen), etag=known.etag)


def _config(known: Sequence[Schedule]) -> SchedulesOut:
    return SchedulesOut(schedules=[_out(one) for one in known], etag=etag_of(known))


def _out(one: Schedule) -> ScheduleOut:
    rule = one.rule
    return ScheduleOut(
        id=one.id,
        connection_id=one.connection_id,
        entity=one.entity,
        mode=one.mode,
        every_seconds=None if rule.every is None else int(rule.every.total_seconds()),
        cron=rule.cron,
        time_zone=rule.zone,
        jitter_seconds=int(rule.jitter.total_seconds()),
        blackout=[
            HoursOut(start=rest.start.isoformat("minutes"), end=rest.end.isoformat("minutes")) for rest in rule.rests
        ],
        state=one.state,
        reason=one.reason,
        next_at=one.next_at,
        last_at=one.last_at,
        last_run_id=one.last_run_id,
        version=one.version,
    )
