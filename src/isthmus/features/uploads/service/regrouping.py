"""Products whose rows stand anywhere in the file: put in order in a table on disk, so that memory stays bounded."""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Final

import msgspec

from isthmus.features.uploads.model.formats import Children
from isthmus.features.uploads.model.grouping import Group
from isthmus.features.uploads.model.rows import Row
from isthmus.features.uploads.model.shaping import EXTRA, SKIPPED, VARIANT, Shape

_SCHEMA: Final = """
create table parts (seq integer primary key, line integer, names_parent integer, parent text, cells blob, home text);
create table names (name text primary key, home text) without rowid;
create table claims (child text primary key, home text, options blob) without rowid;
"""
_SETTLE: Final = """
update parts set home = coalesce(
  (select home from names where name = parts.parent and parts.names_parent),
  (select home from claims where child = parts.home),
  case when names_parent then parent else home end)
"""
_ORDERED: Final = """
select p.home, p.line, p.cells, c.options from parts p
join (select home, min(seq) as first from parts group by home) g on g.home = p.home
left join claims c on c.child = p.parent and not p.names_parent
order by g.first, p.seq
"""


def scattered(rows: Iterable[Row], shape: Shape, place: Path, skip: int) -> Iterator[Group]:
    """Products in the order of their first rows, from the `skip`-th on; `place` is a file that may be written.

    What could not be read comes first. A place behind a group is the number of groups so far.
    """
    # Pages are drawn one after the other, though each in whatever thread is free.
    with closing(sqlite3.connect(place, check_same_thread=False)) as spool:
        spool.executescript("pragma journal_mode=off; pragma synchronous=off;" + _SCHEMA)
        broken = [row for row in _stored(spool, rows, shape) if row.problem]
        spool.execute(_SETTLE)
        number = 0
        of = len(broken) + int(spool.execute("select count(distinct home) from parts").fetchone()[0])
        for row in broken:
            number += 1
            if number > skip:
                yield Group("", (row,), row.line, number, row.problem, of=of)
        extras = shape.form.kinds is not None and bool(shape.form.kinds.extra)
        for group in _ordered(spool):
            number += 1
            if number > skip:
                # Pictures of what is no product, such as a page, are none either.
                alone = extras and all(shape.role(row) == EXTRA for row in group.rows)
                yield msgspec.structs.replace(group, end=number, of=of, rows=() if alone else group.rows)


def _stored(spool: sqlite3.Connection, rows: Iterable[Row], shape: Shape) -> Iterator[Row]:
    """Write every row; answers those that could not be read."""
    for row in rows:
        if row.problem is not None:
            yield row
            continue
        role = shape.role(row)
        if role == SKIPPED:
            continue
        key = shape.key(row)
        if not key:
            yield msgspec.structs.replace(row, problem=f"none of the columns {', '.join(shape.form.key)} is filled")
            continue
        _store(spool, row, role, key, shape)


def _store(spool: sqlite3.Connection, row: Row, role: str, key: str, shape: Shape) -> None:
    form = shape.form
    parent = shape.cell(row, form.parent) if form.parent else ""
    named = role in (VARIANT, EXTRA) and bool(parent)
    values = (row.line, named, parent if named else key, msgspec.json.encode(row.cells), key)
    spool.execute("insert into parts (line, names_parent, parent, cells, home) values (?, ?, ?, ?, ?)", values)
    if role in (VARIANT, EXTRA):
        return
    for column in form.key:
        if name := shape.cell(row, column):
            _name(spool, name, key)
            _name(spool, f"{form.parent_prefix}{name}", key)
    if form.children is not None:
        for child, options in _children(shape.cell(row, form.children.column), form.children):
            claim = (child, key, msgspec.json.encode(options))
            spool.execute("insert or ignore into claims values (?, ?, ?)", claim)


def _name(spool: sqlite3.Connection, name: str, home: str) -> None:
    spool.execute("insert or ignore into names values (?, ?)", (name, home))


def _children(cell: str, form: Children) -> Iterator[tuple[str, Mapping[str, str]]]:
    for one in cell.split(form.between):
        pairs = dict(pair.strip().partition("=")[::2] for pair in one.split(form.pairs) if "=" in pair)
        if child := pairs.pop(form.key, ""):
            yield child, pairs


def _ordered(spool: sqlite3.Connection) -> Iterator[Group]:
    home: str | None = None
    held: list[Row] = []
    extra: dict[int, Mapping[str, str]] = {}
    for found, line, cells, options in spool.execute(_ORDERED):
        if found != home and held:
            yield Group(str(home), held, held[-1].line, 0, extra=extra)
            held, extra = [], {}
        home = found
        held.append(Row(line, 0, msgspec.json.decode(cells)))
        if options is not None:
            extra[line] = msgspec.json.decode(options)
    if held:
        yield Group(str(home), held, held[-1].line, 0, extra=extra)
