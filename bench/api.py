"""CPU per request by how much a tenant and the deployment have, and the list beside a plain service's.

Four routes for tenants with 1, 100 and 10,000 integrations, beside 5,000 other tenants; lists are asked for one row, so
that the answers are equally long. PostgreSQL is counted in.
"""

import os
import statistics
from collections.abc import Mapping
from pathlib import Path

from bench.processes import free_port
from bench.report import Row, publish
from bench.serving.running import Serving, ask, cpu, module, serving, wait

ROUNDS = int(os.environ.get("ISTHMUS_BENCH_ROUNDS", "3"))
REQUESTS = int(os.environ.get("ISTHMUS_BENCH_REQUESTS", "1500"))
_WARM = 300
_PEER = str(Path(__file__).parents[1] / ".venv-bench" / "bin" / "python")
_SPREAD, _GAIN = 1.5, 0.5
_ROUTES: Mapping[str, str] = {
    "catalog list": "/api/integrations?limit=1",
    "integration list": "/api/tenant/integrations?limit=1",
    "connection status": "/api/tenant/integrations/{integration}/connection",
    "widget data": "/api/tenant/integrations/{integration}/widgets/data?entity=items",
}


def _cost(server: Serving, address: str, token: str) -> float:
    spent = cpu(server.process)
    ask(address, token, REQUESTS)
    return (cpu(server.process) - spent) / REQUESTS * 1e6


def _spread(server: Serving, route: str) -> tuple[float, dict[str, float]]:
    """The dearest size by the cheapest one, and what each costs."""
    costs: dict[str, list[float]] = {size: [] for size in server.asked}
    for known in server.asked.values():
        ask(server.address + route.format(**known), known["token"], _WARM)
    for _ in range(ROUNDS):
        for size, known in server.asked.items():
            costs[size].append(_cost(server, server.address + route.format(**known), known["token"]))
    medians = {size: statistics.median(found) for size, found in costs.items()}
    return max(medians.values()) / min(medians.values()), medians


def _beside_plain(server: Serving) -> Row:
    """A page of 50 of 10,000, ours and a plain service's in turn."""
    port = free_port()
    known = server.asked["10000"]
    path = "/api/tenant/integrations?limit=50"
    ours: list[float] = []
    theirs: list[float] = []
    with module("bench.serving.plain", str(port), server.database, str(_key(server.home)), python=_PEER) as plain:
        wait(port)
        addresses = (server.address + path, f"http://127.0.0.1:{port}{path}")
        for address in addresses:
            ask(address, known["token"], _WARM)
        for _ in range(ROUNDS):
            for address, costs in zip(addresses, (ours, theirs), strict=True):
                spent = cpu(server.process, plain)
                ask(address, known["token"], REQUESTS)
                costs.append((cpu(server.process, plain) - spent) / REQUESTS * 1e6)
    mine, plain_cost = statistics.median(ours), statistics.median(theirs)
    name = "integration list of 50, as a share of a plain FastAPI + SQLAlchemy service"
    return Row(name, mine / plain_cost, "of 1", _GAIN, f"{mine:.0f} us beside {plain_cost:.0f} us")


def _key(home: Path) -> Path:
    """The file of the key that development tokens are signed with."""
    return next(path for path in sorted(home.rglob("*")) if "development" in path.name and path.is_file())


def run() -> None:
    """Every route at every size, then the peer."""
    rows = []
    with serving() as (server, _):
        for name, route in _ROUTES.items():
            spread, medians = _spread(server, route)
            told = ", ".join(f"{size}: {cost:.0f} us" for size, cost in medians.items())
            rows.append(Row(f"{name}: dearest by cheapest size", spread, "of 1", _SPREAD, told))
        rows.append(_beside_plain(server))
    publish("api", rows)
