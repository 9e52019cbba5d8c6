"""Finds the route of a request: literal segments before parameters, whatever the order of declaration."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from isthmus.http.errors import CannotStart

T = TypeVar("T")


@dataclass(slots=True)
class _Node(Generic[T]):
    literals: "dict[str, _Node[T]]" = field(default_factory=dict)
    parameter: "_Node[T] | None" = None
    methods: dict[str, tuple[T, tuple[str, ...]]] = field(default_factory=dict)
    rest: dict[str, tuple[T, tuple[str, ...]]] = field(default_factory=dict)


class RouteTable(Generic[T]):
    """Method and path to a target. `{name}` is one segment; `{name:path}` is all that follows."""

    def __init__(self) -> None:
        self._root: _Node[T] = _Node()
        self._exact: dict[tuple[str, str], T] = {}

    def add(self, method: str, path: str, target: T) -> None:
        """Enter a route. Raises CannotStart when the same method and path are taken."""
        node = self._root
        names: list[str] = []
        segments = path.strip("/").split("/")
        for place, segment in enumerate(segments):
            if not segment.startswith("{"):
                node = node.literals.setdefault(segment, _Node())
                continue
            name, _, kind = segment.strip("{}").partition(":")
            names.append(name)
            if kind == "path":
                if place != len(segments) - 1:
                    raise CannotStart(f"{method} {path}: only the last segment may be a path.")
                self._enter(node.rest, method, path, target, names)
                return
            node.parameter = node.parameter or _Node()
            node = node.parameter
        self._enter(node.methods, method, path, target, names)
        if not names:
            self._exact[(method, path)] = target

    @staticmethod
    def _enter(
        methods: dict[str, tuple[T, tuple[str, ...]]], method: str, path: str, target: T, names: Sequence[str]
    ) -> None:
        if method in methods:
            raise CannotStart(f"{method} {path} is declared twice.")
        methods[method] = (target, tuple(names))

    def find(self, method: str, path: str) -> tuple[T, dict[str, str]] | None:
        """The target and its path parameters, or None."""
        exact = self._exact.get((method, path))
        if exact is not None:
            return exact, {}
        for methods, values in self._candidates(path):
            found = methods.get(method)
            if found is not None:
                return found[0], dict(zip(found[1], values, strict=True))
        return None

    def allowed(self, path: str) -> set[str]:
        """The methods that some route takes at this path."""
        return {method for methods, _ in self._candidates(path) for method in methods}

    def _candidates(self, path: str) -> Iterator[tuple[dict[str, tuple[T, tuple[str, ...]]], list[str]]]:
        if path.startswith("/"):
            yield from self._walk(self._root, path[1:].split("/"), 0, [])

    def _walk(
        self, node: _Node[T], segments: list[str], place: int, values: list[str]
    ) -> Iterator[tuple[dict[str, tuple[T, tuple[str, ...]]], list[str]]]:
        if place == len(segments):
            if node.methods:
                yield node.methods, values
            return
        segment = segments[place]
        below = node.literals.get(segment)
        if below is not None:
            yield from self._walk(below, segments, place + 1, values)
        if node.parameter is not None and segment:
            yield from self._walk(node.parameter, segments, place + 1, [*values, segment])
        if node.rest:
            yield node.rest, [*values, "/".join(segments[place:])]
