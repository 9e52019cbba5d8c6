"""Dotted paths into JSON: `data.items`, `pages.0.next`; absent is None, never an error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def dig(value: object, path: str | Sequence[str]) -> object:
    """The value at `path`, or None where the path ends early; an empty path is the value itself."""
    parts = path.split(".") if isinstance(path, str) else path
    for part in parts:
        if not part:
            continue
        if isinstance(value, Mapping):
            value = value.get(part)
        elif isinstance(value, list) and part.isascii() and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        else:
            return None
    return value


def records(value: object, path: str) -> list[object]:
    """The list at `path`; `*` steps into every element: `edges.*.node`. A missing list is empty, an object is one."""
    head, star, tail = path.partition("*")
    found = dig(value, head.strip("."))
    if found is None:
        return []
    many = found if isinstance(found, list) else [found]
    if not star:
        return many
    flat: list[object] = []
    for one in many:
        below = records(one, tail.strip(".")) if tail.strip(".") else [one]
        flat += below
    return flat
