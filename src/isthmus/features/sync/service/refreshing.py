"""Single records read anew: after a webhook, or by hand. Wishes are durable, and many for one record are one read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from isthmus.client import ClientError, TokenRejected
from isthmus.connect.budgets import Overrun, Within
from isthmus.connect.faults import DATA_FAULTS
from isthmus.connect.keeping import Item, Unstorable
from isthmus.connect.spi import RawRecord, Unmappable
from isthmus.features import connections, records
from isthmus.features.sync import store
from isthmus.features.sync.errors import NotReadable
from isthmus.features.sync.events import RefreshFailed
from isthmus.features.sync.model import Fault, after_fault
from isthmus.features.sync.service import entities
from isthmus.features.sync.service.faults import EXPIRED, fault_of, fault_of_problem
from isthmus.features.sync.service.sources import Source, admit, sources
from isthmus.features.sync.service.tally import Tally
from isthmus.features.sync.settings import Settings
from isthmus.features.sync.store import Wanted
from isthmus.kit.chance import draw
from isthmus.kit.errors import Problem
from isthmus.kit.text import storable
from isthmus.scope import Scope, Tx

REFRESH = "sync.refresh"
_AT_ONCE = 20
_LEASE = timedelta(seconds=60)
#: For so many seconds what was read waits for what is read next.
_TOGETHER = 1.0
#: How often a platform may answer an older state than the one we were told of, before that is taken for the truth.
_BEHIND = 3
_BEHIND_WAIT = timedelta(seconds=5)
_REFUSED_WAIT = timedelta(seconds=30)
_REJECTED_WAIT = timedelta(minutes=10)
_REASON = 500
_SOON = timedelta(0)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where records come from."""

    id: str
    provider: str


@dataclass(frozen=True, slots=True)
class _Found:
    """A record that was wanted, as it was read."""

    wanted: Wanted
    item: Item

    @property
    def is_behind(self) -> bool:
        """Whether the platform answers an older state than the one that it told of."""
        seen, at = self.wanted.seen, self.item.changed_at
        return seen is not None and at is not None and at < seen


@dataclass(frozen=True, slots=True)
class _Reading:
    """One worker's reading of single records of one entity of one connection."""

    scope: Scope
    origin: Origin
    entity: str
    source: Source

    @property
    def place(self) -> tuple[str, str]:
        return self.origin.id, self.entity

    async def several(self, wanted: Sequence[Wanted]) -> None:
        """Read records one after the other, and write what was read together: a transaction for each costs far more.

        Nothing that was read waits for longer than a second for the others.
        """
        found: list[_Found] = []
        ends = 0.0
        try:
            for one in wanted:
                item = await self._fetched(one)
                if item is None:
                    continue
                if not found:
                    ends = self.scope.clock.monotonic() + _TOGETHER
                found.append(_Found(one, item))
                if self.scope.clock.monotonic() >= ends:
                    await self._keep(found)
                    found = []
        except Problem:
            await self._keep(found)
            raise
        await self._keep(found)

    async def _fetched(self, wanted: Wanted) -> Item | None:
        """One record as it is now; None where there is nothing to write, which is settled then."""
        try:
            raw = await self.source.fetch(wanted.external_id)
        except TokenRejected:
            # Fresh tokens were refused: the connection may still count as signed in, and nobody would wake this.
            async with self.scope.tx() as tx:
                await self._later(tx, wanted, self.scope.now + _REJECTED_WAIT, wanted.attempts)
        except ClientError as failure:
            await self._again(wanted, fault_of(failure))
        except LookupError:
            await self._end(wanted, Fault("SYNC_NOT_SUPPORTED", "The provider cannot show a single record.", False))
        else:
            return await self._item(wanted, raw)
        return None

    async def _item(self, wanted: Wanted, raw: RawRecord | None) -> Item | None:
        if raw is None:
            await self._end(wanted, Fault("RECORD_GONE", "The platform says that there is no such record.", False))
            return None
        keeper = entities.entity(self.entity).keeper
        try:
            with Within(self.scope.part(Settings).mapping_seconds):
                shape = self.source.map(raw)
            return keeper.item(shape, raw.payload, records.raw_hash(raw.payload, self.source.reading))
        except Overrun as failure:
            reason = f"The connector computed over it for {failure}."
        except (Unmappable, Unstorable) as failure:
            reason = failure.reason
        except DATA_FAULTS as failure:
            reason = type(failure).__name__
        await self._end(wanted, Fault("RECORD_UNREADABLE", reason, False))
        return None

    async def _keep(self, found: Sequence[_Found]) -> None:
        """Write records, unless what is stored is newer; the newest time of the platform wins."""
        if not found:
            return
        keeper = entities.entity(self.entity).keeper
        by_name = {one.item.external_id: one.wanted for one in found}
        async with self.scope.tx() as tx:
            await store.lock(tx, *self.place)
            await admit(tx, self.source)
            written = await keeper.write(tx, self.scope, self.origin, [one.item for one in found])
            for one in found:
                if one.is_behind and one.wanted.attempts < _BEHIND:
                    await self._later(tx, one.wanted, self.scope.now + _BEHIND_WAIT, one.wanted.attempts + 1)
                else:
                    await self._settle(tx, one.wanted)
            for refused in written.refused:
                wanted = by_name.get(refused.external_id, found[0].wanted)
                self._tell(tx, wanted, Fault("RECORD_UNREADABLE", refused.reason, False))

    async def _again(self, wanted: Wanted, fault: Fault) -> None:
        attempts = wanted.attempts + fault.tried
        retry = after_fault(fault, attempts, draw(), self.scope.part(Settings))
        if fault.code != EXPIRED and retry is None:
            await self._end(wanted, fault)
            return
        async with self.scope.tx() as tx:
            due = self.scope.now + retry.after if retry else await _signed_in(tx, self.scope, self.origin.id)
            await self._later(tx, wanted, due, attempts)

    async def _later(self, tx: Tx, wanted: Wanted, due: datetime | None, attempts: int) -> None:
        await store.later(tx, self.place, wanted, due, attempts)
        if due is not None:
            await tx.enqueue(REFRESH, key_of(*self.place), after=due - self.scope.now)

    async def _end(self, wanted: Wanted, fault: Fault) -> None:
        async with self.scope.tx() as tx:
            await self._settle(tx, wanted)
            self._tell(tx, wanted, fault)

    async def _settle(self, tx: Tx, wanted: Wanted) -> None:
        if not await store.settle(tx, self.place, wanted):
            await self._later(tx, wanted, self.scope.now, 0)

    def _tell(self, tx: Tx, wanted: Wanted, fault: Fault) -> None:
        body = {
            "connectionId": self.origin.id,
            "provider": self.origin.provider,
            "entity": self.entity,
            "externalId": storable(wanted.external_id),
            "error": {"code": fault.code, "message": storable(fault.message)[:_REASON]},
        }
        tx.emit(RefreshFailed(subject=self.origin.id, body=body))


def key_of(connection_id: str, entity: str) -> str:
    """The wake-up's key."""
    return f"{connection_id} {entity}"


async def refresh(
    scope: Scope, connection_id: str, entity: str, external_id: str, seen: datetime | None = None
) -> None:
    """Read one record anew, soon and durably; asking again before it was read costs nothing.

    `seen` is the platform's time of the change that somebody heard of: a stored record that is newer stays, and an
    answer that is older is asked for again a few times. A record that cannot be read ends in `sync.refresh_failed`.
    Raises NotReadable, and what the connections raise.
    """
    await refresh_many(scope, connection_id, entity, {external_id: seen})


async def refresh_many(
    scope: Scope, connection_id: str, entity: str, wanted: Mapping[str, datetime | None], after: timedelta = _SOON
) -> None:
    """The same of several records, each with its `seen`; none of them is read before `after`, unless asked for again.

    Raises as `refresh`.
    """
    shop = await sources(scope).shop(scope, connection_id, entity)
    if entity not in await sources(scope).offered(scope, connection_id):
        raise NotReadable
    async with scope.tx() as tx:
        await store.ask(tx, (shop.id, entity), wanted, after, scope.now)
        await tx.enqueue(REFRESH, key_of(shop.id, entity), after=after)


async def read(scope: Scope, key: str) -> None:
    """Read what is wanted of one entity of one connection, until nothing is due."""
    connection_id, _, entity = key.partition(" ")
    place = (connection_id, entity)
    wanted = await _claim(scope, place)
    if not wanted:
        return
    try:
        shop = await sources(scope).shop(scope, *place)
        async with sources(scope).open(scope, connection_id, entity, Tally(scope.clock)) as source:
            reading = _Reading(scope, Origin(shop.id, shop.provider), entity, source)
            while wanted:
                await reading.several(wanted)
                wanted = await _claim(scope, place)
    except NotReadable:
        await _drop(scope, place, wanted)
    except Problem as failure:
        await _put_off(scope, place, wanted, fault_of_problem(failure))


async def _claim(scope: Scope, place: tuple[str, str]) -> Sequence[Wanted]:
    async with scope.tx() as tx:
        return await store.claim_wanted(tx, place, _LEASE, scope.now, _AT_ONCE)


async def _drop(scope: Scope, place: tuple[str, str], wanted: Sequence[Wanted]) -> None:
    async with scope.tx() as tx:
        for one in wanted:
            await store.settle(tx, place, one)


async def _put_off(scope: Scope, place: tuple[str, str], wanted: Sequence[Wanted], fault: Fault) -> None:
    """The connection itself cannot be opened: later, or once it has been signed in anew."""
    retry = after_fault(fault, 1, draw(), scope.part(Settings))
    async with scope.tx() as tx:
        due = scope.now + retry.after if retry else None
        if fault.code == EXPIRED:
            due = await _signed_in(tx, scope, place[0])
        for one in wanted:
            await store.later(tx, place, one, due, one.attempts)
        if due is not None:
            await tx.enqueue(REFRESH, key_of(*place), after=due - scope.now)


async def _signed_in(tx: Tx, scope: Scope, connection_id: str) -> datetime | None:
    """When to go on after a refused sign-in: soon where somebody has signed in meanwhile, else once somebody does."""
    return None if await connections.awaits_sign_in(tx, connection_id) else scope.now + _REFUSED_WAIT
