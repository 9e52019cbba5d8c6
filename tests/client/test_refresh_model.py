"""The refresh protocol as a pure step function, every interleaving of workers, crashes and expiring leases (3.5)."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest


@dataclass(frozen=True)
class Worker:
    """at: idle, leased, marked (sending written), replied (new pair in hand), done, dead, told (uncertain)."""

    at: str = "idle"
    version: int = 0
    uncertain: bool = False


@dataclass(frozen=True)
class World:
    """The store row, the platform's rotating refresh token, and the workers."""

    workers: tuple[Worker, ...]
    version: int = 0
    holder: int | None = None
    sending: bool = False
    valid: int = 0
    chain_dead: bool = False
    sends: tuple[int, ...] = (0, 0, 0, 0)
    crashed_in_flight: bool = False
    told: bool = False


@dataclass(frozen=True)
class Rules:
    """What the protocol promises; each turned off is a fault the search must find."""

    lease_outlives_exchange: bool = True
    checks_lease_before_sending: bool = True
    marks_before_sending: bool = True
    stores_with_compare: bool = True


def put(world: World, at: int, worker: Worker) -> World:
    workers = list(world.workers)
    workers[at] = worker
    return replace(world, workers=tuple(workers))


def send(world: World, at: int) -> World:
    """Bytes leave: the platform rotates, or revokes the chain when an old token comes back."""
    worker = world.workers[at]
    sends = list(world.sends)
    sends[worker.version] += 1
    world = replace(world, sends=tuple(sends))
    if world.chain_dead or worker.version != world.valid:
        return put(replace(world, chain_dead=True, told=worker.uncertain, holder=None), at, replace(worker, at="told"))
    return put(replace(world, valid=world.valid + 1), at, replace(worker, at="replied"))


def steps(world: World, rules: Rules, goal: int) -> Iterator[World]:
    for at, worker in enumerate(world.workers):
        mine = world.holder == at
        if worker.at == "idle" and world.holder is None and world.version < goal and not world.chain_dead:
            yield put(replace(world, holder=at), at, Worker("leased", world.version, world.sending))
        elif worker.at == "leased":
            if mine:
                marked = replace(world, sending=rules.marks_before_sending)
                yield put(marked, at, replace(worker, at="marked"))
            else:
                yield put(world, at, Worker())
        elif worker.at == "marked":
            if mine or not rules.checks_lease_before_sending:
                yield send(world, at)
            else:
                yield put(world, at, Worker())
        elif worker.at == "replied":
            if not rules.stores_with_compare or (mine and world.version == worker.version):
                stored = replace(world, version=worker.version + 1, holder=None, sending=False)
                yield put(stored, at, Worker("done"))
            else:
                yield put(world, at, Worker("done"))
    yield from faults(world, rules)


def faults(world: World, rules: Rules) -> Iterator[World]:
    crashes = sum(worker.at == "dead" for worker in world.workers)
    for at, worker in enumerate(world.workers):
        if crashes == 0 and worker.at in {"leased", "marked", "replied"}:
            lost = worker.at == "replied"
            yield put(replace(world, crashed_in_flight=lost), at, replace(worker, at="dead"))
    if world.holder is not None:
        at_work = world.workers[world.holder].at == "replied"
        if not (rules.lease_outlives_exchange and at_work):
            yield replace(world, holder=None)


def bad(world: World) -> str | None:
    if world.chain_dead and not world.crashed_in_flight:
        return "the chain died although nobody died between send and store"
    if world.chain_dead and not world.told:
        return "the chain died and the successor did not know why"
    limit = 2 if world.crashed_in_flight else 1
    if max(world.sends) > limit:
        return "a refresh token was sent too often"
    return None


def search(rules: Rules, workers: int, goal: int) -> tuple[int, str | None]:
    start = World(tuple(Worker() for _ in range(workers)))
    seen, queue = {start}, [start]
    for world in queue:
        verdict = bad(world)
        if verdict:
            return len(seen), verdict
        for following in steps(world, rules, goal):
            if following not in seen:
                seen.add(following)
                queue.append(following)
    return len(seen), None


@pytest.mark.parametrize(("workers", "goal"), [(2, 1), (3, 1), (3, 2), (4, 1)])
def test_OA_15_no_interleaving_kills_a_refresh_token(workers: int, goal: int) -> None:
    states, verdict = search(Rules(), workers, goal)
    assert verdict is None
    assert states > 50


@pytest.mark.parametrize(
    "rules",
    [
        Rules(lease_outlives_exchange=False),
        Rules(checks_lease_before_sending=False),
        Rules(marks_before_sending=False),
    ],
)
def test_OA_15_each_rule_is_needed(rules: Rules) -> None:
    assert search(rules, 2, 1)[1] is not None
