"""Rows of a file, one after the other, each with its line and the place behind it, where reading can go on.

A row that cannot be read says why and does not stop the next one (security.md CS-03, PA-01). Nothing here holds more
than one row and one line.
"""

import csv
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Protocol

import msgspec

from isthmus.features.uploads.errors import UnreadableFile
from isthmus.features.uploads.model import markup
from isthmus.features.uploads.model.source import Kind, Source

#: Limits of security.md CS-03, and how much one JSON record may take.
FIELD_BYTES: Final = 1_048_576
COLUMNS: Final = 2_000
RECORD_BYTES: Final = 4_194_304
_PIECE: Final = 262_144
_NUL: Final = "the line holds the character NUL"
_CODING: Final = "the line is not valid text in the file's encoding"
_HALF: Final = "a text holds one half of a pair of UTF-16, which is no character"
_NO_TEXT: Final = re.compile(r"[\ud800-\udfff\0]")
#: What a product of one variant may say at its own level.
_SOLD: Final = ("sku", "barcode", "price", "listPrice", "stock", "currency")
_SPACE: Final = re.compile(r"[ \t\r\n,]*")


class Bytes(Protocol):
    """An open file of bytes, in UTF-8."""

    def readline(self, limit: int, /) -> bytes: ...
    def read(self, size: int, /) -> bytes: ...


class Row(msgspec.Struct, frozen=True, gc=False):
    """One record: the line it begins at, the place behind it, its cells by column; or what is wrong with it."""

    line: int
    end: int
    cells: Sequence[str] = ()
    problem: str | None = None
    #: The columns, where each record brings its own.
    header: tuple[str, ...] | None = None


class Lines:
    """The lines of a UTF-8 file from some place on; counts them, and their bytes, and where wanted their quotes."""

    def __init__(self, file: Bytes, offset: int, line: int, *, counts: bool = False) -> None:
        self._file = file
        self._counts = counts
        self.offset = offset
        self.line = line
        self.quotes = 0
        self.ended = False
        self._problem: str | None = None

    def taken(self) -> str | None:
        """What was wrong with the lines since the last call."""
        problem, self._problem = self._problem, None
        return problem

    def __iter__(self) -> Iterator[str]:
        while raw := self._file.readline(RECORD_BYTES):
            self.offset += len(raw)
            self.line += 1
            if 0 in raw:
                self._problem = _NUL
            if self._counts:
                self.quotes += raw.count(b'"')
            try:
                yield raw.decode()
            except UnicodeDecodeError:
                self._problem = _CODING
                yield raw.decode("utf-8", "replace")
        self.ended = True


def rows(file: Bytes, source: Source, offset: int, line: int) -> Iterator[Row]:
    """The records from `offset` on, which follows line number `line`; of JSON lists and XML a number of records."""
    if source.kind in (Kind.JSON, Kind.XML):
        yield from _array(file, offset) if source.kind is Kind.JSON else _elements(file, offset)
        return
    lines = Lines(file, offset, line, counts=not source.strict)
    yield from _csv(lines, source) if source.kind is Kind.CSV else _documents(lines)


def _csv(lines: Lines, source: Source) -> Iterator[Row]:
    csv.field_size_limit(FIELD_BYTES)
    reader = csv.reader(lines, delimiter=source.delimiter, strict=source.strict)
    lenient = not source.strict
    while True:
        start, lines.quotes = lines.line + 1, 0
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            lines.taken()
            yield Row(start, lines.offset, (), _reason(str(error), start))
            continue
        if not cells:
            continue
        problem = lines.taken()
        if len(cells) > COLUMNS:
            problem = problem or f"the row has more than {COLUMNS} cells"
        elif lenient and lines.ended and lines.quotes % 2 and lines.line > start:
            problem = problem or f"a quote that opens in line {start} is never closed"
        yield Row(start, lines.offset, cells, problem)


def _reason(error: str, start: int) -> str:
    if "unexpected end of data" in error:
        return f"a quote that opens in the record of line {start} is never closed"
    if "field limit" in error:
        return f"a cell is larger than 1 MiB, or a quote that opens in the record of line {start} is not closed"
    return f"the quotes of this row do not fit: {error}"


def _documents(lines: Lines) -> Iterator[Row]:
    for text in lines:
        problem = lines.taken()
        if not text.strip():
            continue
        if problem is None:
            try:
                yield from flattened(msgspec.json.decode(text), lines.line, lines.offset)
                continue
            except (msgspec.MsgspecError, RecursionError, ValueError) as error:
                problem = f"this is no JSON object: {_fault(error)}"
        yield Row(lines.line, lines.offset, (), problem)


def _fault(error: Exception) -> str:
    """What is wrong, without places in a piece of the file that its reader never sees."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    return error.msg if isinstance(error, json.JSONDecodeError) else str(error)


def flattened(document: object, line: int, end: int) -> Iterator[Row]:
    """A JSON product as rows: one for each variant; nested names are joined by points, lists by line breaks.

    A product without variants says itself what its only one costs. What JSON can escape and no text can hold is told,
    and taken out.
    """
    for row in _flat(document, line, end):
        found = _NO_TEXT.search("\n".join((*row.cells, *(row.header or ()))))
        yield _without(row, _NUL if found[0] == "\0" else _HALF) if found else row


def _without(row: Row, problem: str) -> Row:
    cells = tuple(_NO_TEXT.sub("\ufffd", cell) for cell in row.cells)
    header = None if row.header is None else tuple(_NO_TEXT.sub("\ufffd", name) for name in row.header)
    return Row(row.line, row.end, cells, row.problem or problem, header)


def _flat(document: object, line: int, end: int) -> Iterator[Row]:
    if not isinstance(document, Mapping):
        yield Row(line, end, (), "this is no JSON object")
        return
    variants = document.get("variants")
    outer: dict[str, str] = {}
    _flatten({name: value for name, value in document.items() if name != "variants"}, "", outer)
    if not isinstance(variants, list) or not variants or not all(isinstance(one, Mapping) for one in variants):
        outer |= {f"variant.{name}": outer[name] for name in _SOLD if name in outer}
        yield Row(line, end, tuple(outer.values()), header=tuple(outer))
        return
    made: list[dict[str, str]] = []
    for variant in variants:
        made.append(dict(outer))
        _flatten(variant, "variant.", made[-1])
    header = tuple(dict.fromkeys(name for one in made for name in one))
    for one in made:
        yield Row(line, end, tuple(one.get(name, "") for name in header), header=header)


def _flatten(value: Mapping[Any, Any], prefix: str, into: dict[str, str], depth: int = 0) -> None:
    for name, inner in value.items():
        place = f"{prefix}{name}"
        if isinstance(inner, Mapping) and depth < 8:
            _flatten(inner, f"{place}.", into, depth + 1)
        elif isinstance(inner, list):
            into[place] = "\n".join(_text(one) for one in inner if not isinstance(one, list))
        else:
            into[place] = _text(inner)


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, Mapping):
        return _text(value.get("url") or value.get("src") or value.get("name"))
    return str(value).lower() if isinstance(value, bool) else str(value)


class _Window:
    """A part of a long JSON text: what is read is dropped, what is missing is fetched, a record has a cap."""

    def __init__(self, file: Bytes) -> None:
        self._file = file
        self._decoder = json.JSONDecoder(parse_float=str)
        self._rest = b""
        self.text = ""
        self.place = 0

    def more(self) -> bool:
        """Fetch another piece; False at the end of the file."""
        piece = self._file.read(_PIECE)
        if not piece:
            return False
        raw = self._rest + piece
        cut = len(raw)
        while cut and raw[cut - 1] & 0xC0 == 0x80:
            cut -= 1
        cut -= 1 if cut and raw[cut - 1] >= 0xC0 else 0
        self._rest = raw[cut:]
        self.text = self.text[self.place :] + raw[:cut].decode("utf-8", "replace")
        self.place = 0
        return True

    def next_sign(self) -> str:
        """The next character that is neither space nor comma; empty at the end."""
        while True:
            found = _SPACE.match(self.text, self.place)
            self.place = found.end() if found else self.place
            if self.place < len(self.text):
                return self.text[self.place]
            if not self.more():
                return ""

    def value(self) -> object:
        """The next value. Raises ValueError when it is broken or too large."""
        self.next_sign()
        while True:
            try:
                value, end = self._decoder.raw_decode(self.text, self.place)
                if end < len(self.text) or not self.more():
                    self.place = end
                    return value
            except (ValueError, RecursionError):
                if len(self.text) - self.place > RECORD_BYTES or not self.more():
                    raise


def _array(file: Bytes, skip: int) -> Iterator[Row]:
    window = _Window(file)
    number = 0
    try:
        _open(window)
        while window.next_sign() not in ("]", ""):
            document = window.value()
            number += 1
            if number > skip:
                yield from flattened(document, number, number)
        if window.next_sign() == "":
            yield Row(number + 1, number + 1, (), "the file ends in the middle of its list")
    except (ValueError, RecursionError) as error:
        yield Row(number + 1, number + 1, (), f"the JSON is broken after record {number}: {_fault(error)}")


def _elements(file: Bytes, skip: int) -> Iterator[Row]:
    number = 0
    try:
        for number, values in enumerate(markup.records(file), 1):
            if number > skip:
                yield Row(number, number, tuple(values.values()), header=tuple(values))
    except markup.Broken as error:
        yield Row(number + 1, number + 1, (), f"the XML is broken after record {number}: {error}")


def _open(window: _Window) -> None:
    """Go to the first record: of the list, or of the list `products` in the document. Raises UnreadableFile."""
    sign = window.next_sign()
    window.place += 1
    while sign == "{":
        if window.next_sign() != '"':
            raise UnreadableFile("The JSON document has no list `products`.")
        name = window.value()
        if window.next_sign() == ":":
            window.place += 1
        if name == "products" and window.next_sign() == "[":
            window.place += 1
            return
        window.value()
    if sign != "[":
        raise UnreadableFile("The JSON is neither a list nor a document with a list `products`.")
