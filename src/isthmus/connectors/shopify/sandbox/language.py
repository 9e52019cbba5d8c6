"""As much of GraphQL as a client of the Admin API speaks: one operation with variables and inline fragments."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_TOKEN = re.compile(
    r"""(?P<skip>[\s,]+|\#[^\n]*)|(?P<name>[A-Za-z_]\w*)|(?P<number>-?\d+(?:\.\d+)?)|(?P<text>"(?:[^"\\\n]|\\.)*")"""
    r"""|(?P<spread>\.\.\.)|(?P<sign>[{}()\[\]:$@!=])""",
    re.ASCII,
)
_WORDS = {"true": True, "false": False, "null": None}
_DEPTH = 20


class Unreadable(Exception):
    """The document is no operation that this dialect knows."""


@dataclass(frozen=True, slots=True)
class Variable:
    """A place that is filled from the variables of the request."""

    name: str


@dataclass(frozen=True, slots=True)
class Field:
    """One selected field; `on` is set for what is selected of one type alone."""

    name: str
    alias: str
    arguments: Mapping[str, object] = field(default_factory=dict)
    selected: tuple["Field", ...] = ()
    on: str = ""
    directives: Mapping[str, Mapping[str, object]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Operation:
    """A query or a mutation; `required` are the variables that must be there."""

    kind: str
    name: str
    variables: frozenset[str]
    required: frozenset[str]
    selected: tuple[Field, ...]


def parse(document: str) -> Operation:
    """Read a document of one operation. Raises Unreadable."""
    return _Reader(document).operation()


def filled(value: object, variables: Mapping[str, object]) -> object:
    """A value with its variables put in."""
    if isinstance(value, Variable):
        return variables.get(value.name)
    if isinstance(value, list):
        return [filled(one, variables) for one in value]
    if isinstance(value, dict):
        return {name: filled(one, variables) for name, one in value.items()}
    return value


class _Reader:
    def __init__(self, document: str) -> None:
        self._tokens = list(_tokens(document))
        self._at = 0

    def _peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _next(self) -> str:
        token = self._peek()
        if not token:
            raise Unreadable("syntax error, unexpected end of file")
        self._at += 1
        return token

    def _take(self, token: str) -> bool:
        if self._peek() != token:
            return False
        self._at += 1
        return True

    def _need(self, token: str) -> None:
        found = self._next()
        if found != token:
            raise Unreadable(f"syntax error, unexpected {found!r}, expecting {token!r}")

    def _name(self) -> str:
        found = self._next()
        if not (found[0].isalpha() or found[0] == "_"):
            raise Unreadable(f"syntax error, unexpected {found!r}, expecting a name")
        return found

    def operation(self) -> Operation:
        kind = "query" if self._peek() == "{" else self._name()
        if kind not in {"query", "mutation"}:
            raise Unreadable(f"unexpected {kind!r}")
        name = "" if self._peek() in {"{", "("} else self._name()
        known, required = self._declared() if self._take("(") else (set[str](), set[str]())
        selected = self._selection(0)
        if self._peek():
            raise Unreadable("one operation at a time")
        return Operation(kind, name, frozenset(known), frozenset(required), selected)

    def _declared(self) -> tuple[set[str], set[str]]:
        known: set[str] = set()
        required: set[str] = set()
        while not self._take(")"):
            self._need("$")
            name = self._name()
            self._need(":")
            must = self._type()
            if self._take("="):
                self._value(0)
                must = False
            known.add(name)
            required |= {name} if must else set()
        return known, required

    def _type(self) -> bool:
        """Whether the type takes no null."""
        if self._take("["):
            self._type()
            self._need("]")
        else:
            self._name()
        return self._take("!")

    def _selection(self, depth: int) -> tuple[Field, ...]:
        if depth > _DEPTH:
            raise Unreadable("nested too deeply")
        self._need("{")
        found: list[Field] = []
        while not self._take("}"):
            if self._take("..."):
                if self._peek() != "on":
                    raise Unreadable("named fragments are not emulated")
                self._need("on")
                found.append(Field("", "", on=self._name(), selected=self._selection(depth + 1)))
            else:
                found.append(self._field(depth))
        if not found:
            raise Unreadable("a selection holds at least one field")
        return tuple(found)

    def _field(self, depth: int) -> Field:
        name = alias = self._name()
        if self._take(":"):
            name = self._name()
        arguments = self._arguments(depth)
        directives: dict[str, Mapping[str, object]] = {}
        while self._take("@"):
            directive = self._name()
            directives[directive] = self._arguments(depth)
        selected = self._selection(depth + 1) if self._peek() == "{" else ()
        return Field(name, alias, arguments, selected, directives=directives)

    def _arguments(self, depth: int) -> dict[str, object]:
        found: dict[str, object] = {}
        if self._take("("):
            while not self._take(")"):
                name = self._name()
                self._need(":")
                found[name] = self._value(depth)
        return found

    def _value(self, depth: int) -> object:
        if depth > _DEPTH:
            raise Unreadable("nested too deeply")
        sign = self._next()
        if sign == "$":
            return Variable(self._name())
        if sign == "[":
            items: list[object] = []
            while not self._take("]"):
                items.append(self._value(depth + 1))
            return items
        if sign == "{":
            return self._object(depth)
        return _scalar(sign)

    def _object(self, depth: int) -> dict[str, object]:
        found: dict[str, object] = {}
        while not self._take("}"):
            name = self._name()
            self._need(":")
            found[name] = self._value(depth + 1)
        return found


def _tokens(document: str) -> list[str]:
    found: list[str] = []
    at = 0
    while at < len(document):
        token = _TOKEN.match(document, at)
        if token is None:
            raise Unreadable(f"syntax error, unexpected {document[at]!r}")
        if token.lastgroup != "skip":
            found.append(token[0])
        at = token.end()
    return found


def _scalar(token: str) -> object:
    if token[0] == '"':
        return token[1:-1]
    if token in _WORDS:
        return _WORDS[token]
    if token[0].isdigit() or token[0] == "-":
        return float(token) if "." in token else int(token)
    if not (token[0].isalpha() or token[0] == "_"):
        raise Unreadable(f"syntax error, unexpected {token!r}")
    return token
