"""How late live webhooks are handled while a million stored ones are worked off once more (RL-08).

One process with the API and the worker, and deliveries that come at a steady rate. Rounds in which nothing else happens
and rounds in which a replay of everything stored is under way take turns. Each figure is the median of the rounds' 95th
percentiles, from a delivery's arrival to the end of its handler, by the deployment's own record. The replay does not
end within the rounds. `ISTHMUS_BENCH_STORED`, `ISTHMUS_BENCH_ROUNDS` and `ISTHMUS_BENCH_SECONDS` change the sizes.
"""

import asyncio
import os
import statistics
import time
from urllib.parse import urlsplit

import uvloop

from bench.report import Row, publish
from bench.webhooks_accept import Process, accepting, request

ROUNDS = int(os.environ.get("ISTHMUS_BENCH_ROUNDS", "5"))
SECONDS = float(os.environ.get("ISTHMUS_BENCH_SECONDS", "6"))
STORED = int(os.environ.get("ISTHMUS_BENCH_STORED", "1000000"))
_RATE = 25
_SETTLE = 1.0
_MOST = 1.1
_PATIENCE = 120.0


async def _steadily(url: str, seconds: float) -> None:
    """Deliveries one after the other in time, each on a connection of its own that stays open."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    begun = time.perf_counter()
    for number in range(int(_RATE * seconds)):
        await asyncio.sleep(max(0.0, begun + number / _RATE - time.perf_counter()))
        writer.write(request(url))
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(head.decode())
    writer.close()


def _settle(process: Process) -> None:
    """Wait until everything that came has been handled. Raises RuntimeError when it is not in time."""
    ends = time.perf_counter() + _PATIENCE
    while left := process.left():
        if time.perf_counter() > ends:
            raise RuntimeError(f"left to be done: {left}")
        time.sleep(0.2)


def _p95(process: Process, *, replay: bool) -> float:
    """One round's 95th percentile in milliseconds."""
    if replay:
        process.tell("replay")
        time.sleep(_SETTLE)
    process.tell("late")
    uvloop.run(_steadily(process.url, SECONDS))
    time.sleep(_SETTLE)
    late: list[float] = process.tell("late")["late"]
    if replay and not process.tell("cancel")["running"]:
        raise RuntimeError("the replay ended within the round; raise ISTHMUS_BENCH_STORED")
    if len(late) < _RATE * SECONDS * 0.9:
        raise RuntimeError(f"of {_RATE * SECONDS:g} deliveries {len(late)} were handled in time")
    _settle(process)
    return statistics.quantiles(late, n=20)[-1]


def run() -> None:
    """Let the rounds take turns."""
    os.environ.setdefault("ISTHMUS_BENCH_WAITING", "0")
    with accepting("full-worker") as process:
        uvloop.run(_steadily(process.url, 2.0))
        _settle(process)
        alone, beside = list[float](), list[float]()
        for number in range(ROUNDS):
            for replay in (False, True) if number % 2 else (True, False):
                (beside if replay else alone).append(_p95(process, replay=replay))
        process.tell("replay")
        time.sleep(_SETTLE)
        replayed = process.tell("cancel")["done"]
    quiet, busy = statistics.median(alone), statistics.median(beside)
    publish(
        "replay_beside_live",
        [
            Row("live delivery from arrival to handled, nothing else: 95th percentile", quiet, "ms"),
            Row(f"while {STORED:,} stored ones are replayed", busy, "ms"),
            Row("while they are replayed, by nothing else", busy / quiet, "times", _MOST),
            Row("replayed meanwhile", replayed / (ROUNDS * (SECONDS + 2 * _SETTLE)), "a second"),
        ],
    )
