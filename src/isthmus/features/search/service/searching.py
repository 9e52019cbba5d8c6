"""One search over everything that its caller may use: far sides at once with the index, ranked together.

The index is asked about every connection in one statement while the far sides are: where one of them fails, what was
synced of it stands in, marked as such (security.md PR-21); where one answers, of those entities alone of which it found
nothing, because it may not search them.
"""

import asyncio
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from isthmus.connect.spi import FoundRecord, Searcher, SearchFor
from isthmus.features import catalog, connections
from isthmus.features.connections import Reach
from isthmus.features.search import model
from isthmus.features.search.errors import NothingAsked, SearchDisabled
from isthmus.features.search.model import Asked, Hit, Origin
from isthmus.features.search.service import live
from isthmus.features.search.service.live import Failed
from isthmus.features.search.settings import Settings
from isthmus.features.search.store import find as store
from isthmus.features.search.store.find import Look
from isthmus.scope import Scope

_UNKNOWN = Failed("INTEGRATION_NOT_FOUND", "There is no such integration, or nothing of it can be searched by you.")
_UNCONNECTED = Failed(
    "INTEGRATION_NOT_CONNECTED", "The integration has no connection that you can use, so there is nothing to search."
)
_FILTER = Failed("FILTER_UNKNOWN", "This integration does not know one of the custom filters, and was left out.")
_INDEX_LATE = Failed("TIMEOUT", "The synced records could not be searched in time.")
#: A custom filter that everybody knows.
_PROVIDER = "provider"


@dataclass(frozen=True, slots=True)
class Missed:
    """An integration whose own results are missing or stale, and why."""

    integration_id: str
    name: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Results:
    """Everything that was found, the best first, and who did not answer."""

    hits: Sequence[Hit]
    missed: Sequence[Missed]
    took_ms: int


@dataclass(frozen=True, slots=True)
class _Place:
    """One connection that is searched, and what of it."""

    reach: Reach
    entities: tuple[str, ...]


async def search(scope: Scope, asked: Asked, *, user_id: str | None = None) -> Results:
    """Search everything that this caller may use, in at most the configured deadline.

    Raises NothingAsked, and UserScopeDenied where `user_id` is somebody else.
    """
    if user_id is not None and user_id != scope.principal.subject:
        raise connections.UserScopeDenied
    started = scope.clock.monotonic()
    _check(asked)
    every = await connections.reach(scope)
    chosen = [one for one in every if one.search_enabled and _is_wanted(one, asked)]
    known = {one.integration_id for one in chosen}
    missed = [Missed(id_, "", _UNKNOWN.code, _UNKNOWN.message) for id_ in asked.integrations if id_ not in known]
    return await _search(scope, asked, chosen, missed, started)


async def search_one(scope: Scope, integration_id: str, asked: Asked, *, user_id: str | None = None) -> Results:
    """Search one integration. Raises NothingAsked, what `connections.use` raises, and SearchDisabled."""
    started = scope.clock.monotonic()
    used = await connections.use(scope, integration_id, user_id=user_id)
    _check(asked)
    if not used.integration.search_enabled:
        raise SearchDisabled
    every = await connections.reach(scope)
    chosen = [one for one in every if one.integration_id == integration_id and _is_wanted(one, asked)]
    name = used.integration.name
    alone = [] if used.connection else [Missed(integration_id, name, _UNCONNECTED.code, _UNCONNECTED.message)]
    return await _search(scope, asked, chosen, alone, started)


async def still(scope: Scope, asked: Asked, hits: Sequence[Hit]) -> list[Hit]:
    """Those of kept results that this caller may see now: a wall, or an end, counts for later pages too (SC-04)."""
    passing: set[tuple[str, str]] = set()
    for reach in await connections.reach(scope):
        place = await _place(scope, reach, asked) if reach.search_enabled else None
        if place is not None:
            passing |= {(reach.integration_id, entity) for entity in place.entities}
    return [hit for hit in hits if (hit.integration_id, hit.entity) in passing]


def _check(asked: Asked) -> None:
    if not asked.words:
        raise NothingAsked


def _is_wanted(reach: Reach, asked: Asked) -> bool:
    named = not asked.integrations or reach.integration_id in asked.integrations
    return named and asked.custom.get(_PROVIDER, reach.provider) == reach.provider


async def _search(
    scope: Scope, asked: Asked, chosen: Sequence[Reach], missed: Sequence[Missed], started: float
) -> Results:
    asked = replace(asked, custom={name: value for name, value in asked.custom.items() if name != _PROVIDER})
    plan = await _plan(scope, asked, chosen)
    left = scope.part(Settings).deadline.total_seconds() - (scope.clock.monotonic() - started)
    outcomes, rows = await asyncio.gather(
        live.ask_all(scope, plan.live, left), _from_index(scope, asked, list(plan.indexed.values()), left)
    )
    failed = {id_: outcome for id_, outcome in outcomes.items() if isinstance(outcome, Failed)}
    found = [
        (id_, one)
        for id_, outcome in outcomes.items()
        if not isinstance(outcome, Failed)
        for one in outcome
        if _may_pass(plan.places[id_], one) and asked.covers(one.updated_at)
    ]
    hits = [_live_hit(plan.places[id_], one, asked) for id_, one in found]
    told = [*missed, *(_missed(one, _FILTER) for one in plan.left_out)]
    told += [_missed(plan.places[id_].reach, outcome) for id_, outcome in failed.items()]
    if isinstance(rows, Failed):
        silent = plan.indexed.keys() - plan.live.keys()
        told += [_missed(plan.places[id_].reach, rows) for id_ in sorted(silent)]
    else:
        by_far_side = {(id_, one.entity) for id_, one in found}
        kept = [row for row in rows if (row["connection_id"], row["entity"]) not in by_far_side]
        hits += [_index_hit(plan.places, row, failed) for row in kept]
    return Results(model.ranked(hits), told, round((scope.clock.monotonic() - started) * 1000))


@dataclass(frozen=True, slots=True)
class _Plan:
    """Who is asked live, and what the index is asked, by connection."""

    places: Mapping[str, _Place]
    live: Mapping[str, tuple[Searcher, SearchFor]]
    indexed: Mapping[str, _Place]
    left_out: Sequence[Reach]


async def _plan(scope: Scope, asked: Asked, chosen: Sequence[Reach]) -> _Plan:
    places: dict[str, _Place] = {}
    alive: dict[str, tuple[Searcher, SearchFor]] = {}
    indexed: dict[str, _Place] = {}
    left_out: list[Reach] = []
    for reach in chosen:
        place = await _place(scope, reach, asked)
        if place is None:
            continue
        places[reach.connection_id] = place
        searcher = await live.searcher(scope, reach)
        takes = asked.custom.keys() <= (searcher.search_filters if searcher else frozenset())
        if searcher is not None and takes:
            alive[reach.connection_id] = (searcher, live.want(asked, place.entities))
        if not asked.custom:
            indexed[reach.connection_id] = place
        elif not takes:
            left_out.append(reach)
    return _Plan(places, alive, indexed, left_out)


async def _place(scope: Scope, reach: Reach, asked: Asked) -> _Place | None:
    """What of a connection is searched; None where nothing that was asked for may pass (SC-04)."""
    try:
        manifest = (await catalog.found(scope, reach.provider)).manifest
    except catalog.ProviderNotFound:
        return None
    types = {one.name: one.shard_type for one in manifest.entities}
    passing = [name for name, kind in types.items() if reach.allows(kind)]
    if reach.searchable:
        passing = [name for name in passing if name in reach.searchable]
    if asked.entities:
        passing = [name for name in passing if name in asked.entities or types[name] in asked.entities]
    return _Place(reach, tuple(passing)) if passing else None


async def _from_index(scope: Scope, asked: Asked, places: Sequence[_Place], seconds: float) -> Sequence[Any] | Failed:
    """What the index holds: of all words, else of what they may be misspellings of."""
    if not places:
        return ()
    try:
        async with asyncio.timeout(seconds), scope.tx() as tx:
            rows = await store.find(tx, asked, _looks(places, model.exactly(asked.words)))
            if rows:
                return rows
            groups = model.loosely(asked.words, await store.near(tx, asked.words))
            return await store.find(tx, asked, _looks(places, groups)) if groups else ()
    except TimeoutError:
        return _INDEX_LATE


def _looks(places: Sequence[_Place], groups: model.Groups) -> list[Look]:
    return [
        Look(
            place.reach.connection_id,
            model.query_text(groups, place.reach.connection_id),
            place.entities,
            place.reach.allowed_types,
        )
        for place in places
    ]


def _may_pass(place: _Place, found: FoundRecord) -> bool:
    return found.entity in place.entities


def _missed(reach: Reach, why: Failed) -> Missed:
    return Missed(reach.integration_id, reach.name, why.code, why.message)


def _live_hit(place: _Place, found: FoundRecord, asked: Asked) -> Hit:
    reach = place.reach
    return Hit(
        id=f"{reach.connection_id}/{found.entity}/{found.external_id}",
        integration_id=reach.integration_id,
        integration_name=reach.name,
        provider=reach.provider,
        entity=found.entity,
        external_id=found.external_id,
        title=model.shown_title(found.title),
        snippet=model.shown_snippet(found.snippet),
        url=found.url,
        score=round(model.relevance(found.title, asked.phrase), 4),
        updated_at=found.updated_at,
        source="live",
    )


def _index_hit(places: Mapping[str, _Place], row: Any, failed: Container[str]) -> Hit:  # noqa: ANN401 - the driver's record
    """What was synced; it stands in for the far side where that `failed`."""
    reach = places[row["connection_id"]].reach
    source: Origin = "cache" if row["connection_id"] in failed else "index"
    return Hit(
        id=row["id"],
        integration_id=reach.integration_id,
        integration_name=reach.name,
        provider=reach.provider,
        entity=row["entity"],
        external_id=row["external_id"],
        title=row["title"],
        snippet=row["snippet"],
        url=row["url"],
        score=round(row["score"], 4),
        updated_at=row["updated_at"],
        source=source,
    )
