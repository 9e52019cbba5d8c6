"""Reading the far side anew before an edit is sent again: what it shows decides, not what we remember."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from isthmus.client import ClientError
from isthmus.connect.spi import Unmappable
from isthmus.features import records, sync
from isthmus.features.pushes.service.shops import ENTITY, Shop, shops
from isthmus.features.records import ListingItem, Unstorable
from isthmus.scope import Scope

_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Origin:
    """Where records come from."""

    id: str
    provider: str


@dataclass(frozen=True, slots=True)
class Seen:
    """What looking found: listings that are not there any more, and failures by listing."""

    gone: frozenset[str]
    failed: Mapping[str, ClientError]


async def look(scope: Scope, shop: Shop, listing_ids: Sequence[str]) -> Seen:
    """Read these listings anew and write them to the store."""
    if not listing_ids:
        return Seen(frozenset(), {})
    probes = await records.probes(scope, listing_ids)
    gate = asyncio.Semaphore(_AT_ONCE)
    found = await asyncio.gather(*(_one(shop, gate, probes.get(id_, ())) for id_ in listing_ids))
    items = [item for one in found if isinstance(one, list) for item in one]
    if items:
        origin = Origin(shop.about.id, shop.about.provider)
        async with scope.tx() as tx:
            await sync.lock(tx, shop.about.id, ENTITY)
            await shops(scope).admit(tx, shop.about.id)
            await records.write_listings(tx, scope, origin, items)
    told = dict(zip(listing_ids, found, strict=True))
    return Seen(
        frozenset(id_ for id_, one in told.items() if one == []),
        {id_: one for id_, one in told.items() if isinstance(one, ClientError)},
    )


async def _one(shop: Shop, gate: asyncio.Semaphore, external_ids: Sequence[str]) -> list[ListingItem] | ClientError:
    """A listing by all its parts; none where the platform knows none of them."""
    items = []
    for external_id in external_ids:
        async with gate:
            try:
                raw = await shop.fetch(external_id)
            except ClientError as failure:
                return failure
        if raw is None:
            continue
        try:
            items.append(records.item(shop.map(raw), raw.payload, records.raw_hash(raw.payload, shop.reading)))
        except (Unmappable, Unstorable) as failure:
            return ClientError(f"The platform's record cannot be read: {failure.reason}")
    return items
