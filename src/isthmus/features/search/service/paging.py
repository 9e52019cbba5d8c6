"""Results that are kept while somebody pages through them."""

import msgspec

from isthmus.features.search.errors import ResultsGone
from isthmus.features.search.model import Hit
from isthmus.features.search.service.searching import Results
from isthmus.features.search.settings import Settings
from isthmus.features.search.store import snapshots
from isthmus.scope import Scope, System

_HITS = msgspec.msgpack.Decoder(list[Hit])


async def keep(scope: Scope, results: Results) -> str:
    """Keep these results for a while; their id, which only a sealed cursor of the same caller ever names."""
    id_ = scope.id("srs")
    async with scope.tx() as tx:
        body = msgspec.msgpack.encode(list(results.hits))
        await snapshots.add(tx, id_, body, scope.now + scope.part(Settings).paged_for)
    return id_


async def kept(scope: Scope, id_: str) -> list[Hit]:
    """The results. Raises ResultsGone."""
    async with scope.tx() as tx:
        body = await snapshots.body_of(tx, id_, scope.now)
    if body is None:
        raise ResultsGone
    return _HITS.decode(body)


async def sweep(system: System) -> None:
    """Forget results that nobody pages through any more."""
    async with system.tx() as tx:
        await snapshots.sweep(tx, system.now)
