"""The formats that this deployment knows, and the one that an upload asks for."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from isthmus.features.uploads.errors import WrongMapping
from isthmus.features.uploads.model.formats import Format, check, shipped
from isthmus.scope import Scope


class Formats:
    """Our own template and what providers' folders bring."""

    def __init__(self, folders: Iterable[Path]) -> None:
        self.known = shipped(folders)


def known(scope: Scope) -> tuple[Format, ...]:
    """Every format that is shipped."""
    return scope.part(Formats).known


def read(mapping: Mapping[str, Any]) -> Format:
    """A mapping as a tenant writes it: `key`, `product`, `variant` and, where wanted, the rest. Raises WrongMapping."""
    given = {"id": "mapping", "name": "Mapping", "header": [], **mapping}
    if isinstance(given.get("key"), str):
        given["key"] = [given["key"]]
    try:
        form = msgspec.convert(given, Format)
        check(form)
    except (msgspec.ValidationError, ValueError) as error:
        raise WrongMapping.field("mapping", str(error)) from None
    return form


def wanted(scope: Scope, name: str | None, mapping: Mapping[str, Any] | None) -> Format | None:
    """The format of this mapping, or of this name; None: to be recognised. Raises WrongMapping."""
    if mapping is not None:
        return read(mapping)
    if name is None:
        return None
    found = next((one for one in known(scope) if one.id == name), None)
    if found is None:
        names = ", ".join(one.id for one in known(scope))
        raise WrongMapping.field("format", f"There is no format {name!r}; there are {names}.")
    return found
