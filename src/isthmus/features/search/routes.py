"""Document 002's Search Endpoints."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

import msgspec
from fastapi import Depends, Query
from pydantic import Field, StringConstraints
from starlette.responses import Response

from isthmus.features import connections
from isthmus.features.search.errors import NothingAsked, ResultsGone, SearchDisabled
from isthmus.features.search.model import Asked, Hit, Origin, part
from isthmus.features.search.service import paging
from isthmus.features.search.service import searching as service
from isthmus.features.search.service.searching import Missed, Results
from isthmus.http import Answer, BadCursor, Cursors, CursorsDep, Moment, Routes, ScopeDep, Wire, document
from isthmus.kit.errors import Invalid
from isthmus.kit.permissions import SUPER_ADMIN, TENANT_ADMIN, USER, permission
from isthmus.scope import Scope

USE = permission("search:use", "Search the connected integrations.", SUPER_ADMIN, TENANT_ADMIN, USER)

routes = Routes(prefix="/api/integrations", tag="Search")

Words = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=100)]
Names = Annotated[list[Name], Field(max_length=100)]
Limit = Annotated[int, Field(ge=1, le=100)]
Offset = Annotated[int, Field(ge=0, le=1_000)]
_LIMIT = 10


class DateRange(Wire):
    """When a record was changed, by the far side's clock; `end` is not in it."""

    start: Moment | None = None
    end: Moment | None = None


class Narrowed(Wire):
    """Which records are meant."""

    date_range: DateRange = DateRange()
    entity_types: Names = Field(default_factory=list)
    #: `provider`, and what the connectors that search live know beside it.
    custom_filters: dict[Name, str | int | float | bool] = Field(default_factory=dict, max_length=20)


class SearchIn(Wire):
    """A search over all integrations. `cursor` goes on with the results of the same search, as they were then."""

    query: Words
    integrations: Names = Field(default_factory=list)
    entities: Names = Field(default_factory=list)
    filters: Narrowed = Narrowed()
    limit: Limit = _LIMIT
    offset: Offset = 0
    user_id: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = Field(None, examples=[None])
    cursor: Annotated[str, StringConstraints(min_length=1, max_length=2048)] | None = Field(None, examples=[None])

    def asked(self) -> Asked:
        """What is looked for."""
        window = self.filters.date_range
        since, until = window.start, window.end
        if since is not None and until is not None and since >= until:
            raise Invalid.field(
                "filters.dateRange.end", "The end comes after the start; it is not in the range itself."
            )
        return Asked(
            query=self.query,
            integrations=tuple(dict.fromkeys(self.integrations)),
            entities=tuple(dict.fromkeys((*self.entities, *self.filters.entity_types))),
            since=since,
            until=until,
            custom={name: str(value) for name, value in self.filters.custom_filters.items()},
        )


class HitOut(Answer, frozen=True, kw_only=True):
    """One record that was found; `score` is comparable within one answer, from 0 to 1."""

    id: str
    integration_id: str
    integration_name: str
    provider: str
    entity: str
    external_id: str
    title: str
    snippet: str
    url: str | msgspec.UnsetType = msgspec.UNSET
    score: float
    updated_at: datetime | msgspec.UnsetType = msgspec.UNSET
    source: Origin


class MissedOut(Answer, frozen=True, kw_only=True):
    """An integration whose own answer is missing; what was synced of it may stand in, as `source: cache`."""

    integration_id: str
    integration_name: str
    code: str
    message: str


class ResultsOut(Answer, frozen=True, kw_only=True):
    """What was found, the best first; `took` is in milliseconds."""

    results: list[HitOut]
    total: int
    took: int
    limit: int
    offset: int
    has_more: bool
    next_offset: int | msgspec.UnsetType = msgspec.UNSET
    next_cursor: str | msgspec.UnsetType = msgspec.UNSET
    missed: list[MissedOut]


class GlobalResultsOut(ResultsOut, frozen=True, kw_only=True):
    """The same, also grouped by integration and by entity."""

    by_integration: dict[str, list[HitOut]]
    by_entity: dict[str, list[HitOut]]


@routes.post(
    "/search",
    permission=USE,
    limit="search",
    heavy="search",
    response_model=GlobalResultsOut,
    summary="Search all connected integrations at once",
    description="Far sides that can search are asked at once, the others' synced records are looked through. One that "
    "is slow or fails costs its own results only and is named in `missed`. `limit` and `offset` count for each "
    "integration.",
    errors=(NothingAsked, ResultsGone, connections.UserScopeDenied, BadCursor),
)
async def search_all(scope: ScopeDep, cursors: CursorsDep, body: SearchIn) -> Response:
    """Search everything that the caller may use."""
    asked = body.asked()
    binding = _binding(scope, "all", asked, body.limit)
    if body.cursor is None:
        results, place = await service.search(scope, asked, user_id=body.user_id), ("", body.offset)
    else:
        results, place = await _again(scope, cursors, body.cursor, body.offset, binding, asked)
    fields = await _page(scope, cursors, results, place, binding, body.limit)
    shown: list[HitOut] = fields["results"]
    by_integration, by_entity = _grouped(shown)
    return document(GlobalResultsOut(**fields, by_integration=by_integration, by_entity=by_entity))


async def _one_asked(
    query: Annotated[str, Query(min_length=1, max_length=200, description="What to look for.")],
    entities: Annotated[list[Name] | None, Query(max_length=100, description="Entities, or types of records.")] = None,
) -> Asked:
    return Asked(query=query, entities=tuple(dict.fromkeys(entities or ())))


OneAsked = Annotated[Asked, Depends(_one_asked)]


@routes.get(
    "/{id}/search",
    permission=USE,
    limit="search",
    heavy="search",
    response_model=ResultsOut,
    summary="Search one integration",
    errors=(
        connections.IntegrationNotFound,
        connections.IntegrationDisabled,
        connections.UserScopeDenied,
        connections.PersonRequired,
        connections.NotForYou,
        SearchDisabled,
        NothingAsked,
        ResultsGone,
    ),
)
async def search_one(
    scope: ScopeDep,
    cursors: CursorsDep,
    id: str,  # noqa: A002 - the path's name
    asked: OneAsked,
    limit: Annotated[int, Query(ge=1, le=100, description="Most results of the page.")] = _LIMIT,
    offset: Annotated[int, Query(ge=0, le=1_000, description="Results to skip; not together with a cursor.")] = 0,
    user_id: Annotated[
        str | None, Query(alias="userId", min_length=1, max_length=200, description="Your own id, where you say it.")
    ] = None,
    cursor: Annotated[
        str | None, Query(max_length=2048, description="`nextCursor` of the page before, with the same query.")
    ] = None,
) -> Response:
    """Search one integration."""
    binding = _binding(scope, id, asked, limit)
    if cursor is None:
        results, place = await service.search_one(scope, id, asked, user_id=user_id), ("", offset)
    else:
        await connections.use(scope, id, user_id=user_id)
        results, place = await _again(scope, cursors, cursor, offset, binding, asked)
    return document(ResultsOut(**await _page(scope, cursors, results, place, binding, limit)))


def _binding(scope: Scope, where: str, asked: Asked, limit: int) -> Sequence[str]:
    about = msgspec.json.encode(asked).decode()
    return scope.tenant_id, "search", where, scope.principal.id, about, str(limit)


async def _again(
    scope: Scope, cursors: Cursors, cursor: str, given: int, binding: Sequence[str], asked: Asked
) -> tuple[Results, tuple[str, int]]:
    if given:
        raise Invalid.field("offset", "Give either a cursor or an offset.")
    began = scope.clock.monotonic()
    id_, _, offset = cursors.open(cursor, binding).partition("+")
    hits = await service.still(scope, asked, await paging.kept(scope, id_))
    return Results(hits, (), round((scope.clock.monotonic() - began) * 1000)), (id_, int(offset))


async def _page(
    scope: Scope, cursors: Cursors, results: Results, place: tuple[str, int], binding: Sequence[str], limit: int
) -> dict[str, Any]:
    id_, offset = place
    page = part(results.hits, offset, limit)
    more: dict[str, Any] = {}
    if page.has_more:
        kept = id_ or await paging.keep(scope, results)
        more = {"next_offset": offset + limit, "next_cursor": cursors.seal(f"{kept}+{offset + limit}", binding)}
    return {
        "results": [_hit(one) for one in page.hits],
        "total": page.total,
        "took": results.took_ms,
        "limit": limit,
        "offset": offset,
        "has_more": page.has_more,
        "missed": [_missed(one) for one in results.missed],
        **more,
    }


def _hit(one: Hit) -> HitOut:
    return HitOut(
        id=one.id,
        integration_id=one.integration_id,
        integration_name=one.integration_name,
        provider=one.provider,
        entity=one.entity,
        external_id=one.external_id,
        title=one.title,
        snippet=one.snippet,
        url=one.url or msgspec.UNSET,
        score=one.score,
        updated_at=one.updated_at or msgspec.UNSET,
        source=one.source,
    )


def _missed(one: Missed) -> MissedOut:
    return MissedOut(integration_id=one.integration_id, integration_name=one.name, code=one.code, message=one.message)


def _grouped(hits: Sequence[HitOut]) -> tuple[dict[str, list[HitOut]], dict[str, list[HitOut]]]:
    by_integration: dict[str, list[HitOut]] = {}
    by_entity: dict[str, list[HitOut]] = {}
    for hit in hits:
        by_integration.setdefault(hit.integration_id, []).append(hit)
        by_entity.setdefault(hit.entity, []).append(hit)
    return by_integration, by_entity
