"""Folders for copies of files that are worked off; what a process left behind that was killed is removed."""

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from isthmus.features.uploads.errors import NoRoom

_PREFIX: Final = "isthmus-upload-"
#: A folder is held from its first moment on, but for so long nobody looks.
_YOUNG: Final = timedelta(minutes=1)


@contextmanager
def folder() -> Iterator[Path]:
    """A folder of one's own among the temporary files. A full disk, or none, raises NoRoom."""
    try:
        with tempfile.TemporaryDirectory(prefix=_PREFIX) as name, _held(Path(name)):
            yield Path(name)
    except (ConnectionError, TimeoutError):
        raise  # of a line, not of a disk
    except OSError as failure:
        raise NoRoom(f"There is no place for a copy of the file: {failure.strerror or 'disk error'}.") from failure


@contextmanager
def _held(path: Path) -> Iterator[None]:
    """The system lets go of it with the process, however that ends."""
    opened = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with contextlib.suppress(OSError):  # not every file system knows locks
            fcntl.flock(opened, fcntl.LOCK_SH)
        yield
    finally:
        os.close(opened)


def sweep(now: datetime) -> None:
    """Remove folders of this user that no process holds any more."""
    for path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):  # somebody works there, or removes it just now
            found = path.lstat()
            if found.st_uid == os.geteuid() and found.st_mtime < (now - _YOUNG).timestamp():
                _remove(path)


def _remove(path: Path) -> None:
    opened = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(path, ignore_errors=True)
    finally:
        os.close(opened)
