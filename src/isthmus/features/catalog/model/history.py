"""What differs between two states of a provider, field by field (pure)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Version:
    """One step of a provider's history; `state` is the document as it was after it."""

    version: int
    action: str
    actor: str
    at: datetime
    state: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Difference:
    """One field that is not the same; a side that has it not is None."""

    path: str
    before: Any
    after: Any


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Difference]:
    """Every field that differs, by its dotted path, in a stable order."""
    one, other = (dict(_leaves("", given)) if given else {} for given in (before, after))
    paths = sorted(path for path in one.keys() | other.keys() if one.get(path) != other.get(path))
    return [Difference(path, one.get(path), other.get(path)) for path in paths]


def above(
    own: Mapping[str, Any], before: Mapping[str, Any], after: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Both states, with the folder's value where one of them alone overrides a field of it."""
    named = {name: own[name] for name in before.keys() ^ after.keys() if name in own}
    return {**named, **before}, {**named, **after}


def _leaves(path: str, value: Any) -> list[tuple[str, Any]]:  # noqa: ANN401 - any JSON
    if isinstance(value, Mapping) and value:
        inner = value.items()
    elif isinstance(value, list) and value:
        inner = {str(at): one for at, one in enumerate(value)}.items()
    else:
        return [(path, value)]
    return [leaf for name, one in inner for leaf in _leaves(f"{path}.{name}" if path else name, one)]
