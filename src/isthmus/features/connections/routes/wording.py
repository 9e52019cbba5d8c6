"""What browsers read on our own pages, in one language; the texts stand in `texts.toml`."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from html import escape
from pathlib import Path
from typing import Final

from isthmus.connect.manifest import Field
from isthmus.features.connections.model.languages import LANGUAGES, Language, preferred
from isthmus.kit.errors import Problem

_TEXTS = Path(__file__).with_name("texts.toml")
_OTHER = "other"

#: What an answer in words depends on: what every answer does, and the language that was asked for.
VARY: Final = "Authorization, Cookie, Origin, Accept-Language"


@dataclass(frozen=True, slots=True)
class Wording:
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

    def problem(self, problem: Problem, provider: str) -> tuple[str, str]:
        """What a failure means for whoever sits there, and the far side's own words where they help."""
        said = self.of_table("problems", problem.code, provider=provider)
        known = f"problems.{problem.code}" in self.texts
        return said, str(problem.details.get("platformMessage", "")) if known else problem.message

    def label(self, field: Field) -> str:
        """A field's name as HTML."""
        known = field.labels.get(self.language) or self.texts.get(f"labels.{field.label}")
        return escape(known) if known else self._english(field.label)

    def help(self, field: Field) -> str:
        """What is said of a field, as HTML; empty where there is nothing."""
        known = field.helps.get(self.language)
        return escape(known) if known else self._english(field.help)

    def _english(self, text: str) -> str:
        """Names and helps of manifests are English where they say nothing else."""
        return escape(text) if self.language == LANGUAGES[0] or not text else f'<span lang="en">{escape(text)}</span>'


@cache
def wording(language: Language) -> Wording:
    """The texts of a language."""
    return Wording(language, _flat(tomllib.loads(_TEXTS.read_text("utf-8"))[language]))


def asked_for(header: str, chosen: Language | None = None) -> Wording:
    """In the chosen language, else in the one that the browser reads best."""
    return wording(chosen or preferred(header))


def _flat(table: Mapping[str, str | Mapping[str, str]]) -> Mapping[str, str]:
    flat: dict[str, str] = {}
    for name, value in table.items():
        if isinstance(value, str):
            flat[name] = value
        else:
            flat |= {f"{name}.{inner}": text for inner, text in value.items()}
    return flat
