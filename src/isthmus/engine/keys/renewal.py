"""Puts a new master key before those of a file, so that it seals from now on and the old ones still open."""

import base64
import os
import tempfile
from pathlib import Path

from isthmus.engine.keys.sealing import random_material
from isthmus.engine.keys.sources import KeyRing, MasterKeyUnusable, load

_LONGEST = 65_536


def renew(file: Path) -> KeyRing:
    """Add a new first key to an existing file, in one step: a reader sees the old file or the new one.

    Owner and rights stay. Raises MasterKeyUnusable, with the file as it was.
    """
    if load(file=file) is None:
        raise MasterKeyUnusable
    fresh = base64.b64encode(random_material()).decode()
    try:
        _replace(file, f"{fresh}\n{file.read_text('ascii')}")
    except OSError as failure:
        raise MasterKeyUnusable(f"a new master key could not be written to {file}: {failure.strerror}") from failure
    ring = load(file=file)
    if ring is None:
        raise MasterKeyUnusable
    return ring


def _replace(file: Path, text: str) -> None:
    if len(text) > _LONGEST:
        raise MasterKeyUnusable(f"the master key file {file} is full; remove the keys that wrap nothing any more")
    target = file.resolve(strict=True)
    known = target.stat()
    handle, name = tempfile.mkstemp(prefix=".master-key-", dir=target.parent)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as out:
            os.fchmod(out.fileno(), known.st_mode & 0o777)
            if (os.geteuid(), os.getegid()) != (known.st_uid, known.st_gid):
                os.fchown(out.fileno(), known.st_uid, known.st_gid)
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
        Path(name).replace(target)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise
