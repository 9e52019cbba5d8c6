"""Opaque, prefixed, time-ordered ids, made in Python (design/api.md, Shapes; security.md SC-01)."""

import os
import re
import secrets
import string
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from isthmus.kit.clock import SYSTEM, Clock

BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_LETTERS = bytes(ord(_ALPHABET[byte & 31]) for byte in range(256))
_PAIRS = [a + b for a in _ALPHABET for b in _ALPHABET]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SHAPE = re.compile(r"[a-z]{2,5}_[0-9a-hjkmnp-tv-z]{26}")
_WITHIN = re.compile(rf"(?<![0-9A-Za-z_]){_SHAPE.pattern}(?![0-9A-Za-z_])")


#: Random ends of ids to come: a look at the system's random source costs more than all else about an id.
_TAILS: list[str] = []
_TAILS_AT_ONCE = 64
# a child of this process must not make the ids that its parent will make
os.register_at_fork(after_in_child=_TAILS.clear)


def new(prefix: str, clock: Clock = SYSTEM) -> str:
    """A fresh id such as `con_01k...`: 48 bits of milliseconds, then 80 random bits, base 32."""
    return made(prefix, clock.now())


def made(prefix: str, at: datetime) -> str:
    """A fresh id of something that came at this time."""
    try:
        tail = _TAILS.pop()
    except IndexError:
        _TAILS.extend(_tails(_TAILS_AT_ONCE))
        tail = _TAILS.pop()
    return f"{prefix}_{_head(int(at.timestamp() * 1000))}{tail}"


def _tails(count: int) -> list[str]:
    letters = secrets.token_bytes(16 * count).translate(_LETTERS).decode("ascii")
    return [letters[at : at + 16] for at in range(0, 16 * count, 16)]


@lru_cache(maxsize=4)
def _head(milliseconds: int) -> str:
    """The time's part of an id; many ids are made in one moment."""
    return _encode(milliseconds << 80)[:10]


def many(count: int, clock: Clock = SYSTEM) -> list[str]:
    """`count` fresh ids without their prefixes, for bulk writes: one look at the clock and at the random source."""
    milliseconds = int(clock.now().timestamp() * 1000)
    head = _head(milliseconds)
    return [head + tail for tail in _tails(count)]


def floor(prefix: str, at: datetime) -> str:
    """The least id of this prefix that can have been made at this time or later."""
    return f"{prefix}_{_encode(int(at.timestamp() * 1000) << 80)}"


def made_at(id_: str) -> datetime:
    """When an id says that it was made, in UTC. Raises ValueError for what has not the shape of an id."""
    if _SHAPE.fullmatch(id_) is None:
        raise ValueError("not an id")
    head = id_.partition("_")[2][:10]
    milliseconds = sum(_ALPHABET.index(letter) << shift for letter, shift in zip(head, range(45, -1, -5), strict=True))
    return _EPOCH + timedelta(milliseconds=milliseconds)


def _encode(value: int) -> str:
    pairs = _PAIRS
    return "".join([pairs[(value >> shift) & 1023] for shift in range(120, -1, -10)])


def is_id(text: str, prefix: str) -> bool:
    """Whether `text` has the shape of an id with this prefix."""
    return text.startswith(prefix + "_") and _SHAPE.fullmatch(text) is not None


def found(text: str) -> list[str]:
    """The ids that stand within a text, in their order."""
    return _WITHIN.findall(text)


def token(bits: int = 192) -> str:
    """An unguessable URL-safe token with at least `bits` random bits."""
    return secrets.token_urlsafe((bits + 7) // 8)


def base62(length: int) -> str:
    """An unguessable text of digits and letters, near six random bits each."""
    return "".join([secrets.choice(BASE62) for _ in range(length)])
