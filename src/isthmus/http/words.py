"""What people read on our own pages, in one language: texts by name, each room's in a file beside its routes."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from html import escape
from pathlib import Path

from isthmus.kit.languages import Language

_OTHER = "other"


@dataclass(frozen=True, slots=True)
class Words:
    """The texts of one language, by name; those of a table as `table.name`."""

    language: Language
    texts: Mapping[str, str]

    def say(self, name: str, **parts: str) -> str:
        """A text with its parts filled in, not yet HTML."""
        return self.texts[name].format(**parts)

    def html(self, name: str, **parts: str) -> str:
        """A text as HTML; its parts are HTML already."""
        return escape(self.texts[name]).format(**parts)

    def of_table(self, table: str, name: str, **parts: str) -> str:
        """A text of a table, its last resort where it has not this one."""
        known = f"{table}.{name}" if f"{table}.{name}" in self.texts else f"{table}.{_OTHER}"
        return self.say(known, **parts)


@cache
def read_texts(path: Path, language: Language) -> Mapping[str, str]:
    """The texts of a language in a file that has a table for each language."""
    flat: dict[str, str] = {}
    for name, value in tomllib.loads(path.read_text("utf-8"))[language].items():
        if isinstance(value, str):
            flat[name] = value
        else:
            flat |= {f"{name}.{inner}": text for inner, text in value.items()}
    return flat
