"""How a knob's text becomes its value, and what is said when it does not.

Order of the sources, the later one wins: the default, the TOML file, the environment. `ISTHMUS_SYNC__PAGE_SIZE` is the
knob `page_size` of the part `sync`; knobs without a part, such as `ISTHMUS_HOME`, have one name.
"""

import dataclasses
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter, ValidationError

from isthmus.kit.errors import Problem
from isthmus.kit.secret import Secret
from isthmus.kit.weakness import Judge


class WrongSetting(Problem):
    """A setting is unknown or has a value that cannot be used; the message names it.

    Correct or remove it where the message says it comes from; `isthmus check` lists every setting.
    """

    code = "WRONG_SETTING"
    status = 500


@dataclass(frozen=True, slots=True)
class Knob:
    """One setting: where it belongs, what it takes and what it is for."""

    section: str
    name: str
    kind: Any
    default: Any
    description: str
    #: Says which of its values weaken security, and what holds once they have run out.
    weak: Judge | None = None

    @property
    def variable(self) -> str:
        """Its name in the environment."""
        return (
            f"ISTHMUS_{self.section.upper()}__{self.name.upper()}" if self.section else f"ISTHMUS_{self.name.upper()}"
        )


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value came from: `default`, a file's name or a variable's name."""

    place: str


def knobs(section: str, part: type) -> list[Knob]:
    """The knobs of one part, in the order it declares them."""
    hints = get_type_hints(part)
    found: list[Knob] = []
    for field in dataclasses.fields(part):
        default = field.default if field.default is not dataclasses.MISSING else None
        if field.default_factory is not dataclasses.MISSING:
            default = field.default_factory()
        description = str(field.metadata.get("description") or field.metadata.get("help") or "")
        found.append(Knob(section, field.name, hints[field.name], default, description, field.metadata.get("weak")))
    return found


def end_of(knob: Knob) -> Knob:
    """The setting that says until when a value that weakens holds."""
    said = f"A day, which is the last one, or a time, until which {knob.variable} holds where it weakens security."
    return Knob(knob.section, f"{knob.name}_until", date | datetime, None, said)


def read_end(given: object) -> datetime | None:
    """The moment at which a value stops to hold; a day counts whole, in UTC. None where nothing is said."""
    if isinstance(given, datetime):
        return given if given.tzinfo is not None else given.replace(tzinfo=UTC)
    if not isinstance(given, date):
        return None
    return datetime(given.year, given.month, given.day, tzinfo=UTC) + timedelta(days=1)


def parse(knob: Knob, given: object, origin: str) -> Any:  # noqa: ANN401 - each knob has its own type
    """The value of a knob from text or TOML. Raises WrongSetting naming the knob and its origin, never a secret."""
    if Secret in (knob.kind, *get_args(knob.kind)):
        return Secret(str(given))
    value = _taken_apart(given, get_origin(knob.kind)) if isinstance(given, str) else given
    try:
        return TypeAdapter(knob.kind).validate_python(value)
    except ValidationError as error:
        reason = error.errors(include_input=False, include_url=False)[0]["msg"]
        raise WrongSetting(f"{knob.variable} (from {origin}): {reason}. {knob.description}") from None


def _taken_apart(text: str, kind: object) -> object:
    """`a,b` for a list, `a=1,b=2` for a table; anything else as it is."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if kind in (tuple, list, frozenset):
        return parts
    if kind in (dict, Mapping):
        return {name.strip(): value.strip() for name, _, value in (part.partition("=") for part in parts)}
    return text


def read_toml(path: Path) -> Mapping[str, Any]:
    """The tables of a settings file; raises WrongSetting when it cannot be read."""
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise WrongSetting(f"the settings file {path} cannot be read: {error}") from error
