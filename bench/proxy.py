"""A proxied GET beside a bare reverse proxy of aiohttp: CPU of all processes but the far side's, and statements."""

import os
import statistics

from bench.processes import free_port
from bench.report import Row, publish
from bench.serving.running import ask, cpu, module, serving, wait

ROUNDS = int(os.environ.get("ISTHMUS_BENCH_ROUNDS", "5"))
REQUESTS = int(os.environ.get("ISTHMUS_BENCH_REQUESTS", "3000"))
_WARM = 400


def run() -> None:
    """Both proxies in turn, over the same far side."""
    ours: list[float] = []
    theirs: list[float] = []
    port = free_port()
    with serving() as (server, far_url), module("bench.serving.bare", str(port), far_url) as bare:
        wait(port)
        known = server.asked["1"]
        path = f"/api/proxy/{known['connection']}/items?page=1"
        addresses = (server.address + path, f"http://127.0.0.1:{port}{path}")
        for address in addresses:
            ask(address, known["token"], _WARM)
        before = server.statements()
        for _ in range(ROUNDS):
            for address, process, costs in zip(addresses, (server.process, bare), (ours, theirs), strict=True):
                spent = cpu(process)
                ask(address, known["token"], REQUESTS)
                costs.append((cpu(process) - spent) / REQUESTS * 1e6)
        made = (server.statements() - before) / (ROUNDS * REQUESTS)
    bare_cost = statistics.median(theirs)
    publish(
        "proxy",
        [
            Row(
                "a proxied GET, all processes, median",
                statistics.median(ours),
                "us CPU",
                500.0,
                f"bare aiohttp reverse proxy {bare_cost:.0f} us",
            ),
            Row("statements per call once warm", made, "", 0.1),
        ],
    )
