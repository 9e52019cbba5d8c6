"""Tables of the commands: what is typed into other commands can be read off them, on a terminal and in a pipe."""

import io

import pytest
from rich.console import Console

from isthmus.cli import drawn

_ROW = (
    "int_01m813eekeqped50wg3azk0eze",
    "a-slug-that-is-rather-long",
    "A name, longer than any line of a terminal " * 3,
)


@pytest.mark.parametrize("terminal", [True, False])
def test_what_names_a_row_is_whole_in_one_line(terminal: bool) -> None:
    out = io.StringIO()
    table = drawn.columns("id", "slug", "name")
    table.add_row(*_ROW)
    drawn.show(table, Console(file=out, width=60, force_terminal=terminal, color_system=None))
    lines = out.getvalue().splitlines()
    assert any(_ROW[0] in line for line in lines)
    assert max(map(len, lines)) <= 60 or not terminal


def test_a_row_is_one_line_where_no_terminal_limits_it() -> None:
    out = io.StringIO()
    table = drawn.columns("id", "slug", "name")
    table.add_row(*_ROW)
    drawn.show(table, Console(file=out, width=60))
    assert any(all(cell.strip() in line for cell in _ROW) for line in out.getvalue().splitlines())
