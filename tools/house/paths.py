"""What may not stand in any committed file: machine paths and the hosts of package registries; keys that look live."""

import re
import string
import subprocess
import zlib
from collections.abc import Iterator
from pathlib import Path

from tools.house.tree import ROOT, Finding

_HOSTS = "|".join(
    ("python" + r"hosted\.org", r"\bpypi" + r"\.org", r"registry\.npm" + r"js\.org", r"deb\.deb" + r"ian\.org")
)
_ROOTS = "(^|[^A-Za-z0-9_.-])/(wo" + "rk|fa" + "rm|ro" + "ot)/"
_PATTERN = re.compile(f"{_HOSTS}|{_ROOTS}")
#: The published form of API keys: 32 letters, and six that check them; a sample with wrong ones is nobody's key.
_KEY = re.compile("(?:isk_(?:" + "live|test)|ipk)_[0-9A-Za-z]{38}")
_LETTERS = string.digits + string.ascii_uppercase + string.ascii_lowercase


def tracked(root: Path = ROOT) -> list[Path]:
    """The files that git knows below `root`."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, check=True).stdout
    return [root / name for name in listed.decode().split("\0") if name]


def _checks(key: str) -> bool:
    """Whether a key's last six letters are the CRC-32 of all before, in base 62."""
    left, letters = zlib.crc32(key[:-6].encode("ascii")), ""
    for _ in range(6):
        left, at = divmod(left, 62)
        letters = _LETTERS[at] + letters
    return letters == key[-6:]


def findings(files: list[Path], root: Path = ROOT) -> Iterator[Finding]:
    """Every line that names what it may not."""
    for path in files:
        try:
            lines = path.read_text("utf-8").splitlines()
        except (UnicodeDecodeError, OSError):
            continue
        for number, line in enumerate(lines, 1):
            if found := _PATTERN.search(line):
                yield Finding(str(path.relative_to(root)), number, "path", f"names {found[0].strip()!r}")
            if any(_checks(one) for one in _KEY.findall(line)):
                yield Finding(str(path.relative_to(root)), number, "key", "a live-looking key")
