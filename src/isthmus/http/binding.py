"""Gives an endpoint its arguments from its declared signature, without the framework's general solver.

The framework's solver costs some 90 us of CPU per request; for the shapes our endpoints have (path, query and header
values, one JSON body, plain async dependencies) this does the same work from the same declarations in about 20. What
has another shape (forms, cookies, generators) is left to the framework: `Binder.of` answers None.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, get_args, get_origin

from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.requests import Request

_SEQUENCES = {list, set, frozenset, tuple, Sequence}
_MISSING = object()
_FRESH = object()
_SHARABLE = (type(None), bool, int, float, str, tuple)


class Field(Protocol):
    """What we use of the framework's model fields."""

    name: str
    field_info: Any

    @property
    def alias(self) -> str: ...

    def get_default(self) -> object: ...

    def validate(
        self, value: object, values: dict[str, Any] = ..., *, loc: tuple[int | str, ...] = ...
    ) -> tuple[object, list[dict[str, Any]]]: ...


@dataclass(frozen=True, slots=True)
class _Taken:
    """One value an endpoint takes from the request."""

    place: str
    alias: str
    many: bool
    required: bool
    #: The value when it is missing, or _FRESH where each request needs its own.
    default: object
    field: Field


@dataclass(frozen=True, slots=True)
class _Node:
    """An endpoint or a dependency, and what it needs."""

    call: Callable[..., Any]
    request_name: str | None
    taken: tuple[_Taken, ...]
    below: "tuple[tuple[str, _Node], ...]"
    #: The values when the request brings none of the names; None where something is required or each request differs.
    defaults: Mapping[str, object] | None
    names: frozenset[str]


@dataclass(frozen=True, slots=True)
class Given:
    """What a request brings."""

    request: Request
    path: Mapping[str, str]
    query: Mapping[str, list[str]]
    headers: Mapping[bytes, bytes]
    #: What is known to be wrong already, as validation errors.
    faults: Sequence[dict[str, Any]] = ()
    body: object = _MISSING


class Binder:
    """Knows how to call one endpoint."""

    def __init__(self, root: _Node) -> None:
        self._root = root

    @classmethod
    def of(cls, dependant: Dependant) -> "Binder | None":
        """A binder for this endpoint, or None when it asks for more than a binder gives."""
        root = _node(dependant)
        return cls(root) if root is not None else None

    async def call(self, given: Given) -> Any:  # noqa: ANN401 - whatever the endpoint answers
        """Call the endpoint. Raises RequestValidationError with every wrong value at once."""
        errors = list(given.faults)
        values = await _values(self._root, given, errors)
        if errors:
            raise RequestValidationError(errors)
        return await self._root.call(**values)


async def _values(node: _Node, given: Given, errors: list[dict[str, Any]]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, below in node.below:
        known = len(errors)
        inner: Mapping[str, Any] = await _values(below, given, errors) if below.below else _own(below, given, errors)
        if len(errors) == known:
            values[name] = await below.call(**inner)
    values.update(_own(node, given, errors))
    return values


def _own(node: _Node, given: Given, errors: list[dict[str, Any]]) -> Mapping[str, Any]:
    """What it takes from the request itself."""
    values: dict[str, Any] = {}
    if node.defaults is None or not node.names.isdisjoint(given.query):
        _take(node.taken, given, values, errors)
    elif node.request_name is None:
        return node.defaults
    else:
        values.update(node.defaults)
    if node.request_name is not None:
        values[node.request_name] = given.request
    return values


def _take(taken_all: Sequence[_Taken], given: Given, values: dict[str, Any], errors: list[dict[str, Any]]) -> None:
    for taken in taken_all:
        value = _pick(taken, given)
        if value is not _MISSING:
            location = ("body",) if taken.place == "body" else (taken.place, taken.alias)
            values[taken.field.name], wrong = taken.field.validate(value, values, loc=location)
            errors.extend(wrong)
        elif taken.required:
            errors.append(
                {"type": "missing", "loc": ("body",) if taken.place == "body" else (taken.place, taken.alias)}
            )
        else:
            fresh = taken.default is _FRESH
            values[taken.field.name] = taken.field.get_default() if fresh else taken.default


def _pick(taken: _Taken, given: Given) -> Any:  # noqa: ANN401 - text, texts or a parsed body
    if taken.place == "query":
        found = given.query.get(taken.alias)
        if found is None:
            return _MISSING
        return found if taken.many else found[-1]
    if taken.place == "path":
        return given.path.get(taken.alias, _MISSING)
    if taken.place == "header":
        header = given.headers.get(taken.alias.lower().encode())
        return _MISSING if header is None else header.decode("latin-1")
    return given.body


def _node(dependant: Dependant) -> _Node | None:
    call = dependant.call
    unusual = (
        dependant.cookie_params
        or dependant.response_param_name
        or dependant.background_tasks_param_name
        or dependant.security_scopes_param_name
        or dependant.websocket_param_name
        or dependant.http_connection_param_name
        or len(dependant.body_params) > 1
    )
    if unusual or call is None or not inspect.iscoroutinefunction(call):
        return None
    below = [(inner.name or "", _node(inner)) for inner in dependant.dependencies]
    taken = [
        *_taken("path", dependant.path_params),
        *_taken("query", dependant.query_params),
        *_taken("header", dependant.header_params),
        *_taken("body", dependant.body_params),
    ]
    if any(node is None for _, node in below) or any(item is None for item in taken):
        return None
    complete = tuple(item for item in taken if item is not None)
    lasting = all(item.place == "query" and not item.required and item.default is not _FRESH for item in complete)
    return _Node(
        call,
        dependant.request_param_name,
        complete,
        tuple((name, node) for name, node in below if node is not None),
        {item.field.name: item.default for item in complete} if lasting else None,
        frozenset(item.alias for item in complete),
    )


def _taken(place: str, fields: Sequence[Field]) -> list[_Taken | None]:
    return [_one(place, field) for field in fields]


def _one(place: str, field: Field) -> _Taken | None:
    info = field.field_info
    plain_alias = info.validation_alias is None or info.validation_alias == field.alias
    in_model = place != "body" and _has_model(info.annotation)
    embedded = place == "body" and (type(info).__name__ != "Body" or info.embed)
    if in_model or embedded or not plain_alias:
        return None
    required = info.is_required()
    default = None if required else field.get_default()
    sharable = default if isinstance(default, _SHARABLE) and info.default_factory is None else _FRESH
    return _Taken(place, field.alias, is_many(info.annotation), required, sharable, field)


def _has_model(annotation: object) -> bool:
    parts = (annotation, *get_args(annotation))
    return any(isinstance(part, type) and issubclass(part, BaseModel) for part in parts)


def is_many(annotation: object) -> bool:
    """Whether a parameter of this type may be given several times."""
    options = [annotation, *get_args(annotation)]
    return any(
        (get_origin(option) or option) in _SEQUENCES
        for option in options
        if isinstance(option, type) or get_origin(option)
    )
