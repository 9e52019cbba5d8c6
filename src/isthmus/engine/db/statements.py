"""Statements are built by SQLAlchemy Core and compiled once, when they are first asked for; asyncpg runs them."""

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
    """One statement: its text, and its parameters in order, once compiled.

    There are hundreds, and a process that starts needs few: each is compiled at the first look at it.
    """

    __slots__ = ("_expression", "_fixed", "_wanted", "names", "only_reads", "sql")

    sql: str
    names: tuple[str, ...]
    only_reads: bool
    _fixed: Mapping[str, object]
    _wanted: frozenset[str]

    def __init__(self, expression: CompilerElement) -> None:
        self._expression = expression

    def __getattr__(self, name: str) -> object:
        """Asked for what is not there yet."""
        if name not in self.__slots__ or name == "_expression":
            raise AttributeError(name)
        self._compile()
        return getattr(self, name)

    def _compile(self) -> None:
        compiled = self._expression.compile(dialect=_DIALECT)
        text = str(compiled)
        if "POSTCOMPILE" in text:
            raise ValueError(f"in_() cannot be compiled once; use == func.any(bindparam(...)): {text}")
        names = tuple(getattr(compiled, "positiontup", None) or ())
        binds = getattr(compiled, "binds", {})
        self._fixed = {name: binds[name].value for name in names if not binds[name].required}
        self._wanted = frozenset(names) - self._fixed.keys()
        self.names = names
        self.only_reads = _only_reads(text)
        self.sql = text

    def bind(self, parameters: Mapping[str, object]) -> list[object]:
        """The values in the statement's order. Raises TypeError for a missing or unknown name."""
        if parameters.keys() != self._wanted:
            raise TypeError(f"the statement takes {sorted(self._wanted)}, not {sorted(parameters)}: {self.sql}")
        fixed = self._fixed
        return [parameters[name] if name in parameters else fixed[name] for name in self.names]

    def __repr__(self) -> str:
        return f"Statement({self.sql!r})"


def statement(expression: CompilerElement) -> Statement:
    """A statement of this expression. Parameters are `bindparam(name)`; literals become fixed values.

    `column.in_(...)` is refused: its text depends on the number of values; use `== func.any(bindparam(...))`.
    """
    return Statement(expression)
