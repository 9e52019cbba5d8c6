"""Tables as they are read: whole where another program or a file reads them, within the width of a terminal else."""

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

_WIDEST = 10_000


def columns(first: str, *others: str) -> Table:
    """A table whose first column, by which a row is named to other commands, is never cut."""
    table = Table()
    table.add_column(first, no_wrap=True)
    for heading in others:
        table.add_column(heading, overflow="fold")
    return table


def show(table: Table, console: Console | None = None) -> None:
    """Print it to standard output. Nothing is folded or cut where no terminal limits a line."""
    out = console or Console(highlight=False)
    if not out.is_terminal:
        wanted = Measurement.get(out, out.options.update(max_width=_WIDEST), table).maximum
        out.width = max(out.width, wanted)
    out.print(table)
