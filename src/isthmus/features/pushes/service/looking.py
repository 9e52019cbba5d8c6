"""Reading the far side anew before an edit is sent again: what it shows decides, not what we remember."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field

from isthmus.client import ClientError, urgent
from isthmus.connect.budgets import Overrun, Within
from isthmus.connect.faults import DATA_FAULTS
from isthmus.connect.spi import RawRecord, Unmappable
from isthmus.features import records, sync
from isthmus.features.pushes.service.judging import Broken
from isthmus.features.pushes.service.shops import ENTITY, Shop, shops
from isthmus.features.records import ListingItem, Unstorable
from isthmus.kit.clock import Clock
from isthmus.scope import Scope

_AT_ONCE = 8
#: Processor time that a connector may take over one record.
_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Origin:
    """Where records come from."""

    id: str
    provider: str


@dataclass(frozen=True, slots=True)
class Seen:
    """What looking found: listings that are not there any more, those for which there was no time, and failures."""

    gone: frozenset[str] = frozenset()
    left: frozenset[str] = frozenset()
    failed: Mapping[str, ClientError | Broken] = field(default_factory=dict)


async def look(
    scope: Scope, shop: Shop, listing_ids: Sequence[str], until: float, hurry: Collection[str] = frozenset()
) -> Seen:
    """Read these listings anew and write them to the store; no reading begins after `until` (seconds of the clock).

    hurry: those of them that urgent edits wait for.
    """
    if not listing_ids:
        return Seen()
    probes = await records.probes(scope, listing_ids)
    eyes = _Eyes(shop, scope.clock, until, asyncio.Semaphore(_AT_ONCE))
    found = await asyncio.gather(*(eyes.one(probes.get(id_, ()), hurry=id_ in hurry) for id_ in listing_ids))
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
        frozenset(id_ for id_, one in told.items() if one is None),
        {id_: one for id_, one in told.items() if isinstance(one, ClientError | Broken)},
    )


@dataclass(frozen=True, slots=True)
class _Eyes:
    """How one round looks: several at a time, and not for ever."""

    shop: Shop
    clock: Clock
    until: float
    gate: asyncio.Semaphore

    async def one(self, external_ids: Sequence[str], *, hurry: bool) -> list[ListingItem] | ClientError | Broken | None:
        """A listing by all its parts; empty where the platform knows none of them, None where time was up."""
        items = []
        for external_id in external_ids:
            async with self.gate:
                if self.clock.monotonic() >= self.until:
                    return None
                try:
                    with urgent() if hurry else nullcontext():
                        raw = await self.shop.fetch(external_id)
                    if raw is not None:
                        items.append(self._item(raw))
                except ClientError as failure:
                    return failure
                except (Unmappable, Unstorable) as failure:
                    return ClientError(f"The platform's record cannot be read: {failure.reason}")
                except (*DATA_FAULTS, Overrun) as fault:
                    return Broken(type(fault).__name__, sent=False)
        return items

    def _item(self, raw: RawRecord) -> ListingItem:
        with Within(_SECONDS):
            listing = self.shop.map(raw)
        return records.item(listing, raw.payload, records.raw_hash(raw.payload, self.shop.reading))
