"""How a benchmark says what it measured: a table for people and a JSON file for tools."""

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Row:
    """One figure. `target` is the largest value that is good enough (None: reported only)."""

    name: str
    value: float
    unit: str
    target: float | None = None
    peer: str = ""

    @property
    def ok(self) -> bool | None:
        """Whether the target is met; None without one."""
        return None if self.target is None else self.value <= self.target


def machine() -> str:
    """What the figures were measured on, without a name or an address."""
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"


def publish(name: str, rows: Sequence[Row]) -> dict[str, object]:
    """Print the table and write `bench/results/<name>.json`."""
    table = Table(title=f"{name} ({machine()})", title_justify="left")
    for column in ("figure", "value", "unit", "target", "peer", "met"):
        table.add_column(column, justify="right" if column in ("value", "target") else "left")
    for row in rows:
        met = {True: "yes", False: "NO", None: ""}[row.ok]
        target = "" if row.target is None else f"{row.target:g}"
        table.add_row(row.name, f"{row.value:.4g}", row.unit, target, row.peer, met)
    Console().print(table)
    result: dict[str, object] = {
        "name": name,
        "machine": machine(),
        "rows": [{**asdict(row), "ok": row.ok} for row in rows],
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(result, indent=1), "utf-8")
    return result
