"""What changed in the canonical store, for systems that follow along: in commit order, never skipping a late commit."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from isthmus.engine.bus import Hides, Place, kept, place_of
from isthmus.engine.db import Tx
from isthmus.features.records import store
from isthmus.features.records.errors import FeedTooOld
from isthmus.kit import ids
from isthmus.kit.errors import Invalid
from isthmus.scope import Scope

#: Types of events that tell of records, by the kind that they are of.
KINDS: Final = {"listing": "product", "order": "order", "record": "record"}
#: What other events are about, by the group of their types; those of records and of what was pushed say it themselves.
_ABOUT: Final = {"listing": "product", "conflict": "product", "order": "order", "customer": "order"}
#: Looks into the log for one answer: a stretch without records ends a page early and costs no more.
_LOOKS: Final = 20
#: How far the clocks of the processes that made ids may be ahead of this one's.
_AHEAD: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Follow:
    """A part: how long the log keeps what it tells; nothing for ever."""

    kept: timedelta


@dataclass(frozen=True, slots=True)
class Change:
    """One change: `kind` is product, order or record, `change` what happened to it; `id` is ours."""

    kind: str
    change: str
    id: str
    at: datetime
    about: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Changes:
    """Changes in commit order, and where to go on, also when there are none yet."""

    items: Sequence[Change]
    next: str
    has_more: bool


async def changes(scope: Scope, since: str | None, kinds: Sequence[str], limit: int) -> Changes:
    """What changed behind a place; None begins with the oldest that is kept, `now` with what comes next.

    What an integration may not read any more is passed over, also what was told of it before. Raises Invalid for a
    place that was never given out, FeedTooOld where what followed it is forgotten.
    """
    bus = scope.engine.bus
    async with scope.tx() as tx:
        # Everything up to here is final. It bears the time, so that one who comes back too late is told so.
        here = Place((await bus.end(tx)).xid, ids.floor("evt", scope.now + _AHEAD))
        if since == "now":
            return Changes((), str(here), has_more=False)
        place = _place(scope, since, await kept(tx))
        hidden = (await hides_of(tx, [scope.tenant_id])).get(scope.tenant_id, _shown)
        found: list[Change] = []
        for _ in range(_LOOKS):
            rows = await bus.read(tx, scope.tenant_id, place, limit)
            for row in rows:
                if len(found) == limit:
                    return Changes(found, str(place), has_more=True)
                place = place_of(row)
                kind, _, change = row["type"].partition(".")
                if kind in KINDS and (not kinds or KINDS[kind] in kinds) and not hidden(row):
                    found.append(Change(KINDS[kind], change, row["subject"], row["at"], dict(row["body"])))
            if len(rows) < limit:
                return Changes(found, str(max(place, here)), has_more=False)
    return Changes(found, str(place), has_more=True)


async def hides_of(tx: Tx, tenants: Collection[str]) -> Mapping[str, Hides]:
    """Which events of the log tell of records that may not be shown any more, as things are now, by tenant.

    Tenants that hide nothing are left out.
    """
    walled = await store.hidden.walled_of(tx, tenants)
    return {tenant_id: _hiding(places) for tenant_id, places in walled.items()}


def _hiding(places: frozenset[tuple[str, str]]) -> Hides:
    return lambda event: _place_in_wall(event) in places


def _shown(event: Mapping[str, Any]) -> bool:  # noqa: ARG001 - of a tenant that hides nothing
    return False


def _place_in_wall(event: Mapping[str, Any]) -> tuple[object, object]:
    """Connection and type of the record that an event is about; no records' where it is about none."""
    body, group = event["body"], event["type"].partition(".")[0]
    return body.get("connectionId"), _ABOUT.get(group, body.get("shardType"))


def _place(scope: Scope, since: str | None, days: int | None) -> Place:
    if since is None:
        return Place()
    try:
        place = Place.of(since)
    except ValueError:
        raise Invalid.field(
            "since", "This is no place in the feed; send what an earlier answer gave as `next`."
        ) from None
    follow = scope.engine.parts.get(Follow)
    longest = follow.kept if isinstance(follow, Follow) else timedelta(0)
    own = longest if days is None else timedelta(days=days)
    if own and place.id and place.id < ids.floor("evt", scope.now - own):
        raise FeedTooOld
    return place
