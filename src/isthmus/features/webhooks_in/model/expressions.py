"""Filters and transformations: JMESPath over a delivery's body, with a budget instead of trust (security.md IN-04).

An expression cannot reach anything but the document that it is given. Every step and every member that it makes is
counted, and a structure is measured before it is written out or compared, because JMESPath can name the same part
twice at every step, and so double a small document as often as it likes.
"""

import warnings
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import jmespath
import msgspec
from jmespath import functions
from jmespath.exceptions import JMESPathError
from jmespath.parser import ParsedResult
from jmespath.visitor import Options, TreeInterpreter

if TYPE_CHECKING:
    from jmespath.visitor import _TreeNode

#: Characters of an expression; steps and members of one evaluation; bytes of what comes out.
LONGEST = 2_000
BUDGET = 100_000
MOST_BYTES = 256 * 1024
_DEPTH = 20
_LETTERS = 64


class ExpressionFailed(Exception):
    """An expression that cannot be read, or did not end within its budget; the text says which."""


class _Budget:
    def __init__(self) -> None:
        self._left = BUDGET

    def pay(self, price: int) -> None:
        self._left -= price
        if self._left < 0:
            raise ExpressionFailed(f"The expression took more than {BUDGET} steps.")

    def measure(self, value: object, depth: int = 0) -> None:
        """Pay for a whole structure; what is in it twice counts twice."""
        if depth > _DEPTH:
            raise ExpressionFailed(f"What comes out is more than {_DEPTH} levels deep.")
        self.pay(_size(value))
        for one in value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ():
            self.measure(one, depth + 1)


def _size(value: object) -> int:
    if isinstance(value, str):
        return 1 + len(value) // _LETTERS
    return 1 + (len(value) if isinstance(value, list | Mapping) else 0)


def _joined(between: object, members: object) -> int:
    """What the text will be measured with that `join` makes: a long text between many short ones is made of little."""
    if not isinstance(between, str) or not isinstance(members, list):
        return 0
    return (len(between) * len(members) + sum(len(one) for one in members if isinstance(one, str))) // _LETTERS


class _Functions(functions.Functions):
    """The standard functions; what writes a structure out, or compares with it, pays for it first."""

    def __init__(self, budget: "_Budget") -> None:
        self._budget = budget

    def call_function(self, function_name: str, resolved_args: Iterable[Any]) -> object:
        given = list(resolved_args)
        if function_name in {"to_string", "contains"}:
            for one in given:
                self._budget.measure(one)
        if function_name == "join" and len(given) == 2:
            self._budget.pay(_joined(*given))
        return super().call_function(function_name, given)


class _Interpreter(TreeInterpreter):
    """The library's own interpreter, which pays for each step and for what it makes."""

    def __init__(self) -> None:
        self._budget = _Budget()
        super().__init__(Options(custom_functions=_Functions(self._budget)))

    def visit(self, node: "_TreeNode", *args: object, **kwargs: object) -> object:
        made = super().visit(node, *args, **kwargs)
        self._budget.pay(_size(made))
        return made

    def visit_comparator(self, node: "_TreeNode", value: object) -> object:
        # each side once: in a chain of comparisons, looking twice would double the work with every link
        sides = [self.visit(child, value) for child in node["children"]]
        for one in sides:
            self._budget.measure(one)
        known: list[_TreeNode] = [{"type": "literal", "value": one, "children": []} for one in sides]
        return super().visit_comparator({**node, "children": known}, value)

    def result(self, parsed: ParsedResult, value: object) -> object:
        """Evaluate, and measure what comes out."""
        made = self.visit(parsed.parsed, value)
        self._budget.measure(made)
        return made


@lru_cache(maxsize=1024)
def _parsed(expression: str) -> ParsedResult:
    if len(expression) > LONGEST:
        raise ExpressionFailed(f"An expression has at most {LONGEST} characters.")
    try:
        with warnings.catch_warnings():
            # a text in the quotes of a literal is an older form, which the library only warns of
            warnings.simplefilter("ignore", PendingDeprecationWarning)
            return jmespath.compile(expression)
    except JMESPathError as error:
        raise ExpressionFailed(f"This is not JMESPath: {str(error).splitlines()[0]}") from None
    except RecursionError:
        raise ExpressionFailed("The expression is nested too deeply.") from None


def check(expression: str) -> None:
    """Raise ExpressionFailed for what is no expression."""
    _parsed(expression)


def evaluate(expression: str, document: object) -> object:
    """What the expression makes of a JSON document. Raises ExpressionFailed."""
    try:
        made: object = _Interpreter().result(_parsed(expression), document)
        if len(msgspec.json.encode(made)) > MOST_BYTES:
            raise ExpressionFailed(f"What comes out is larger than {MOST_BYTES} bytes.")
    except JMESPathError as error:
        raise ExpressionFailed(f"The expression does not fit this body: {str(error).splitlines()[0]}") from None
    except (TypeError, ValueError, ArithmeticError, RecursionError) as error:
        raise ExpressionFailed(f"The expression does not fit this body: {type(error).__name__}.") from None
    return made


def holds(expression: str, document: object) -> bool:
    """Whether a filter lets the document through: JMESPath's own truth. Raises ExpressionFailed."""
    made = evaluate(expression, document)
    return made is not None and made is not False and made not in ("", [], {})
