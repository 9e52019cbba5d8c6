"""Expressions over the far side's JSON: JMESPath, compiled once; finding nothing is no error (pure)."""

from functools import lru_cache
from typing import Any

import jmespath
import jmespath.exceptions
import jmespath.parser

_LONGEST = 500


@lru_cache(maxsize=4_096)
def expression(source: str) -> jmespath.parser.ParsedResult:
    """A compiled expression. Raises ValueError saying what is wrong with it."""
    if len(source) > _LONGEST:
        raise ValueError(f"an expression has at most {_LONGEST} characters")
    try:
        return jmespath.compile(source)
    except jmespath.exceptions.JMESPathError as error:
        raise ValueError(str(error).splitlines()[0]) from None


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
