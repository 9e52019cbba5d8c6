"""What the writing calls are given: one tree, as JSON or as XML (reference 3.5, Payload shapes)."""

import re
from collections.abc import Mapping
from html import unescape
from typing import TypeAlias

import msgspec

Tree: TypeAlias = Mapping[str, object]

_TOKEN = re.compile(r"<(/?)([A-Za-z_]\w*)\s*>|([^<]+)")
_HEAD = re.compile(r"\s*<\?xml[^>]*\?>")


def product(text: str) -> Tree | None:
    """`Request > Product` of a payload; None where it cannot be read."""
    whole = _json(text) if text.lstrip().startswith("{") else _xml(text)
    request = whole.get("Request")
    found = request.get("Product") if isinstance(request, Mapping) else None
    return found if isinstance(found, Mapping) else None


def skus(given: Tree) -> list[Tree]:
    """`Skus > Sku`: one or several."""
    outer = given.get("Skus")
    rows = many(outer.get("Sku")) if isinstance(outer, Mapping) else []
    return [row for row in rows if isinstance(row, Mapping)]


def many(value: object) -> list[object]:
    """A list, or the single thing that stands in its place."""
    return value if isinstance(value, list) else [] if value in (None, "") else [value]


def word(given: Tree, name: str) -> str | None:
    """A field as text, whether it came as a number or as text; None where it is not there."""
    value = given.get(name)
    return None if value is None or isinstance(value, Mapping | list) else str(value)


def _json(text: str) -> Tree:
    try:
        return msgspec.json.decode(text, type=dict[str, object])
    except msgspec.DecodeError:
        return {}


def _xml(text: str) -> Tree:
    """Elements without attributes; a name that repeats becomes a list."""
    root: dict[str, object] = {}
    open_: list[tuple[str, dict[str, object], list[str]]] = [("", root, [])]
    for closing, name, words in _TOKEN.findall(_HEAD.sub("", text)):
        if words:
            open_[-1][2].append(words)
        elif not closing:
            open_.append((name, {}, []))
        elif len(open_) > 1 and open_[-1][0] == name:
            _, inner, texts = open_.pop()
            _put(open_[-1][1], name, inner or unescape("".join(texts)).strip())
        else:
            return {}
    return root if len(open_) == 1 else {}


def _put(holder: dict[str, object], name: str, value: object) -> None:
    if name in holder:
        before = holder[name]
        holder[name] = [*before, value] if isinstance(before, list) else [before, value]
    else:
        holder[name] = value
