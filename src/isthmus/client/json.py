"""JSON and text from outside, with named failures instead of surprises (security.md PA-01, PA-12)."""

from __future__ import annotations

import codecs
from typing import Any, TypeVar

import msgspec

from isthmus.client.errors import MalformedBody

T = TypeVar("T")
MAX_DEPTH = 64
_decoder = msgspec.json.Decoder()
_encoder = msgspec.json.Encoder(decimal_format="string")
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
#: One decoder per model of the program; models are few and live as long as it does.
_decoders: dict[Any, msgspec.json.Decoder[Any]] = {}
_MARKS = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def dumps(value: object) -> bytes:
    """Write JSON; datetimes as ISO 8601, decimals as text, Structs and dataclasses by field."""
    return _encoder.encode(value)


def loads(content: bytes, content_type: str = "") -> object:
    """Read JSON. Raises MalformedBody with a reason."""
    if _may_be_deep(content):
        raise MalformedBody(f"the JSON is nested deeper than {MAX_DEPTH}", reason="too_deep")
    try:
        return _decoder.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _named(content, content_type) from error


def decode(content: bytes, model: type[T], content_type: str = "") -> T:
    """Read JSON into a type. Raises MalformedBody; `reason` is "shape" if the JSON is fine but does not fit."""
    if hasattr(model, "model_validate"):
        return _pydantic(loads(content, content_type), model)
    if _may_be_deep(content):
        raise MalformedBody(f"the JSON is nested deeper than {MAX_DEPTH}", reason="too_deep")
    try:
        decoder: msgspec.json.Decoder[T] | None = _decoders.get(model)
        if decoder is None:
            decoder = _decoders[model] = msgspec.json.Decoder(model)
        return decoder.decode(content)
    except msgspec.ValidationError as error:
        # The message of msgspec names the place and the expected type, never the value.
        raise MalformedBody(str(error), reason="shape") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _named(content, content_type) from error


def _pydantic(value: object, model: type[T]) -> T:
    try:
        validated: T = model.model_validate(value)  # type: ignore[attr-defined] # pydantic is optional: duck-typed
    except ValueError as error:
        # pydantic's text echoes the input (security.md LO-02), so only the places are kept.
        places = [".".join(map(str, one["loc"])) for one in getattr(error, "errors", list)()]
        raise MalformedBody("does not fit: " + ", ".join(places[:5]), reason="shape") from None
    return validated


def mapping(value: object) -> dict[str, object]:
    """The value if it is a JSON object. Raises MalformedBody."""
    if not isinstance(value, dict):
        raise MalformedBody("a JSON object was expected", reason="shape")
    return value


def text(content: bytes, content_type: str) -> str:
    """The bytes in the charset of the content type, UTF-8 otherwise. Raises MalformedBody."""
    charset = "utf-8"
    for parameter in content_type.split(";")[1:]:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset":
            charset = value.strip().strip('"').lower()
    try:
        return content.decode(charset)
    except (LookupError, UnicodeDecodeError):
        raise MalformedBody(f"the body is not {charset[:40]}", reason="charset") from None


def _may_be_deep(content: bytes) -> bool:
    if content.count(b"[") + content.count(b"{") <= MAX_DEPTH:
        return False
    # Each round takes away the innermost pairs, so a document n deep is gone after n rounds.
    brackets = content.translate(None, _NOT_BRACKETS)
    for _ in range(MAX_DEPTH):
        if not brackets:
            return False
        shorter = brackets.replace(b"[]", b"").replace(b"{}", b"")
        if len(shorter) == len(brackets):
            break
        brackets = shorter
    return bool(brackets) and _depth(content) > MAX_DEPTH


def _depth(content: bytes) -> int:
    """The exact depth, brackets inside of strings left out; for the rare body the quick look cannot clear."""
    deepest = depth = 0
    at, end = 0, len(content)
    while at < end:
        byte = content[at]
        if byte == 34:
            at = _string_end(content, at)
        elif byte in b"[{":
            depth += 1
            deepest = max(deepest, depth)
            if depth > MAX_DEPTH:
                break
        elif byte in b"]}":
            depth -= 1
        at += 1
    return deepest


def _string_end(content: bytes, start: int) -> int:
    at = content.find(b'"', start + 1)
    while at > 0:
        slashes = at - 1
        while content[slashes] == 92:
            slashes -= 1
        if (at - slashes) % 2 == 1:
            return at
        at = content.find(b'"', at + 1)
    return len(content)


def _named(content: bytes, content_type: str) -> MalformedBody:
    start = content[:256].lstrip()
    if not content.strip():
        return MalformedBody("the body is empty where JSON was expected", reason="empty")
    if content.startswith(_MARKS):
        return MalformedBody("the body begins with a byte order mark", reason="byte_order_mark")
    if start[:1] == b"<" or "html" in content_type:
        return MalformedBody("the body is HTML or XML where JSON was expected", reason="html")
    try:
        content.decode()
    except UnicodeDecodeError:
        return MalformedBody("the JSON is not UTF-8", reason="charset")
    if start[:1] in b"{[" and content.rstrip()[-1:] not in b"}]":
        return MalformedBody("the JSON ends in the middle", reason="truncated")
    return MalformedBody("the body is not JSON", reason="syntax")
