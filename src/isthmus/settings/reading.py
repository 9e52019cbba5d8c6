"""How a knob's text becomes its value, and what is said when it does not.

Order of the sources, the later one wins: the default, the TOML file, the environment. `ISTHMUS_SYNC__PAGE_SIZE` is the
knob `page_size` of the part `sync`; knobs without a part, such as `ISTHMUS_HOME`, have one name.
"""

import dataclasses
import re
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

_NUMBER = re.compile(r"[+-]?\d{1,12}(\.\d{1,9})?")
_DURATION = TypeAdapter(timedelta)
#: What is said of a value that is none of its kind.
_TAKES: Mapping[object, str] = {
    bool: "yes or no",
    int: "a whole number",
    float: "a number",
    timedelta: "a duration, which is a number of seconds, or ISO 8601 such as PT10M",
}


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
    value = _taken_apart(given, knob.kind) if isinstance(given, str) else given
    try:
        found = TypeAdapter(knob.kind).validate_python(value)
    except ValidationError as error:
        takes = _TAKES.get(_plain(knob.kind))
        reason = f"takes {takes}" if takes else error.errors(include_input=False, include_url=False)[0]["msg"]
        raise WrongSetting(f"{knob.variable} (from {origin}): {reason}. {knob.description}") from None
    if isinstance(found, timedelta) and found < timedelta(0):
        raise WrongSetting(f"{knob.variable} (from {origin}): a duration is not below zero. {knob.description}")
    return found


def _plain(kind: object) -> object:
    """The type itself, where a setting may also be left out."""
    return next((part for part in get_args(kind) if part is not type(None)), kind) if _optional(kind) else kind


def _optional(kind: object) -> bool:
    return type(None) in get_args(kind)


def written(value: object) -> str:
    """A value as it is written in the environment; `-` for none."""
    if value is None or value in ((), {}, ""):
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, timedelta):
        return str(_DURATION.dump_python(value, mode="json"))
    if isinstance(value, Mapping):
        return ",".join(f"{name}={written(each)}" for name, each in value.items())
    if isinstance(value, tuple | list | frozenset):
        return ",".join(written(each) for each in value)
    return str(value)


def _taken_apart(text: str, whole: object) -> object:
    """`a,b` for a list, `a=1,b=2` for a table, a number of seconds for a duration; anything else as it is."""
    if _plain(whole) is timedelta and _NUMBER.fullmatch(text.strip()):
        return float(text)
    kind = get_origin(whole)
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
