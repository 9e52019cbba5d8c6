"""Records of an XML file as names and values, one after the other; nothing outside the file is ever read (PA-07).

A document type, entities, deep nesting and records beyond the cap are refused; only the record at hand is held.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser, ParseError

from isthmus.features.uploads.errors import UnreadableFile

#: What one record may take, how deep it may be, and in how many values it may be parted.
RECORD: Final = 4_194_304
_DEPTH: Final = 24
_VALUES: Final = 2_000
_PIECE: Final = 65_536
#: What shops call one record of a list.
_RECORDS: Final = frozenset({"item", "product", "entry", "offer", "record", "row"})
_KEYS: Final = ("key", "name")
_VALUE: Final = "value"


class Bytes(Protocol):
    """An open file of bytes."""

    def read(self, size: int, /) -> bytes: ...


class Broken(ValueError):
    """The file cannot be read on from here; the text says why."""


@dataclass(slots=True)
class _Element:
    name: str
    attributes: Mapping[str, str] = field(default_factory=dict)
    text: list[str] = field(default_factory=list)
    children: "list[_Element]" = field(default_factory=list)


class _Builder:
    """Takes what the parser finds, and keeps records that have ended until they are fetched."""

    def __init__(self) -> None:
        self.ended: list[Mapping[str, str]] = []
        #: Bytes of the record at hand, as the parser was fed with them.
        self.held = 0
        self._prefixes: dict[str, str] = {}
        self._depth = 0
        self._open: list[_Element] = []
        self._home: tuple[int, str] | None = None

    def start_ns(self, prefix: str, uri: str) -> None:
        self._prefixes.setdefault(uri, prefix)

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        self._depth += 1
        if self._depth > _DEPTH:
            raise Broken(f"its elements lie more than {_DEPTH} deep in one another")
        name = self._name(tag)
        if self._open:
            self._open.append(_Element(name, attributes))
        elif self._begins(name):
            self._home = (self._depth, name)
            self._open.append(_Element(name, attributes))
            self.held = 0

    def data(self, text: str) -> None:
        if self._open:
            self._open[-1].text.append(text)

    def end(self, tag: str) -> None:  # noqa: ARG002 - the parser's form
        self._depth -= 1
        if not self._open:
            return
        element = self._open.pop()
        if self._open:
            self._open[-1].children.append(element)
            return
        values: dict[str, list[str]] = {}
        for child in element.children:
            self._flatten(child, "", values)
        for name, value in element.attributes.items():
            values.setdefault(self._name(name), [value])
        self.ended.append({name: "\n".join(found) for name, found in values.items()})

    def close(self) -> None:
        """The end of the file."""

    def _begins(self, name: str) -> bool:
        if self._home is not None:
            return self._home == (self._depth, name)
        return self._depth > 1 and name.rpartition(":")[2].lower() in _RECORDS

    def _name(self, tag: str) -> str:
        uri, brace, local = tag.rpartition("}")
        prefix = self._prefixes.get(uri[1:], "") if brace else ""
        return f"{prefix}:{local}" if prefix else local

    def _flatten(self, element: _Element, prefix: str, into: dict[str, list[str]]) -> None:
        name = f"{prefix}{element.name}"
        pair = _pair(element)
        if pair is not None:
            _put(into, f"{name}.{pair[0]}", pair[1])
        elif element.children:
            for child in element.children:
                self._flatten(child, f"{name}.", into)
        else:
            text = "".join(element.text).strip()
            _put(into, name, text)
            for attribute, value in element.attributes.items():
                _put(into, f"{name}[{self._name(attribute)}={value}]", text)


def _pair(element: _Element) -> tuple[str, str] | None:
    """An element that names a value: two leaves, the one a key or a name, the other the value."""
    if len(element.children) != 2 or any(child.children for child in element.children):
        return None
    first, second = element.children
    if not first.name.endswith(_KEYS) or not second.name.endswith(_VALUE):
        return None
    return "".join(first.text).strip(), "".join(second.text).strip()


def _put(into: dict[str, list[str]], name: str, value: str) -> None:
    if name not in into and len(into) >= _VALUES:
        raise Broken(f"a record has more than {_VALUES} values")
    found = into.setdefault(name, [])
    if value:
        found.append(value)


def records(file: Bytes) -> Iterator[Mapping[str, str]]:
    """Every record of a file in UTF-8. Raises Broken where it cannot be read on, UnreadableFile when it is refused."""
    builder = _Builder()
    parser = DefusedXMLParser(target=builder, encoding="utf-8", forbid_dtd=True)
    try:
        while piece := file.read(_PIECE):
            builder.held += len(piece)
            parser.feed(piece)
            yield from builder.ended
            builder.ended.clear()
            if builder.held > RECORD:
                raise Broken(f"a record is larger than {RECORD} bytes, or the file has none")
        parser.close()
        yield from builder.ended
    except DefusedXmlException:
        raise UnreadableFile(
            "The XML declares a document type or entities, which are refused: leave them out."
        ) from None
    except ParseError as error:
        raise Broken(str(error)) from None
