"""Sealing with AES-256-GCM: a small header that names version, algorithm and key, and associated data that says where.

    version (1) | algorithm (1) | length of the key's id (1) | key id | nonce (12) | ciphertext and tag

What is authenticated beside the text is the whole header and each part of the context, every one preceded by its
length, so that no two places give the same bytes (security.md VA-04, VA-05).
"""

import os
import struct
from collections.abc import Sequence
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

SIZE: Final = 32
_VERSION: Final = 1
_AES_256_GCM: Final = 1
_NONCE: Final = 12
_TAG: Final = 16
_LONGEST_ID: Final = 64


class NotOpened(ValueError):
    """A sealed value that does not open here: damaged, of another place or key, or of a form not known."""


class Key:
    """A key and its id; nothing that prints or pickles it shows it."""

    __slots__ = ("_cipher", "_material", "id")

    def __init__(self, id: str, material: bytes) -> None:  # noqa: A002 - the key's id
        if len(material) != SIZE:
            raise ValueError(f"a key has {SIZE} bytes")
        if not (id.isascii() and 0 < len(id) <= _LONGEST_ID):
            raise ValueError(f"a key's id has 1 to {_LONGEST_ID} ASCII characters")
        self.id = id
        self._material = bytes(material)
        self._cipher = AESGCM(self._material)

    @property
    def material(self) -> bytes:
        """The key itself: only to seal it with another key."""
        return self._material

    def __repr__(self) -> str:
        return f"Key({self.id!r}, ***)"

    def __reduce__(self) -> str:
        raise TypeError("a key is never pickled")

    def encrypt(self, nonce: bytes, text: bytes, bound: bytes) -> bytes:
        return self._cipher.encrypt(nonce, text, bound)

    def decrypt(self, nonce: bytes, text: bytes, bound: bytes) -> bytes:
        return self._cipher.decrypt(nonce, text, bound)


def random_material() -> bytes:
    """A fresh key from the operating system's generator."""
    return os.urandom(SIZE)


def seal(key: Key, text: bytes, context: Sequence[str]) -> bytes:
    """Seal `text` for one place. The nonce comes from the operating system each time (VA-06)."""
    name = key.id.encode()
    header = struct.pack("!BBB", _VERSION, _AES_256_GCM, len(name)) + name + os.urandom(_NONCE)
    return header + key.encrypt(header[-_NONCE:], text, _bound(header, context))


def key_id(sealed: bytes) -> str:
    """The id of the key that sealed it. Raises NotOpened."""
    header = _header(sealed)
    try:
        return header[3:-_NONCE].decode("ascii")
    except UnicodeDecodeError:
        raise NotOpened("the key id of a sealed value is not ASCII") from None


def open(key: Key, sealed: bytes, context: Sequence[str]) -> bytes:  # noqa: A001 - read as keys.open
    """Open a value in its place. Raises NotOpened, whatever the reason."""
    header = _header(sealed)
    if header[3:-_NONCE] != key.id.encode():
        raise NotOpened("the value was sealed with another key")
    try:
        return key.decrypt(header[-_NONCE:], sealed[len(header) :], _bound(header, context))
    except InvalidTag:
        raise NotOpened("the value does not open: it is damaged or belongs to another place") from None


def _header(sealed: bytes) -> bytes:
    if len(sealed) < 3 + 1 + _NONCE + _TAG:
        raise NotOpened("the sealed value is too short")
    version, algorithm, length = sealed[:3]
    if version != _VERSION or algorithm != _AES_256_GCM:
        raise NotOpened(f"the sealed value has version {version} and algorithm {algorithm}, which are not known here")
    end = 3 + length + _NONCE
    if not 0 < length <= _LONGEST_ID or len(sealed) < end + _TAG:
        raise NotOpened("the sealed value is cut off")
    return sealed[:end]


def _bound(header: bytes, context: Sequence[str]) -> bytes:
    parts = [header, *(part.encode("utf-8", "surrogatepass") for part in context)]
    return b"".join(struct.pack("!I", len(part)) + part for part in parts)
