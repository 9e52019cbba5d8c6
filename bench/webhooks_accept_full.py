"""Inbound webhooks with a past: what a delivery costs beside a million stored ones, a hundred thousand of them waiting
for another attempt, against nothing stored; and the same under a snapshot that somebody never lets go.

CPU of the API process (and of the worker in it, where the delivery is also worked off) and of PostgreSQL, for each
delivery, less what the same processes take while nothing is to be done. The cases take turns; medians. A round ends
when the process has nothing left to do and takes no more than it does at rest; one that does not in
`ISTHMUS_BENCH_PATIENCE` seconds is left out, and the table says so. `ISTHMUS_BENCH_STORED`, `ISTHMUS_BENCH_WAITING`,
`ISTHMUS_BENCH_EVENTS` and `ISTHMUS_BENCH_ROUNDS` change the sizes.
"""

import contextlib
import os
import statistics
import sys
import time
from dataclasses import dataclass, field

import psutil
import uvloop

from bench.hooks.past import STORED, WAITING
from bench.processes import tree, usage
from bench.report import Row, publish
from bench.webhooks_accept import Process, accepting, full, request

EVENTS = int(os.environ.get("ISTHMUS_BENCH_EVENTS", "5000"))
ROUNDS = int(os.environ.get("ISTHMUS_BENCH_ROUNDS", "5"))
PATIENCE = float(os.environ.get("ISTHMUS_BENCH_PATIENCE", "120"))
_LOOK = 0.5
#: So often a process is looked at to learn what it takes at rest; the machine may do something else at a time.
_LOOKS = 8
#: It is at rest where it takes no more of a core than this, or than this many times what it takes at best.
_IDLE, _TIMES = 0.05, 2.0


class Restless(Exception):
    """It did not come to rest; the text says what it was at."""


@dataclass
class Case:
    """One process, what it takes of a core at rest, and what its rounds were."""

    process: Process
    idle: float = 0.0
    rounds: list[float] = field(default_factory=list)
    restless: list[str] = field(default_factory=list)

    @property
    def median(self) -> float:
        """Microseconds for each delivery. Raises Restless when there was no round to the end."""
        if not self.rounds:
            raise Restless("; ".join(self.restless))
        return statistics.median(self.rounds)


def _rate(pid: int) -> float:
    """What it takes of a core just now."""
    before, begun = usage(pid).cpu_seconds, time.perf_counter()
    time.sleep(_LOOK)
    return (usage(pid).cpu_seconds - before) / (time.perf_counter() - begun)


def _settle(case: Case) -> None:
    """Wait until nothing is left to be done, by the process's own word and by what it takes. Raises Restless."""
    ends, most = time.perf_counter() + PATIENCE, max(_IDLE, _TIMES * case.idle)
    left: dict[str, int] = {}
    rate = 0.0
    while time.perf_counter() < ends:
        left = case.process.left()
        if not left and (rate := _rate(case.process.pid)) <= most:
            return
        if left:
            time.sleep(_LOOK)
    todo = ", ".join(f"{count} {what}" for what, count in left.items()) or "nothing"
    raise Restless(
        f"{case.process.which} is not at rest after {PATIENCE:g} s: {rate:.0%} of a core where at most {most:.0%} were "
        f"expected, {todo} left to be done, and busy: {_busy(case.process.pid)}"
    )


def _busy(pid: int) -> str:
    """Which of the processes take the most, by their titles."""
    every = tree(pid)
    for one in every:
        with contextlib.suppress(psutil.NoSuchProcess):
            one.cpu_percent()
    time.sleep(_LOOK)
    found: list[tuple[float, str]] = []
    for one in every:
        with contextlib.suppress(psutil.NoSuchProcess):
            found.append((one.cpu_percent(), " ".join(one.cmdline())[:60].strip() or one.name()))
    return ", ".join(f"{title} {share:.0f} %" for share, title in sorted(found, reverse=True)[:3])


def _round(case: Case) -> None:
    """Note the microseconds for each delivery, until all that it causes is done."""
    process = case.process
    requests = [request(process.url) for _ in range(EVENTS)]
    try:
        _settle(case)
        before, begun = usage(process.pid).cpu_seconds, time.perf_counter()
        uvloop.run(full(process.url, requests))
        _settle(case)
    except Restless as restless:
        sys.stderr.write(f"a round is left out: {restless}\n")
        case.restless.append(str(restless))
        return
    spent = usage(process.pid).cpu_seconds - before - case.idle * (time.perf_counter() - begun)
    case.rounds.append(spent / EVENTS * 1e6)


def _compare(empty: str, filled: str, held: str) -> list[Case]:
    """The three cases, turn by turn."""
    with accepting(empty) as one, accepting(filled) as two, accepting(held) as three:
        cases = [Case(one), Case(two), Case(three)]
        for case in cases:
            case.idle = min(_rate(case.process.pid) for _ in range(_LOOKS))
            uvloop.run(full(case.process.url, [request(case.process.url) for _ in range(1_000)]))
        for _ in range(ROUNDS):
            for case in cases:
                _round(case)
    return cases


def run() -> None:
    """Measure and publish; what was measured is published even where a case never came to rest."""
    past = f"{STORED} stored, {WAITING} waiting"
    rows: list[Row] = []
    failed: list[str] = []
    for what, worker in (("accepted", ""), ("accepted, routed and forwarded", "-worker")):
        cases = _compare("worker" if worker else "ours", f"full{worker}", f"held{worker}")
        out = sum(len(case.restless) for case in cases)
        note = f"{out} of {ROUNDS * len(cases)} rounds never came to rest and are left out" if out else ""
        try:
            empty, filled, held = (case.median for case in cases)
        except Restless as restless:
            failed.append(str(restless))
            continue
        rows += [
            Row(f"{what}: nothing stored", empty, "us CPU", None, note),
            Row(f"{what}: {past}", filled, "us CPU"),
            Row(f"{what}: the same against nothing stored", filled / empty, "times", 1.25),
            Row(f"{what}: under a held snapshot too", held / empty, "times", 1.25),
        ]
        publish("webhooks_accept_full", rows)
    if failed:
        raise SystemExit("\n".join(failed))


if __name__ == "__main__":
    run()
