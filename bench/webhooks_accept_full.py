"""Inbound webhooks with a past: what a delivery costs beside a million stored ones, a hundred thousand of them waiting
for another attempt, against nothing stored; and the same under a snapshot that somebody never lets go.

CPU of the API process (and of the worker in it, where the delivery is also worked off) and of PostgreSQL, for each
delivery. The cases take turns; medians. `ISTHMUS_BENCH_STORED`, `ISTHMUS_BENCH_WAITING`, `ISTHMUS_BENCH_EVENTS` and
`ISTHMUS_BENCH_ROUNDS` change the sizes.
"""

import os
import statistics
import time

import uvloop

from bench.hooks.past import STORED, WAITING
from bench.processes import usage
from bench.report import Row, publish
from bench.webhooks_accept import accepting, full, request

EVENTS = int(os.environ.get("ISTHMUS_BENCH_EVENTS", "5000"))
ROUNDS = int(os.environ.get("ISTHMUS_BENCH_ROUNDS", "5"))
#: A process that takes less of a core than this has done its work.
_IDLE = 0.05
_LOOK = 0.5


def _settled(pid: int, patience: float = 120.0) -> float:
    """CPU seconds that a process has taken, once it takes hardly any more."""
    before, ends = usage(pid).cpu_seconds, time.perf_counter() + patience
    while time.perf_counter() < ends:
        time.sleep(_LOOK)
        now = usage(pid).cpu_seconds
        if now - before < _IDLE * _LOOK:
            return now
        before = now
    raise RuntimeError("it does not come to rest")


def _cost(pid: int, url: str) -> float:
    """Microseconds for each delivery, until all that it causes is done."""
    requests = [request(url) for _ in range(EVENTS)]
    before = _settled(pid)
    uvloop.run(full(url, requests))
    return (_settled(pid) - before) / EVENTS * 1e6


def _compare(empty: str, filled: str, held: str) -> tuple[float, float, float]:
    """Medians of the three cases, turn by turn."""
    with accepting(empty) as one, accepting(filled) as two, accepting(held) as three:
        cases = (one, two, three)
        for _, url in cases:
            uvloop.run(full(url, [request(url) for _ in range(1_000)]))
        rounds = [[_cost(*case) for case in cases] for _ in range(ROUNDS)]
    medians = [statistics.median(column) for column in zip(*rounds, strict=True)]
    return medians[0], medians[1], medians[2]


def run() -> None:
    """Measure and publish."""
    past = f"{STORED} stored, {WAITING} waiting"
    rows: list[Row] = []
    for what, worker in (("accepted", ""), ("accepted, routed and forwarded", "-worker")):
        empty, filled, held = _compare("worker" if worker else "ours", f"full{worker}", f"held{worker}")
        rows += [
            Row(f"{what}: nothing stored", empty, "us CPU"),
            Row(f"{what}: {past}", filled, "us CPU"),
            Row(f"{what}: the same against nothing stored", filled / empty, "times", 1.25),
            Row(f"{what}: under a held snapshot too", held / empty, "times", 1.25),
        ]
    publish("webhooks_accept_full", rows)


if __name__ == "__main__":
    run()
