"""What browsers read on our own pages, in one language; the texts stand in `texts.toml`."""

from functools import cache
from html import escape
from pathlib import Path

from isthmus.connect.manifest import Field
from isthmus.features.connections.model import unusable
from isthmus.http import Words, read_texts
from isthmus.kit.errors import Problem
from isthmus.kit.languages import LANGUAGES, Language, preferred

_TEXTS = Path(__file__).with_name("texts.toml")
#: For a platform that gave no usable answer and will give none when it is asked again.
_LASTING = "CONNECTION_LASTING"


class Wording(Words):
    """The texts of these pages in one language."""

    __slots__ = ()

    def problem(self, problem: Problem, provider: str) -> tuple[str, str]:
        """What a failure means for whoever sits there, and the far side's own words where they help."""
        code = _LASTING if unusable.lasting(problem.details.get("reason")) else problem.code
        said = self.of_table("problems", code, provider=provider)
        known = f"problems.{code}" in self.texts
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
    return Wording(language, read_texts(_TEXTS, language))


def asked_for(header: str, chosen: Language | None = None) -> Wording:
    """In the chosen language, else in the one that the browser reads best."""
    return wording(chosen or preferred(header))
