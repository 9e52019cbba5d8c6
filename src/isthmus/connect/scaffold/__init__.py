"""Writes the folder of a new connector: small, complete, and passing its conformance suite from the first minute."""

import keyword
import re
from pathlib import Path

from isthmus.kit.errors import Conflict, Invalid

_TEMPLATE = Path(__file__).parent / "template"
_NAME = re.compile(r"[a-z][a-z0-9_]{1,39}")
#: Words that are paths of the catalogue's own routes (design: a slug may not be one of them), or Python's.
_RESERVED = frozenset({"oauth", "search", "connector", "sandbox", "mapping"})
_SUFFIX = ".txt"


def write(name: str, home: Path) -> list[Path]:
    """Write the folder `home/name` and return its files.

    The folder is a package that may stand anywhere: among the platform's own connectors or in a distribution of its
    own. Raises Invalid for a name that cannot be one, Conflict when something of that name is there.
    """
    if not _NAME.fullmatch(name) or keyword.iskeyword(name) or name in _RESERVED:
        text = "2 to 40 small letters, digits and underscores, beginning with a letter, and no word of Python's"
        raise Invalid.field("name", text)
    folder = home / name
    if folder.exists():
        raise Conflict(f"{folder} is there already")
    words = {
        "name": name,
        "title": " ".join(part.capitalize() for part in name.split("_")),
        "class": "".join(part.capitalize() for part in name.split("_")),
        "host": name.replace("_", "-"),
    }
    written: list[Path] = []
    for source in sorted(_TEMPLATE.rglob(f"*{_SUFFIX}")):
        target = folder / source.relative_to(_TEMPLATE).with_suffix("")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(_filled(source.read_text("utf-8"), words), "utf-8")
        written.append(target)
    return written


def _filled(text: str, words: dict[str, str]) -> str:
    for word, value in words.items():
        text = text.replace("{{" + word + "}}", value)
    return text
