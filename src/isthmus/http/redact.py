"""Keeps secrets out of whatever is logged: by the name they stand under, and by their shape (security.md LO-04)."""

import re
from collections.abc import Mapping

HIDDEN = "***"
_DEPTH = 6

_NAMES = (
    r"(?:[a-z0-9_.-]*(?:secret|password|passwd|passphrase|credential|private[_-]?key|api[_-]?key|apikey|app[_-]?key"
    r"|partner[_-]?key|access[_-]?key|master[_-]?key|signing[_-]?key|token|cookie|authorization|signature|bearer)"
    r"|sign|sig|pwd|code|state|code_verifier|otp)"
)
_NAME = re.compile(rf"{_NAMES}s?", re.IGNORECASE)
_HARMLESS = re.compile(r"(?:status|error|exit|currency|country|reason)[_-]?code", re.IGNORECASE)
_SHAPES = (
    (re.compile(r"-----BEGIN [A-Z0-9 ]{1,40}-----.{0,20000}?(?:-----END [A-Z0-9 ]{1,40}-----|\Z)", re.DOTALL), HIDDEN),
    (re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*){0,3}"), HIDDEN),
    (re.compile(r"\b(i[sp]k_(?:live_|test_)?)[0-9A-Za-z]{8,}"), rf"\1{HIDDEN}"),
    (re.compile(r"\b(whk_[0-9A-Za-z]{2})[0-9A-Za-z_-]{6,}"), rf"\1..{HIDDEN}"),
    (re.compile(r"(/hooks/[^/\s?#]{1,6})[^/\s?#]*"), rf"\1..{HIDDEN}"),
    (re.compile(r"\b((?:Bearer|Basic)\s+)[A-Za-z0-9._~+/=-]{6,}", re.IGNORECASE), rf"\1{HIDDEN}"),
    (re.compile(r"([a-z][a-z0-9+.-]{1,20}://)[^/\s@:]{0,200}:[^/\s@]{1,400}@", re.IGNORECASE), rf"\1{HIDDEN}@"),
    (re.compile(rf"([?&;]{_NAMES}=)[^&\s#\"']+", re.IGNORECASE), rf"\1{HIDDEN}"),
    (re.compile(rf"([\"']{_NAMES}[\"']\s*:\s*)[\"'][^\"']*[\"']", re.IGNORECASE), rf'\1"{HIDDEN}"'),
    (re.compile(r"(?<![A-Za-z0-9+/_.-])(?=[A-Za-z_-]*[0-9])(?=[A-Z0-9_-]*[a-z])[A-Za-z0-9+/_-]{40,}={0,2}"), HIDDEN),
)
_SUSPECT = re.compile(r"[=:@]|-----|eyJ|_live_|_test_|[ip]k_|whk_|/hooks/|earer|asic|[A-Za-z0-9+/_-]{40}")


def text(value: str) -> str:
    """The text with everything that looks like a secret replaced."""
    if not _SUSPECT.search(value):
        return value
    for shape, replacement in _SHAPES:
        value = shape.sub(replacement, value)
    return value


def is_secret_name(name: str) -> bool:
    """Whether what stands under this name is never logged."""
    return _NAME.fullmatch(name) is not None and _HARMLESS.fullmatch(name) is None


def anything(value: object, depth: int = 0) -> object:
    """A structure fit for a log: secrets hidden by name and shape, deep nests cut, unknown objects as their text."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return text(value)
    if depth >= _DEPTH:
        return "..."
    if isinstance(value, Mapping):
        return {
            str(name): HIDDEN if is_secret_name(str(name)) and item is not None else anything(item, depth + 1)
            for name, item in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [anything(item, depth + 1) for item in value]
    return text(str(value))
