"""Where master keys come from: the environment, a file, a command; an embedded first start makes one.

A text holds one key a line (or between commas), base64 or hex of 32 bytes; `#` starts a comment. The first key seals,
all of them open. Whatever is wrong is said with the place it was found in, and nothing is written or replaced.
"""

import base64
import binascii
import hashlib
import os
import re
import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Final

from isthmus.engine.keys.sealing import SIZE, Key, random_material
from isthmus.kit.errors import Problem
from isthmus.kit.secret import Secret

_COMMAND_SECONDS: Final = 15.0
_LONGEST: Final = 65_536
_HEX: Final = re.compile(r"[0-9a-fA-F]{64}", re.ASCII)


class MasterKeyUnusable(Problem):
    """No usable master key was found; nothing was changed.

    Give the key that this database was sealed with, by environment, file or command; see the message.
    """

    code: ClassVar[str] = "MASTER_KEY_UNUSABLE"


class KeyRing:
    """The master keys this process holds: the first seals, all of them open. `sources` says where they came from."""

    def __init__(self, keys: Sequence[Key], sources: Sequence[str]) -> None:
        if not keys:
            raise ValueError("a key ring holds at least one key")
        self._keys = {key.id: key for key in reversed(keys)}
        self.primary = keys[0]
        self.ids: tuple[str, ...] = tuple(dict.fromkeys(key.id for key in keys))
        self.sources: tuple[str, ...] = tuple(sources)

    def get(self, key_id: str) -> Key | None:
        """The key with this id, if it is held."""
        return self._keys.get(key_id)

    def __repr__(self) -> str:
        return f"KeyRing({list(self.ids)}, from {list(self.sources)})"


def master_key(material: bytes) -> Key:
    """A master key; its id is a fingerprint, so the same key has the same id wherever it is loaded from."""
    return Key("mk_" + hashlib.sha256(b"isthmus master key\0" + material).hexdigest()[:16], material)


def load(
    *,
    text: Secret | None = None,
    text_name: str = "the environment",
    file: Path | None = None,
    command: str | None = None,
) -> KeyRing | None:
    """The ring of every source that is given, in this order; None when none is given. Raises MasterKeyUnusable."""
    keys: list[Key] = []
    sources: list[str] = []
    if text is not None:
        keys += _parse(text.reveal(), text_name)
        sources.append(text_name)
    if file is not None:
        keys += _parse(_read(file), f"the file {file}")
        sources.append(f"the file {file}")
    if command is not None:
        keys += _parse(_ask(command), "the master key command")
        sources.append("the master key command")
    return KeyRing(keys, sources) if sources else None


def written(ring: KeyRing) -> Secret:
    """The keys of a ring as a text that `load` reads, the first one first."""
    held = [key for name in ring.ids if (key := ring.get(name)) is not None]
    return Secret("".join(f"{base64.b64encode(key.material).decode()}\n" for key in held))


def make(file: Path) -> KeyRing:
    """Make a master key in a new file that only this user can read; a file that is there is never touched.

    Raises MasterKeyUnusable.
    """
    body = (
        "# Master key of Isthmus. Whoever has it and the database can read every stored credential.\n"
        "# Without it no stored credential can be read again: keep a copy elsewhere.\n"
        f"{base64.b64encode(random_material()).decode()}\n"
    )
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        held = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except OSError as failure:
        raise MasterKeyUnusable(f"a master key could not be written to {file}: {failure.strerror}") from failure
    try:
        with os.fdopen(held, "w") as target:
            target.write(body)
            target.flush()
            os.fsync(target.fileno())
    except OSError as failure:
        file.unlink(missing_ok=True)
        raise MasterKeyUnusable(f"a master key could not be written to {file}: {failure.strerror}") from failure
    ring = load(file=file)
    if ring is None:
        raise MasterKeyUnusable
    return ring


def _read(file: Path) -> str:
    try:
        with file.open("rb") as source:
            return source.read(_LONGEST).decode("ascii")
    except OSError as failure:
        raise MasterKeyUnusable(f"the master key file {file} cannot be read: {failure.strerror}") from failure
    except UnicodeDecodeError:
        raise MasterKeyUnusable(f"the master key file {file} is not base64 or hex text") from None


def _ask(command: str) -> str:
    # the command finds its service by its own variables; ours hold secrets that it has no need of
    theirs = {name: value for name, value in os.environ.items() if not name.startswith("ISTHMUS_")}
    try:
        done = subprocess.run(  # noqa: S603 - the operator's own command, started without a shell
            shlex.split(command),
            env=theirs,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_COMMAND_SECONDS,
            check=False,
        )
    except (OSError, ValueError) as failure:
        raise MasterKeyUnusable(f"the master key command cannot be run: {type(failure).__name__}") from None
    except subprocess.TimeoutExpired:
        raise MasterKeyUnusable(f"the master key command gave no key within {_COMMAND_SECONDS:g} s") from None
    if done.returncode != 0:
        raise MasterKeyUnusable(f"the master key command failed with exit code {done.returncode}")
    return done.stdout[:_LONGEST].decode("ascii", "replace")


def _parse(text: str, source: str) -> list[Key]:
    lines = [line.split("#", 1)[0] for line in text.splitlines()]
    words = [word.strip() for line in lines for word in line.split(",") if word.strip()]
    if not words:
        raise MasterKeyUnusable(f"{source} holds no master key")
    return [master_key(_material(word, place, source)) for place, word in enumerate(words, 1)]


def _material(word: str, place: int, source: str) -> bytes:
    """The bytes of one key; the message never quotes it."""
    if _HEX.fullmatch(word):
        return bytes.fromhex(word)
    try:
        padded = word.replace("-", "+").replace("_", "/") + "=" * (-len(word) % 4)
        material = base64.b64decode(padded, validate=True)
    except (binascii.Error, ValueError):
        raise MasterKeyUnusable(f"key {place} of {source} is neither base64 nor hex") from None
    if len(material) != SIZE:
        raise MasterKeyUnusable(f"key {place} of {source} has {len(material)} bytes; a master key has {SIZE}")
    return material
