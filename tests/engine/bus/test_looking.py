"""Who is called, what is read anew, and how many look at once: much news of one kind costs the others nothing."""

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
from tests.house_database import Copy

from isthmus.engine.bus import Bus, Envelope
from isthmus.engine.db import Database, Tx
from isthmus.kit.events import Event

ME = Envelope(actor="user:test:me")
TENANT = "ten_looking"


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighed(Event):
    """A fact that comes by the thousands."""

    type: ClassVar[str] = "parcel.weighed"
    audited: ClassVar[bool] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost(Event):
    """A fact that hardly ever comes."""

    type: ClassVar[str] = "parcel.lost"
    audited: ClassVar[bool] = False


KINDS: tuple[type[Event], ...] = (Weighed, Lost)


async def _append(database: Database, bus: Bus, *events: Event, pause: float = 0.0) -> None:
    async with database.tenant(TENANT) as tx:
        await bus.append(tx, events, ME)
        await asyncio.sleep(pause)


async def _until(condition: Any) -> None:
    for _ in range(3_000):
        if condition():
            return
        await asyncio.sleep(0.01)
    pytest.fail("it did not come to that")


class Ledger:
    """What each listener got, by its subject."""

    def __init__(self, wanted: Mapping[str, Sequence[str]]) -> None:
        self.wanted = wanted
        self.got: dict[str, Counter[str]] = {name: Counter() for name in wanted}

    @property
    def listeners(self) -> dict[str, Any]:
        def takes(name: str) -> Any:
            async def take(_tx: Tx, row: Mapping[str, Any]) -> None:
                if row["tenant_id"] == TENANT:
                    self.got[name][row["subject"]] += 1

            return take

        return {name: (types, takes(name)) for name, types in self.wanted.items()}

    def has(self, written: Sequence[Event]) -> bool:
        told = {name: [one for one in written if one.type in types] for name, types in self.wanted.items()}
        return all(self.got[name].keys() >= {one.subject for one in events} for name, events in told.items())

    def once(self) -> bool:
        return all(count == 1 for got in self.got.values() for count in got.values())


@pytest.mark.parametrize("seed", range(4))
async def test_PR_03_each_listener_gets_each_event_of_its_types_once_however_commits_overtake_each_other(
    copied: Copy, seed: int
) -> None:
    """Nothing that is passed over unread was for the one who passes it over."""
    chance = random.Random(seed)
    ledger = Ledger({"all": ["parcel.weighed", "parcel.lost"], "weighed": ["parcel.weighed"], "lost": ["parcel.lost"]})
    database, other = await Database.connect(copied.url), await Database.connect(copied.url)
    stop, buses = asyncio.Event(), [Bus(database), Bus(other)]
    running = [asyncio.create_task(bus.run(stop, ledger.listeners)) for bus in buses]
    written: list[Event] = []

    async def write(number: int) -> None:
        await asyncio.sleep(chance.random() * 1.5)
        kind = KINDS[chance.random() < 0.2]
        many = [kind(subject=f"{seed}-{number}-{n}") for n in range(chance.choice((1, 1, 5, 400)))]
        written.extend(many)
        await _append(database, buses[0], *many, pause=chance.choice((0.0, 0.0, 0.02, 0.4)))

    await asyncio.gather(*(write(number) for number in range(40)))
    await _until(lambda: ledger.has(written))
    await asyncio.sleep(0.2)
    stop.set()
    await asyncio.gather(*running)
    for one in (database, other):
        await one.close()
    assert ledger.once()


async def test_what_was_not_for_a_listener_is_not_read_when_something_is(copied: Copy) -> None:
    """A listener that nobody called for long goes on behind what came meanwhile."""
    ledger = Ledger({"rare": ["parcel.lost"]})
    database, stop = await Database.connect(copied.url), asyncio.Event()
    bus = Bus(database)
    async with database.system() as tx:
        begun = (await tx.fetch_sql("select pg_current_xact_id() as x"))[0]["x"]
    running = asyncio.create_task(bus.run(stop, ledger.listeners))
    await _until(lambda: any(one.past >= begun for one in bus._waiting))
    for round_ in range(3):
        await _append(database, bus, *(Weighed(subject=f"{round_}-{n}") for n in range(1_500)))
        [rare] = bus._waiting
        async with database.system() as tx:
            written = (await tx.fetch_sql("select max(xid) as x from events where type = 'parcel.weighed'"))[0]["x"]
        await _append(database, bus, Weighed(subject="the next look's"))
        await _until(lambda rare=rare, written=written: rare.past > written)
    async with database.system() as tx:
        rows = await tx.fetch_sql("select xid from bus_cursors where listener = 'rare'")
    assert rows[0]["xid"] < written, "it was never called"
    await _append(database, bus, Lost(subject="this"))
    await _until(lambda: ledger.got["rare"]["this"])
    stop.set()
    await running
    await database.close()


async def test_PR_03_who_was_called_and_waits_for_a_turn_is_moved_past_nothing(copied: Copy) -> None:
    database, stop = await Database.connect(copied.url, size=4), asyncio.Event()
    ledger = Ledger({"rare": ["parcel.lost"], "idle": ["parcel.found"]})
    bus = Bus(database)
    running = asyncio.create_task(bus.run(stop, ledger.listeners))
    await _until(lambda: len(bus._waiting) == 2 and all(one.quiet and one.read >= one.quiet[0] for one in bus._waiting))
    rare, idle = sorted(bus._waiting, key=lambda one: "parcel.found" in one.types)
    async with bus._turns:
        await _append(database, bus, Lost(subject="this"))
        for number in range(4):
            before = idle.past
            await _append(database, bus, Weighed(subject=f"looked at later {number}"))
            await _until(lambda before=before: idle.past > before)
        assert rare.past < idle.past
    await _until(lambda: ledger.got["rare"]["this"])
    stop.set()
    await running
    await database.close()


async def test_RL_08_listeners_that_all_look_at_once_leave_most_connections_to_others(copied: Copy) -> None:
    most = now = 0

    @contextlib.contextmanager
    def counted() -> Iterator[None]:
        nonlocal most, now
        now += 1
        most = max(most, now)
        yield
        now -= 1

    database, stop = await Database.connect(copied.url, size=8, on_open=counted), asyncio.Event()
    ledger = Ledger({f"one {number}": ["parcel.lost"] for number in range(30)})
    bus = Bus(database)
    lost = Lost(subject="heard by all")
    await _append(database, bus, lost)
    running = asyncio.create_task(bus.run(stop, ledger.listeners))
    await _until(lambda: ledger.has([lost]))
    stop.set()
    await running
    await database.close()
    assert most <= 8 // 4 + 2, "those of two listeners, and of whoever looks for all of them"
