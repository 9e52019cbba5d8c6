"""What must not be shown, by name and by shape, in headers, URLs, JSON and text (security.md LO-04)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from urllib.parse import unquote_plus

import msgspec

from isthmus.client.url import Url
from isthmus.kit.text import terminal

HIDDEN = "***"
_NAMES = re.compile(
    r"auth|token|secret|passw|pwd|credential|cookie|session|signature|api-?key|access-?key|partner-?key|private"
    r"|card|cvv|iban|ssn",
    re.IGNORECASE,
)
_WHOLE = frozenset({"key", "sign", "sig", "code", "state", "nonce", "pin", "otp", "hmac", "jwt", "idempotency-key"})
_SHAPES = re.compile(
    r"eyJ[\w-]{8,}\.[\w-]+\.[\w-]*"  # a JWT
    r"|\b(?:isk|whk|sk|pk|rk|ghp|gho|xox[abp])_[\w-]{8,}"  # prefixed keys
    r"|-----BEGIN [A-Z ]+-----.*?(?:-----END [A-Z ]+-----|\Z)"  # PEM
    r"|(?<![\w/+=-])[A-Za-z0-9+/_-]{40,}={0,2}(?![\w/+=-])"  # long base64 or hex
    r"|(?i:bearer|basic)\s+[\w.~+/=-]{6,}",
    re.ASCII | re.DOTALL,
)
_USER_INFO = re.compile(r"(\w+://)[^/\s@]+@", re.ASCII)
_PAIR = re.compile(r"([\w.-]{2,40})(\"?\s*[=:]\s*\"?)([^\s&\"',;}]{1,4096})", re.ASCII)
_HOOK = re.compile(r"(/hooks/\w{4,8})\w+", re.ASCII)


def secret_name(name: str) -> bool:
    """Whether a header, field or parameter of this name holds a secret."""
    lowered = name.lower().replace("_", "-")
    return lowered in _WHOLE or _NAMES.search(lowered) is not None


def headers(given: Mapping[str, str]) -> dict[str, str]:
    """Headers with secrets hidden and values of at most 200 letters."""
    return {name: HIDDEN if secret_name(name) else text(value[:200]) for name, value in given.items()}


def url(given: Url) -> str:
    """A URL with the values of secret parameters hidden."""
    shown = _HOOK.sub(r"\1..", given.origin + given.path)
    if not given.query:
        return shown
    pairs = (part.partition("=") for part in given.query.split("&"))
    parts = [
        f"{name}={HIDDEN}"
        if secret_name(unquote_plus(name)) or _SHAPES.search(unquote_plus(value))
        else name + sep + value
        for name, sep, value in pairs
    ]
    return f"{shown}?{'&'.join(parts)}"


def text(given: str, limit: int = 2048) -> str:
    """A text with secret shapes and `name=secret` pairs hidden, and without letters that move a cursor."""
    cut = given[:limit]
    cut = _USER_INFO.sub(rf"\1{HIDDEN}@", cut)
    cut = _SHAPES.sub(HIDDEN, cut)
    return terminal(_HOOK.sub(r"\1..", _without_pairs(cut))) + ("..." if len(given) > limit else "")


def _without_pairs(given: str) -> str:
    parts: list[str] = []
    at = 0
    while (pair := _PAIR.search(given, at)) is not None:
        hide = secret_name(pair[1])
        parts += [given[at : pair.start(3)], HIDDEN if hide else ""]
        # What stands behind a harmless name may be a pair itself, as in `refused: token=...`.
        at = pair.end() if hide else pair.start(3)
    return "".join((*parts, given[at:]))


def value(given: object, depth: int = 0) -> object:
    """A JSON value with secret fields and shapes hidden."""
    if depth > 16:
        return "..."
    if isinstance(given, dict):
        return {
            name: HIDDEN if secret_name(str(name)) and inner is not None else value(inner, depth + 1)
            for name, inner in given.items()
        }
    if isinstance(given, list):
        return [value(inner, depth + 1) for inner in given[:100]]
    return text(given, 500) if isinstance(given, str) else given


def body(content: bytes, content_type: str, limit: int = 2048) -> str:
    """A body as it may be logged: JSON by field, forms by name, other text by shape, bytes by their number."""
    if not content:
        return ""
    if "json" in content_type and len(content) <= 65_536:
        try:
            return msgspec.json.encode(value(msgspec.json.decode(content))).decode()[:limit]
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return text(content[:limit].decode("utf-8", "replace"), limit)
    if "form-urlencoded" in content_type or content_type.startswith("text/") or "json" in content_type:
        return text(content[: limit + 1].decode("utf-8", "replace"), limit)
    return f"<{len(content)} bytes>"


def names(given: Iterable[str]) -> list[str]:
    """Those of the names that are secret."""
    return [name for name in given if secret_name(name)]
