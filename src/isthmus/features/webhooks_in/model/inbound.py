"""A request as it came in, and the values that a manifest's expressions name in it."""

import contextlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import parse_qsl

import msgspec

from isthmus.connect.webhooks import expressions

_PLACE = re.compile(r"\{([^{}]+)\}")
_DEPTH = 64
_MEMBERS = 1_000
Json = dict[str, object] | list[object] | str | int | float | bool | None


class Request(msgspec.Struct, frozen=True):
    """What a sender sent. `url` is the public address that it was given, not the one behind a proxy (WH-01)."""

    method: str
    url: str
    query: Sequence[tuple[str, str]]
    headers: Mapping[str, str]
    body: bytes


@dataclass(slots=True)
class Inbound:
    """A request under examination; JSON and forms are parsed when a value of theirs is first asked for (WH-08)."""

    request: Request
    app: Mapping[str, str] = field(default_factory=dict)
    #: What the examination itself found: the groups of the signature, `id`, `timestamp`, `secret`, `signed`.
    found: dict[str, str] = field(default_factory=dict)
    _parsed: bool = False
    _json: Json = None
    _form: list[tuple[str, str]] | None = None

    @property
    def json(self) -> Json:
        """The body's JSON; None where it is none."""
        if not self._parsed:
            self._parsed = True
            with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                self._json = msgspec.json.decode(self.request.body)
        return self._json

    @property
    def form(self) -> list[tuple[str, str]]:
        """The body's form fields; empty where it is no form."""
        if self._form is None:
            self._form = self._read_form()
        return self._form

    def _read_form(self) -> list[tuple[str, str]]:
        kind = self.request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/x-www-form-urlencoded":
            return []
        try:
            return parse_qsl(self.request.body.decode(), keep_blank_values=True, max_num_fields=1_000)
        except (UnicodeDecodeError, ValueError):
            return []

    def text(self, expression: str) -> str:
        """The first alternative that is there, as text; empty when none is."""
        if not expression:
            return ""
        for part in _read(expression):
            # most of what is asked for stands in a header
            value = self.request.headers.get(part[1], "") if part[0] == "header" else self._value(part)
            if value:
                return value
        return ""

    def render(self, template: str) -> bytes:
        """The template with every place filled; the body stands in it as the bytes that came."""
        return b"".join([one if isinstance(one, bytes) else self.bytes(one) for one in _pieces(template)])

    def bytes(self, expression: str) -> bytes:
        """The value as bytes."""
        if expression == "body":
            return self.request.body
        return self.text(expression).encode("utf-8", "surrogateescape")

    def _value(self, part: tuple[str, str, tuple[str, ...]]) -> str:
        kind, name, path = part
        if not name:
            return self._whole(kind)
        if kind == "body":
            return shown(walk(self.json, path))
        pairs = {"query": self.request.query, "form": self.form}.get(kind)
        if pairs is not None:
            return next((value for key, value in pairs if key == name), "")
        return self.app.get(name, "") if kind == "app" else self.found.get(f"signature:{name}", "")

    def _whole(self, kind: str) -> str:
        if kind == "body":
            return self.request.body.decode("utf-8", "surrogateescape")
        if kind == "form":
            return "".join(key + value for key, value in sorted(set(self.form)))
        if kind in {"url", "method"}:
            return self.found.get(kind) or str(getattr(self.request, kind))
        return self.found.get(kind, "")


@lru_cache(maxsize=4096)
def _read(expression: str) -> tuple[tuple[str, str, tuple[str, ...]], ...]:
    """The alternatives of an expression: kind, name, and the name's parts."""
    split = [part.partition(":") for part in expressions(expression)]
    return tuple((kind, name, tuple(name.split("."))) for kind, _, name in split)


@lru_cache(maxsize=1024)
def _pieces(template: str) -> tuple[bytes | str, ...]:
    """A template's texts as bytes, and the expressions between them."""
    found: list[bytes | str] = []
    end = 0
    for place in _PLACE.finditer(template):
        if place.start() > end:
            found.append(template[end : place.start()].encode())
        found.append(place[1])
        end = place.end()
    return (*found, template[end:].encode()) if end < len(template) else tuple(found)


def walk(value: Json, path: Iterable[str]) -> Json:
    """What stands at this path; None where nothing does. `*` collects from every member of a list."""
    steps = tuple(path)
    for at, step in enumerate(steps[:_DEPTH]):
        if step == "*" and isinstance(value, list):
            return [walk(one, steps[at + 1 :]) for one in value[:_MEMBERS]]  # type: ignore[arg-type] # members are JSON
        value = _step(value, step)
        if value is None:
            return None
    return value


def _step(value: Json, step: str) -> Json:
    found: object = None
    if isinstance(value, dict):
        found = value.get(step)
    elif isinstance(value, list) and step.isascii() and step.isdigit() and int(step) < len(value):
        found = value[int(step)]
    return found  # type: ignore[return-value] # members of JSON are JSON


def shown(value: Json) -> str:
    """A JSON value as a platform signs it: texts bare, numbers and words as JSON has them."""
    if isinstance(value, str):
        return value
    return "" if value is None else msgspec.json.encode(value).decode()
