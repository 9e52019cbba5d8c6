"""The schemas of answers: what msgspec says of them, and that times are times, which it says of some kinds alone."""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from msgspec import inspect

_REFERENCE = "#/components/schemas/{name}"


def answer_schemas(kinds: Sequence[type]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The schema of each of these structs, and the named ones that they refer to."""
    described, named = msgspec.json.schema_components(kinds, ref_template=_REFERENCE)
    seen: dict[str, inspect.StructType] = {}
    for one in inspect.multi_type_info(kinds):
        _collect(one, seen)
    for name, struct in seen.items():
        for field in struct.fields:
            _tell_times(field.type, named[name]["properties"][field.encode_name])
    return list(described), dict(named)


def _collect(kind: inspect.Type, seen: dict[str, inspect.StructType]) -> None:
    if isinstance(kind, inspect.StructType):
        if kind.cls.__name__ in seen:
            return
        seen[kind.cls.__name__] = kind
    for one in _within(kind):
        _collect(one, seen)


def _within(kind: inspect.Type) -> Iterator[inspect.Type]:
    if isinstance(kind, inspect.StructType):
        yield from (field.type for field in kind.fields)
    elif isinstance(kind, inspect.UnionType):
        yield from kind.types
    elif isinstance(kind, inspect.Metadata):
        yield kind.type
    elif isinstance(kind, inspect.CollectionType):
        yield kind.item_type
    elif isinstance(kind, inspect.DictType):
        yield kind.value_type


def _tell_times(kind: inspect.Type, schema: dict[str, Any]) -> None:
    """Say of every time in a field that it is one."""
    if isinstance(kind, inspect.DateTimeType):
        # no text may stand beside a time in a union: a string is one
        for option in schema.get("anyOf", [schema]):
            if option.get("type") == "string":
                option["format"] = "date-time"
    elif isinstance(kind, inspect.CollectionType):
        _tell_times(kind.item_type, schema.get("items", {}))
    elif isinstance(kind, inspect.DictType):
        more = schema.get("additionalProperties")
        _tell_times(kind.value_type, more if isinstance(more, dict) else {})
    else:
        for one in () if isinstance(kind, inspect.StructType) else _within(kind):
            _tell_times(one, schema)
