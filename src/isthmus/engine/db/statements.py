"""Statements are built by SQLAlchemy Core and compiled once, at import; asyncpg runs them."""

import re
from collections.abc import Mapping

from sqlalchemy.dialects.postgresql import asyncpg as _asyncpg
from sqlalchemy.sql.elements import CompilerElement

_DIALECT = _asyncpg.dialect()  # type: ignore[no-untyped-call] # SQLAlchemy leaves its dialects untyped
_CALLED = re.compile(r"(\w+)\s*\(")
_LOCKS = re.compile(r"\bfor\s+(?:no\s+key\s+|key\s+)?(?:update|share)\b|\binto\b", re.IGNORECASE)
#: What may stand before a parenthesis in a statement that only reads: words of SQL, and functions without effect.
_HARMLESS = frozenset(
    (
        "all",
        "and",
        "any",
        "array",
        "cast",
        "clock_timestamp",
        "coalesce",
        "count",
        "exists",
        "in",
        "lateral",
        "lower",
        "max",
        "min",
        "not",
        "on",
        "or",
        "strpos",
        "sum",
    )
)


def _only_reads(sql: str) -> bool:
    """Whether a statement surely changes nothing and locks no row; in doubt it does."""
    called = {name.lower() for name in _CALLED.findall(sql)}
    return sql.startswith("SELECT") and called <= _HARMLESS and _LOCKS.search(sql) is None


class Statement:
    """One compiled statement: its text, and its parameters in order."""

    __slots__ = ("_fixed", "_wanted", "names", "only_reads", "sql")

    def __init__(self, sql: str, names: tuple[str, ...], fixed: Mapping[str, object]) -> None:
        self.sql = sql
        self.only_reads = _only_reads(sql)
        self.names = names
        self._fixed = dict(fixed)
        self._wanted = frozenset(names) - self._fixed.keys()

    def bind(self, parameters: Mapping[str, object]) -> list[object]:
        """The values in the statement's order. Raises TypeError for a missing or unknown name."""
        if parameters.keys() != self._wanted:
            raise TypeError(f"the statement takes {sorted(self._wanted)}, not {sorted(parameters)}: {self.sql}")
        fixed = self._fixed
        return [parameters[name] if name in parameters else fixed[name] for name in self.names]

    def __repr__(self) -> str:
        return f"Statement({self.sql!r})"


def statement(expression: CompilerElement) -> Statement:
    """Compile an expression. Parameters are `bindparam(name)`; literals become fixed values.

    `column.in_(...)` is refused: its text depends on the number of values; use `== func.any(bindparam(...))`.
    """
    compiled = expression.compile(dialect=_DIALECT)
    text = str(compiled)
    if "POSTCOMPILE" in text:
        raise ValueError(f"in_() cannot be compiled once; use == func.any(bindparam(...)): {text}")
    names = tuple(getattr(compiled, "positiontup", None) or ())
    binds = getattr(compiled, "binds", {})
    fixed = {name: binds[name].value for name in names if not binds[name].required}
    return Statement(text, names, fixed)
