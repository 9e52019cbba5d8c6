"""Texts from outside, made safe to store and to show (security.md PA-03, LO-05)."""

import html
import re
import unicodedata

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_TAG = re.compile(r"<[^>]{0,2000}>")
_BREAK = re.compile(r"<\s*(?:br|/p|/div|/li|/h[1-6]|/tr)\b[^>]{0,200}>", re.IGNORECASE)
#: What a spreadsheet may take for the start of a formula, full-width forms included (security.md CS-01).
_FORMULA = frozenset("=+-@'\t\r\n\uff1d\uff0b\uff0d\uff20")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]")


def storable(text: str) -> str:
    """The text with NUL and lone surrogates replaced by U+FFFD."""
    return text if text.isprintable() or (text.isascii() and "\x00" not in text) else _UNSTORABLE.sub("\ufffd", text)


def shown(text: str) -> str:
    """Normalised (NFC) and free of NUL and lone surrogates: for names and titles."""
    return text if text.isascii() and "\x00" not in text else unicodedata.normalize("NFC", storable(text))


def camelled(name: str) -> str:
    """A name as JSON has it: `shop_id` is `shopId`."""
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


def from_html(markup: str) -> str:
    """A readable plain text of some HTML, for search and previews; never used to sanitise."""
    if "<" not in markup and "&" not in markup:
        return markup.strip()
    text = html.unescape(_TAG.sub(" ", _BREAK.sub("\n", markup)))
    lines = [" ".join(line.split()) for line in text.splitlines()]
    return "\n".join([line for line in lines if line])


def to_html(plain: str) -> str:
    """A plain text as HTML that reads the same: nothing in it is markup, and its lines end where they ended."""
    return html.escape(plain, quote=False).replace("\n", "<br>\n")


def guarded(value: str) -> str:
    """A text that no spreadsheet runs; reversed by `unguarded` without loss (security.md CS-01, CS-02)."""
    return f"'{value}" if value[:1] in _FORMULA and value else value


def unguarded(cell: str) -> str:
    """A cell without the mark that `guarded` set."""
    return cell[1:] if cell[:1] == "'" and cell[1:2] in _FORMULA and len(cell) > 1 else cell


def terminal(text: str) -> str:
    """The text without anything that could move a cursor, forge a line or turn the reading order (LO-05)."""
    return _CONTROL.sub("\ufffd", text)
