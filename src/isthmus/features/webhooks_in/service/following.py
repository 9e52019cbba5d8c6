"""What comes in, as it comes in: page by page, or as a stream that is resumed after a cut."""

from collections import OrderedDict
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from isthmus.features.webhooks_in.model.deliveries import Delivery
from isthmus.features.webhooks_in.store import log as store
from isthmus.kit import ids
from isthmus.scope import Scope

#: How much later than its id's time a delivery may be committed and still be found.
_LATE = timedelta(seconds=10)
_AT_ONCE = 20
#: Seconds between looks while nothing comes in; only open streams look.
_PAUSE = 0.5
_REMEMBERED = 5_000
#: Of one source, and of one event; None: of all.
Which = tuple[str | None, str | None]


@dataclass(frozen=True, slots=True)
class Feed:
    """Deliveries as they came in, and where to go on. Some come twice: what is committed late is not missed."""

    items: Sequence[Delivery]
    next: str
    has_more: bool


async def feed(scope: Scope, after: str | None, wanted: Which, limit: int) -> Feed:
    """What came in behind a place, or from now on; of one (source, event) where these are named."""
    async with scope.tx() as tx:
        if after is None:
            return Feed((), await store.newest(tx, scope.tenant_id), has_more=False)
        items = await store.feed(tx, scope.tenant_id, after, wanted, limit)
    if len(items) == limit:
        return Feed(items, items[-1].id, has_more=True)
    return Feed(items, max(after, ids.floor("inb", scope.now - _LATE)), has_more=False)


async def follow(scope: Scope, after: str | None, wanted: Which) -> AsyncGenerator[tuple[str, Delivery | None], None]:
    """Deliveries with the place to resume from, without end; the first is none, and says only where it begins.

    From now on, or from a place. Behind a place some come again that came before the cut, so remember their ids.
    """
    place = (await feed(scope, None, wanted, _AT_ONCE)).next if after is None else after
    yield _resume(scope, place), None
    seen: OrderedDict[str, None] = OrderedDict()
    while True:
        async with scope.tx() as tx:
            recent = [id_ for id_ in seen if id_ > place]
            found = await store.feed(tx, scope.tenant_id, place, wanted, _AT_ONCE, recent)
        for one in found:
            seen[one.id] = None
            yield _resume(scope, one.id), one
        while len(seen) > _REMEMBERED:
            seen.popitem(last=False)
        if len(found) < _AT_ONCE:
            place = max(place, ids.floor("inb", scope.now - _LATE))
            await scope.clock.sleep(_PAUSE)


def _resume(scope: Scope, place: str) -> str:
    """Early enough for what is committed late."""
    return min(place, ids.floor("inb", scope.now - _LATE))
