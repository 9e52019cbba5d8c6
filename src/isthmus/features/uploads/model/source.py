"""What a file is, from its first bytes: CSV, JSON or XML, in which encoding, by which separator."""

import codecs
import contextlib
import csv
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from charset_normalizer import from_bytes

from isthmus.features.uploads.errors import UnreadableFile

#: Bytes of a file's head that its kind is told from.
HEAD: Final = 65_536
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_DELIMITERS: Final = (",", ";", "\t", "|")
_PADDED: Final = re.compile(r'"[ \t]+(?:[,;|\t]|\r?$)', re.MULTILINE)
#: Encodings that spreadsheets still write, by region.
_LEGACY: Final = ["cp1252", "cp1258", "cp1250", "cp1251", "cp874", "gb18030", "big5", "shift_jis", "euc_kr"]
_WEB_PAGE: Final = re.compile(r"<(?:!doctype\s+html|html)\b", re.IGNORECASE)
#: What an XML file says of its own encoding.
_DECLARED: Final = re.compile(rb"""\s*<\?xml\s[^>]{0,200}?encoding\s*=\s*["']([A-Za-z][A-Za-z0-9._-]{0,40})["']""")
_BINARY: Final = (b"PK\x03\x04", b"%PDF", b"\x89PNG", b"\xff\xd8\xff", b"\x1f\x8b", b"\xd0\xcf\x11\xe0")


class Kind(StrEnum):
    """How a file's records are written."""

    CSV = "csv"
    NDJSON = "ndjson"
    JSON = "json"
    XML = "xml"


@dataclass(frozen=True, slots=True)
class Source:
    """How to read a file. `mark` is the length of its byte-order mark; `strict`: quotes stand where they belong."""

    kind: Kind
    encoding: str = "utf-8"
    delimiter: str = ","
    mark: int = 0
    strict: bool = True
    #: Lines end with a lone carriage return.
    old_lines: bool = False

    @property
    def by_bytes(self) -> bool:
        """Whether the place behind a record is a number of bytes, and not of records."""
        return self.kind in {Kind.CSV, Kind.NDJSON}


def detect(head: bytes, *, whole: bool) -> Source:
    """Read the head of a file; `whole` says that there is no more of it. Raises UnreadableFile."""
    if not head.strip():
        raise UnreadableFile("The file is empty.")
    mark, encoding = _encoding(head)
    if head.startswith(_BINARY) or (not encoding.startswith("utf-16") and head.count(0) > len(head) // 8):
        raise UnreadableFile("The file is neither CSV nor JSON nor XML: save the spreadsheet as CSV and send that.")
    start = _decoded(head[mark:], encoding, whole=whole)
    if _WEB_PAGE.match(start.lstrip()):
        raise UnreadableFile("The file is a web page, which is not read: export it as CSV, JSON or XML.")
    kind = _kind(start)
    old = "\n" not in start and "\r" in start
    if kind is not Kind.CSV:
        return Source(kind, encoding, mark=mark, old_lines=old)
    lines = start.replace("\r\n", "\n").replace("\r", "\n")
    return Source(kind, encoding, _delimiter(lines), mark, not _PADDED.search(lines), old)


def _encoding(head: bytes) -> tuple[int, str]:
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return len(mark), encoding
    if (unmarked := _utf_16(head)) is not None:
        return 0, unmarked
    declared = _DECLARED.match(head)
    if declared is not None:
        with contextlib.suppress(LookupError):
            return 0, codecs.lookup(declared[1].decode()).name
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
        return 0, "utf-8"
    except UnicodeDecodeError:
        return 0, _legacy(head)


def _utf_16(head: bytes) -> str | None:
    """UTF-16 without its mark: every other byte of most letters is NUL, and of hardly any the one beside it."""
    first, second = head[::2].count(0), head[1::2].count(0)
    if max(first, second) * 4 < len(head) or min(first, second) * 10 > max(first, second):
        return None
    return "utf-16-le" if second > first else "utf-16-be"


def _legacy(head: bytes) -> str:
    """The likeliest old encoding; where several read equally well, the more common one."""
    found = from_bytes(head, cp_isolation=_LEGACY)
    best = found.best()
    if best is None:
        return "cp1252"
    equal = {one.encoding for one in found if one.chaos <= best.chaos}
    return next((name for name in _LEGACY if name in equal), best.encoding)


def _decoded(head: bytes, encoding: str, *, whole: bool) -> str:
    decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
    return decoder.decode(head, final=whole)


def _kind(start: str) -> Kind:
    opening = start.lstrip()
    if opening[:1] == "[":
        return Kind.JSON
    if opening[:1] == "<":
        return Kind.XML
    if opening[:1] != "{":
        return Kind.CSV
    first, _, rest = opening.partition("\n")
    alone = first.rstrip().endswith("}") and (not rest.strip() or rest.lstrip()[:1] == "{")
    return Kind.NDJSON if alone and '"products"' not in first[:200] else Kind.JSON


def _delimiter(text: str) -> str:
    """The separator that parts the first rows into the same number of cells, and into most of them."""
    sample = "\n".join(text.split("\n")[:50])
    return max(_DELIMITERS, key=lambda one: _steadiness(sample, one))


def _steadiness(sample: str, delimiter: str) -> tuple[int, int]:
    widths: list[int] = []
    with contextlib.suppress(csv.Error):
        widths.extend(len(row) for row in csv.reader(sample.split("\n"), delimiter=delimiter))
    header = widths[0] if widths else 0
    if header < 2:
        return 0, header
    return sum(width == header for width in widths), header
