"""The requirements of the security reference, and which tests carry their ids in their names."""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from tools.house.tree import ROOT

_ROW = re.compile(r"^\| ([A-Z]{2}-\d\d) \|", re.MULTILINE)
_TEST = re.compile(r"def test_((?:[A-Z]{2}_\d\d_)+)")
_CONSOLE = "the pages in the browser (CP, PM) come with the console and the widgets of the web packages"
_BACKUP = "there is no `isthmus backup` and `restore` yet; the guide of operation says what to copy instead"
_ASSISTANT = "there is no assistant yet"
_RELEASE = "belongs to the pipeline of a release, and no version has been released yet"
#: What no test carries yet, and why.
LATER: Mapping[str, str] = {
    **{f"CP-0{number}": _CONSOLE for number in (1, 3, 4, 5, 6, 7, 8)},
    **{f"PM-0{number}": _CONSOLE for number in (1, 2, 3, 4)},
    **{f"AI-0{number}": _ASSISTANT for number in range(1, 8)},
    **{f"BK-0{number}": _BACKUP for number in range(1, 6)},
    "PR-18": _BACKUP,
    "PR-16": _RELEASE,
    "SU-03": _RELEASE,
    "SU-04": _RELEASE,
    "SU-06": _RELEASE,
    "VA-12": "master keys come from the environment, a file or a command; no remote service wraps the data keys yet",
}


def page() -> Path:
    """Where the reference lies, beside the checkout unless the environment says otherwise."""
    return (ROOT / os.environ.get("ISTHMUS_SHARED", "../shared") / "reference" / "security.md").resolve()


def wanted() -> list[str]:
    """The ids of all requirements, in the order of the page."""
    return _ROW.findall(page().read_text("utf-8"))


def carried() -> dict[str, int]:
    """How many tests carry each id in their names."""
    found = dict.fromkeys(wanted(), 0)
    for one in _named():
        found[one] = found.get(one, 0) + 1
    return found


def _named() -> Iterator[str]:
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for name in _TEST.findall(path.read_text("utf-8")):
            yield from (one.replace("_", "-") for one in re.findall(r"[A-Z]{2}_\d\d", name))
