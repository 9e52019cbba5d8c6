"""How the demo shows itself: a live line per shop and a table at the end."""

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from rich import box
from rich.console import Console
from rich.progress import BarColumn, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars
from rich.table import Table

from isthmus.cli.demo_steps import Outcome
from isthmus.kit import text


class Progress:
    """One line per shop: state, listings so far, pages, and what it waits for."""

    def __init__(self, console: Console) -> None:
        self._bars = Bars(
            SpinnerColumn(),
            TextColumn("{task.description:<10}"),
            BarColumn(bar_width=30),
            TextColumn("{task.fields[said]}"),
            TimeElapsedColumn(),
            console=console,
        )
        self._lines: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def show(self, provider: str, run: Mapping[str, Any]) -> None:
        """Draw one shop's run as the API describes it."""
        what = "orders" if run["entity"] == "orders" else "listings"
        line = f"{provider} {what}"
        if line not in self._lines:
            self._lines[line] = self._bars.add_task(provider, total=None, said="")
        read = run["listings"]
        said = f"{_counted(read, what)}, {_counted(run['pages'], 'pages')}"
        if run["waitingReason"]:
            said += f", waiting: {text.terminal(run['waitingReason'])}"
        size = read if run["finishedAt"] else run["total"]
        self._bars.update(self._lines[line], completed=read, total=size or None, said=said)


def _counted(number: int, what: str) -> str:
    return f"{number} {what.removesuffix('s') if number == 1 else what}"


def outcome_table(rows: Sequence[Outcome]) -> Table:
    """What happened, one row per shop."""
    table = Table(title="What happened", title_justify="left", box=box.SIMPLE_HEAD, padding=0, pad_edge=False)
    table.add_column("shop", no_wrap=True)
    for name in ("listings", "variants", "orders", "pages", "errors", "retries", "throttled", "s", "rows/CPU s"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        shop = row.provider if row.state == "succeeded" else f"{row.provider} ({row.state})"
        counts = (row.listings, row.variants, row.orders, row.pages, row.failed, row.retries, row.throttled)
        speed = (f"{row.seconds:.1f}", f"{row.rows_per_cpu_second:.0f}")
        table.add_row(shop, *(str(count) for count in counts), *speed)
    return table
