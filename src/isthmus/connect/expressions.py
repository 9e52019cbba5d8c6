"""Expressions over the far side's JSON: JMESPath, compiled once; finding nothing is no error (pure).

JMESPath can name the same part twice at every step, and so double a small record as often as it likes; what an
expression may make of a record is judged before it is used (security.md IN-04).
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from math import prod
from typing import Any

import jmespath
import jmespath.exceptions
import jmespath.parser

_LONGEST = 500
#: How many times as large as a record what is made of it may become.
_MOST_TIMES = 1_000
#: Steps that are taken for each part of what the step before them found.
_IN_TURN = frozenset(
    {"subexpression", "pipe", "index_expression", "projection", "value_projection", "filter_projection"}
)


@lru_cache(maxsize=4_096)
def expression(source: str) -> jmespath.parser.ParsedResult:
    """A compiled expression. Raises ValueError saying what is wrong with it."""
    if len(source) > _LONGEST:
        raise ValueError(f"an expression has at most {_LONGEST} characters")
    try:
        found = jmespath.compile(source)
        times = _times(found.parsed)
    except jmespath.exceptions.JMESPathError as error:
        raise ValueError(str(error).splitlines()[0]) from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if times > _MOST_TIMES:
        raise ValueError(f"it may make more than {_MOST_TIMES} times as much of a record as there is")
    return found


def _times(node: Mapping[str, Any]) -> int:
    """At most how many times what it is given an expression goes through and gives back."""
    inner = [_times(one) for one in node["children"] if isinstance(one, dict)]
    if node["type"] == "function_expression" and node["value"] == "join":
        inner.append(_between(node["children"]))
    in_turn = node["type"] in _IN_TURN or (node["type"] == "function_expression" and node["value"] == "map")
    return max(1, prod(inner) if in_turn else sum(inner))


def _between(arguments: Sequence[Mapping[str, Any]]) -> int:
    """What stands between joined texts comes once for each of them: a text of the expression's own, or too much."""
    first = arguments[0] if arguments else {"type": ""}
    return len(str(first["value"])) if first["type"] == "literal" else _MOST_TIMES + 1


def find(source: str, value: object) -> Any:  # noqa: ANN401 - any JSON
    """What the expression finds; None where it finds nothing or does not fit. An empty one is the value itself."""
    if not source:
        return value
    try:
        return expression(source).search(value)
    except (jmespath.exceptions.JMESPathError, TypeError, ValueError, RecursionError):
        return None


def items(source: str, value: object) -> list[object]:
    """The records that the expression finds; one object alone counts as a list of one."""
    found = find(source, value)
    if found is None:
        return []
    return found if isinstance(found, list) else [found]
