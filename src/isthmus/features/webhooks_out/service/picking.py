"""What is due comes into memory: handed over by the fan-out of the same process, or found in the database."""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import inf
from typing import Any, Final

from isthmus.engine.bus import Hides, hides_of
from isthmus.engine.db import DatabaseUnavailable
from isthmus.features.webhooks_out.model import Board, message_of
from isthmus.features.webhooks_out.service import planning
from isthmus.features.webhooks_out.service.leasing import Leases
from isthmus.features.webhooks_out.service.sending import Handed, Keys, Sender
from isthmus.features.webhooks_out.settings import Settings
from isthmus.features.webhooks_out.store import deliveries, endpoints
from isthmus.features.webhooks_out.store import dispatch as store
from isthmus.features.webhooks_out.store.dispatch import Due, Window
from isthmus.kit import chance
from isthmus.kit.errors import Problem
from isthmus.scope import System

_LOG = logging.getLogger("isthmus.features.webhooks_out")
_START: Final = datetime(1970, 1, 1, tzinfo=UTC)
_PICK: Final = 500
_LAG: Final = timedelta(seconds=60)
_RESCAN: Final = 120.0
#: Due times are met to this, so that what is due one after the other is looked for together.
_SOONEST: Final = 0.25
#: A line that is full for so long stands still: what is due for it is put off, so that nobody walks over it.
_STUCK: Final = 2.0
_CROWDED: Final = 1.0


@dataclass(slots=True)
class Job:
    """A delivery that may be sent: its place in the due table, the epoch of its shard, what to send and with what."""

    due: Due
    epoch: int
    message_id: str
    body: bytes
    born: datetime
    keys: Keys
    parked: bool
    doubtful: bool
    event: Mapping[str, Any]
    trigger: str = "schedule"

    @property
    def endpoint_id(self) -> str:
        """Whose line it stands in."""
        return self.due.endpoint_id

    @property
    def attempts(self) -> int:
        """Attempts before this one."""
        return self.due.attempts


class Picker:
    """Fills the board of one process."""

    def __init__(self, system: System, leases: Leases) -> None:
        self._system = system
        self._settings = system.engine.part(Settings)
        self._sender = system.engine.part(Sender)
        self._leases = leases
        self.board: Board[Job] = Board(self._settings.slots, self._settings.waiting)
        #: What is in memory or under way: number -> shard.
        self.held: dict[int, int] = {}
        #: Numbers that were held at some moment of the look that is under way.
        self._seen: set[int] = set()
        #: How much was found in the database that is not in memory.
        self.found = 0
        self._low = _START
        self._rescan_at = 0.0

    def rescan(self) -> None:
        """Look from the beginning next time."""
        self._rescan_at = 0.0

    def busy(self) -> Counter[int]:
        """How much is in memory or under way for each shard."""
        return Counter(self.held.values())

    def let_go(self, numbers: Sequence[int]) -> None:
        """These are written, or given up."""
        for number in numbers:
            self.held.pop(number, None)

    def clear(self) -> None:
        """Forget what waits in memory; the database has it."""
        self.let_go([job.due.number for job in self.board.clear()])

    async def take_handed(self) -> float:
        """Queue what the fan-out of this process wrote a moment ago.

        After how many seconds what found no room is to be looked for in the database.
        """
        handed, self._sender.handed = self._sender.handed, []
        shards = self._leases.open
        if not handed:
            return inf
        if not self._leases.certain():
            return 0.0
        # The rest is its owners' to find, who hear of it as this process did.
        mine = [one for one in handed if one.due.shard in shards]
        keys = await self._open([(one.due, one.version) for one in mine])
        wait = inf
        for one in mine:
            opened = keys.get((one.due.tenant_id, one.due.endpoint_id))
            if opened is None:
                wait = 0.0
            elif not self._queue(self._handed(one, opened, shards[one.due.shard]), slow=one.slow):
                wait = min(wait, self._room_within())
        return wait

    def _room_within(self) -> float:
        """After how many seconds to look again for what finds its line full, unless that gets room before.

        As long as a line moves, a look would find nothing that could be taken; once it stands still, what is due for it
        is put off.
        """
        ticks = self._system.clock.monotonic()
        return min((max(_CROWDED, since + _STUCK - ticks) for since in self.board.full.values()), default=inf)

    def _handed(self, one: Handed, keys: Keys, epoch: int) -> Job:
        due, doubtful = one.due, one.doubtful
        return Job(
            due, epoch, one.message_id, one.body, one.born, keys, parked=False, doubtful=doubtful, event=one.event
        )

    async def pick(self) -> float:
        """Take what is due into memory; how many seconds to wait before the next look."""
        room = 4 * self._settings.waiting - len(self.held)
        longest = self._settings.poll.total_seconds()
        shards = self._leases.open
        if not shards or not self._leases.certain() or room <= 0:
            return min(longest, 0.05)
        now, ticks = self._system.now, self._system.clock.monotonic()
        if ticks >= self._rescan_at:
            self._low, self._rescan_at = _START, ticks + _RESCAN
        full = [name for name, since in self.board.full.items() if ticks - since < _STUCK]
        window = Window(self._low, now, self.held, full, min(room, _PICK))
        self._seen.clear()
        async with self._system.tx() as tx:
            rows = await store.due(tx, shards, window)
            loaded = await store.load(tx, rows) if rows else {}
            upcoming = await store.next_due(tx, shards, now) if len(rows) < window.limit else None
            hidden = await hides_of(self._system.engine.parts, tx, {due.tenant_id for due in rows})
        self.found += len(rows)
        if rows:
            fresh = [due for due in rows if due.number not in self._seen]
            await self._sort(await self._allowed(fresh, loaded, hidden), loaded, ticks)
        if len(rows) == window.limit:
            return 0.0
        if not self.held and not full:
            self._low = max(self._low, now - _LAG)
        wait = self._room_within()
        if upcoming is not None:
            wait = min(wait, (upcoming - now).total_seconds())
        return min(longest, max(_SOONEST, wait))

    async def heed_walls(self) -> None:
        """Let go of what waits in memory about records that may not be read any more; the next look ends it."""
        tenants = {job.due.tenant_id for job in self.board.waiting()}
        if not tenants:
            return
        async with self._system.tx() as tx:
            hidden = await hides_of(self._system.engine.parts, tx, tenants)

        def is_walled(job: Job) -> bool:
            hides = hidden.get(job.due.tenant_id)
            return hides is not None and hides(job.event)

        dropped = self.board.drop(is_walled)
        if dropped:
            self.let_go([job.due.number for job in dropped])
            self.rescan()
            self._sender.look_again()

    async def _allowed(
        self, rows: Sequence[Due], loaded: Mapping[int, Mapping[str, Any]], hidden: Mapping[str, Hides]
    ) -> list[Due]:
        """These without those about records that may not be read any more, which end here."""
        walled = [due for due in rows if due.number in loaded and hidden[due.tenant_id](loaded[due.number])]
        if not walled:
            return list(rows)
        async with self._system.tx() as tx:
            await store.take_out(tx, walled)
            await store.forbid(tx, walled, self._system.now)
            for tenant_id, endpoint_id in sorted({(due.tenant_id, due.endpoint_id) for due in walled}):
                await planning.advance(tx, tenant_id, endpoint_id, self._system.now)
        ended = {due.number for due in walled}
        return [due for due in rows if due.number not in ended]

    async def _sort(self, rows: Sequence[Due], loaded: Mapping[int, Mapping[str, Any]], ticks: float) -> None:
        """Queue what may be sent; take out or plan anew what may not."""
        stale: list[Due] = []
        idle: list[Due] = []
        ready: list[tuple[Due, Mapping[str, Any]]] = []
        for due in rows:
            found = loaded.get(due.number)
            if found is None or found["state"] != "pending" or found["next_at"] != due.at:
                stale.append(due)
            elif found["endpoint_state"] != "active" or not _in_turn(found):
                idle.append(due)
            else:
                ready.append((due, found))
        keys = await self._open([(due, found["version"]) for due, found in ready])
        later: list[tuple[Due, datetime | None]] = []
        shards = self._leases.open
        for due, found in ready:
            opened, epoch = keys.get((due.tenant_id, due.endpoint_id)), shards.get(due.shard)
            if epoch is None:
                continue
            if opened is None:
                later.append((due, self._system.now + timedelta(minutes=1)))
            elif not self._queue(_loaded(due, found, opened, epoch), slow=_slow(found)) and self._stuck(due, ticks):
                wait = self.board.put_off(due.endpoint_id, ticks) * (0.9 + 0.2 * chance.draw())
                later.append((due, self._system.now + timedelta(seconds=wait)))
        await self._put_off(stale, idle, later)

    def _stuck(self, due: Due, ticks: float) -> bool:
        return ticks - self.board.full.get(due.endpoint_id, ticks) >= _STUCK

    def _queue(self, job: Job, *, slow: bool) -> bool:
        concurrency = job.keys.concurrency
        if job.keys.ordered or job.parked:
            concurrency = 1
        elif slow:
            concurrency = max(1, concurrency // 5)
        if job.due.number in self.held:
            return True
        if not self.board.add(job, concurrency, job.keys.rate, self._system.clock.monotonic()):
            return False
        self.held[job.due.number] = job.due.shard
        self._seen.add(job.due.number)
        return True

    async def _put_off(self, stale: list[Due], idle: list[Due], later: list[tuple[Due, datetime | None]]) -> None:
        if not (stale or idle or later):
            return
        async with self._system.tx() as tx:
            if stale:
                await store.take_out(tx, stale)
                await store.bury(tx, stale, self._system.now)
            if idle or later:
                await store.postpone(tx, [*later, *((due, None) for due in idle)])
            for tenant_id, endpoint_id in sorted({(due.tenant_id, due.endpoint_id) for due in idle}):
                lowest = min(due.number for due in idle if due.endpoint_id == endpoint_id)
                await deliveries.note_waiting(tx, tenant_id, endpoint_id, lowest)
                await planning.advance(tx, tenant_id, endpoint_id, self._system.now)

    async def _open(self, wanted: Sequence[tuple[Due, int]]) -> dict[tuple[str, str], Keys]:
        """The keys of these endpoints; what is not in memory is opened tenant by tenant."""
        found: dict[tuple[str, str], Keys] = {}
        missing: dict[str, set[str]] = {}
        for due, version in wanted:
            keys = self._sender.known(due.tenant_id, due.endpoint_id, version)
            if keys is None:
                missing.setdefault(due.tenant_id, set()).add(due.endpoint_id)
            else:
                found[due.tenant_id, due.endpoint_id] = keys
        for tenant_id, ids in missing.items():
            scope = self._system.scope(tenant_id, "webhooks_out")
            try:
                async with scope.tx() as tx:
                    days = await endpoints.retention(tx, self._settings.keep_days)
                    for endpoint in await endpoints.several(tx, sorted(ids)):
                        found[tenant_id, endpoint.id] = await self._sender.open(scope, tx, endpoint, days)
            except DatabaseUnavailable:
                raise
            except Problem as problem:
                _LOG.warning("the keys of endpoints cannot be opened: %s", problem.message)
        return found


def _loaded(due: Due, found: Mapping[str, Any], keys: Keys, epoch: int) -> Job:
    message = message_of(found)
    parked, doubtful = found["health"] == "parked", found["failures"] > 0
    return Job(due, epoch, message.id, message.encoded(), found["at"], keys, parked, doubtful, found, found["trigger"])


def _slow(found: Mapping[str, Any]) -> bool:
    return bool(found["health"] == "slow")


def _in_turn(found: Mapping[str, Any]) -> bool:
    """Whether it is this delivery's turn where only one at a time is planned."""
    return found["head"] == found["number"] or not (found["ordered"] or found["health"] == "parked")
